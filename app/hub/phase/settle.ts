// What a hub does about phases when it starts: keeps which edges stand where, lets nothing be granted in a
// database that has entered no phase yet, and brings the placement into line with the phase. Promises: what a
// transition that is under way has placed stays as it is.
import type pg from "pg";
import { TickhubError } from "../../shared/errors.ts";
import { PHASE_LOCK, writePlaces } from "./acts.ts";
import { historyOf, readHistory } from "./history.ts";
import { placementOf } from "./phases.ts";
import type { SiteRule } from "./phases.ts";
import { readPlace } from "./world.ts";

export interface SettleOptions {
  /** From TICKHUB_SITES; empty: those that an earlier start has kept. */
  sites: readonly SiteRule[];
  accounts: readonly string[];
  /** TICKHUB_PLACEMENT has an entry. */
  isPlaced: boolean;
  ttlMs: number;
}

/**
 * False where there are no phases: then the configuration's placement rules. Throws CONFIG_INVALID where both
 * would, and PHASE_SITES when the phase's placement cannot be made of the sites.
 */
export async function settlePhase(pool: pg.Pool, options: SettleOptions): Promise<boolean> {
  const { sites, isPlaced, ttlMs } = options;
  const client = await pool.connect();
  try {
    await client.query("begin");
    const isManaged = sites.length > 0 || (await readPlace(client)).fence.state !== "none";
    if (isManaged && isPlaced) {
      const reason = "the migration's phase places accounts here: unset it, and set TICKHUB_SITES";
      throw new TickhubError("CONFIG_INVALID", { name: "TICKHUB_PLACEMENT", reason });
    }
    if (isManaged) {
      if (sites.length > 0) await writeSites(client, sites, ttlMs);
      await settlePlacement(client, options);
    }
    await client.query("commit");
    client.release();
    return isManaged;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    client.release(error instanceof TickhubError ? undefined : true);
    throw error;
  }
}

async function writeSites(
  client: pg.PoolClient,
  sites: readonly SiteRule[],
  ttlMs: number,
): Promise<void> {
  await client.query("delete from public.site");
  await client.query(
    `insert into public.site (target, side, edges, ttl_ms)
     select one ->> 'target', one ->> 'side',
       array(select jsonb_array_elements_text(one -> 'edges')), $2
     from jsonb_array_elements($1::jsonb) one`,
    [JSON.stringify(sites), ttlMs],
  );
  await client.query(
    `insert into public.fence (state, changed_by, reason)
     values ('shut', 'hub', 'no phase was entered yet') on conflict (one) do nothing`,
  );
}

async function settlePlacement(client: pg.PoolClient, { accounts }: SettleOptions): Promise<void> {
  const { rows } = await client.query<{ got: boolean }>(
    "select pg_try_advisory_xact_lock($1, $2) as got",
    [...PHASE_LOCK],
  );
  // A command moves accounts just now.
  if (!rows[0]!.got) return;
  const { phase, underway } = historyOf(await readHistory(client));
  const { sites } = await readPlace(client);
  await client.query(
    "update public.placement set ttl_ms = (select max(ttl_ms) from public.site) where exists (select from public.site)",
  );
  if (phase === null) return;
  const { placement, missing } = placementOf(phase, accounts, sites);
  if (missing.length > 0) {
    throw new TickhubError("PHASE_SITES", { phase, missing: missing.join(", ") });
  }
  if (underway === null) return await writePlaces(client, placement);
  // Half-way between two phases: an account that is new to the configuration gets its place, no other moves.
  const { rows: placed } = await client.query<{ account: string }>(
    "select account from public.placement",
  );
  const known = new Set(placed.map(({ account }) => account));
  await writePlaces(client, new Map([...placement].filter(([account]) => !known.has(account))));
}
