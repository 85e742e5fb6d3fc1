// What `tickhub stress` loads. A database server: a tickhub of the run's own beside the database in use, so that no
// row of it ever stands in a table in use. Or a hub: one that says that its brokers are simulated, and no other.
// Both are left alone while somebody collects there.
import type pg from "pg";
import { systemClock } from "../shared/clock.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import type { Profile } from "../sim/market/profile.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { recordEvidence } from "../store/evidence.ts";
import { migrate } from "../store/migrate.ts";
import { openServer } from "./server.ts";
import { onHub, onScratch } from "./stress-ground.ts";
import type { WithGround } from "./stress-ground.ts";
import { codesOf, IN_USE_MINUTES, StressHub } from "./stress-hub.ts";

export interface StressTarget {
  /** The hub's gateway; null where the run has a hub of its own. */
  shown: string | null;
  /** What the simulator has to be told beside the market. */
  simArgs: readonly string[];
  withGround: WithGround;
  /** Keeps it with the target. Its row; null where there is no tickhub. */
  keep(evidence: Evidence): Promise<number | null>;
  close(): Promise<void>;
}

/**
 * The server of TICKHUB_DATABASE_URL, else the embedded one.
 * @param force why a server in use is loaded all the same
 * Throws STRESS_TARGET_IN_USE, DATABASE_*.
 */
export async function openServerTarget(
  settings: Settings,
  force: string | undefined,
): Promise<StressTarget> {
  const isOurs = settings.TICKHUB_DATABASE_URL === undefined;
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  const pool = openPool(server.url, { connectionsMax: 2, name: "tickhub-stress" });
  const close = async () => {
    await pool.end();
    await server.stop();
  };
  try {
    if (isOurs) await migrate(pool, { clock: systemClock });
    await refuseInUse(pool, force);
  } catch (error) {
    await close();
    throw asDatabaseError(error);
  }
  return {
    ...{ shown: null, simArgs: [], withGround: onScratch(server.url), close },
    keep: async (evidence) =>
      (await hasTable(pool, "evidence")) ? await recordEvidence(pool, evidence) : null,
  };
}

/**
 * A hub that runs: it is asked before anything is started. Rows of a tape have one key each, and a hub that
 * has them finds them doubled: only a profile is played there.
 * Throws USAGE, CONFIG_MISSING, STRESS_TARGET_*, EDGE_*, UPLINK_*, PROXY_*.
 */
export async function openHubTarget(
  to: string,
  settings: Settings,
  { force, market }: { force: string | undefined; market: Profile["market"] | null },
): Promise<StressTarget> {
  if (market === null) {
    throw new TickhubError("USAGE", { problem: "--to plays a profile, and this is a tape" });
  }
  const hub = new StressHub(to, settings);
  const look = await hub.admit(force);
  return {
    shown: hub.gatewayUrl,
    simArgs: ["--codes", codesOf(look, market).join(",")],
    withGround: onHub(hub, hub.target(look)),
    keep: (evidence) => hub.keep(evidence),
    close: () => Promise.resolve(),
  };
}

/**
 * The scratch database keeps rows apart, not the disk and the processors: a server whose hub is collecting
 * is left alone. Throws STRESS_TARGET_IN_USE.
 */
async function refuseInUse(pool: pg.Pool, force: string | undefined): Promise<void> {
  if (force !== undefined || !(await hasTable(pool, "lease"))) return;
  const { rows } = await pool.query<{ leases: number; batches: number }>(
    `select (select count(*) from public.lease
         where holder is not null and seen_at > now() - make_interval(mins => $1))::int as leases,
       (select count(*) from public.ingest_batch
         where committed_at > now() - make_interval(mins => $1))::int as batches`,
    [IN_USE_MINUTES],
  );
  const { leases, batches } = rows[0]!;
  if (leases + batches === 0) return;
  throw new TickhubError("STRESS_TARGET_IN_USE", { leases, batches, minutes: IN_USE_MINUTES });
}

async function hasTable(pool: pg.Pool, name: string): Promise<boolean> {
  const { rows } = await pool.query<{ there: boolean }>(
    "select to_regclass('public.' || quote_ident($1)) is not null as there",
    [name],
  );
  return rows[0]!.there;
}
