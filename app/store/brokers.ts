// Whose ticks a database holds, in its own word: written once, by the first hub that starts on it.
import type pg from "pg";
import type { BrokerKind } from "../shared/brokers.ts";
import { TickhubError } from "../shared/errors.ts";

type Queryable = Pick<pg.Pool, "query">;

/**
 * Makes a database that never held anything one of `kind`. One that holds rows and was never marked has real ones.
 * Throws DATABASE_BROKERS when it is of the other kind.
 */
export async function claimBrokers(pool: Queryable, kind: BrokerKind): Promise<void> {
  await pool.query(
    `insert into public.hub_brokers (kind)
     select case when exists (select from public.stream) or exists (select from public.trade)
         or exists (select from public.book) or exists (select from public.status)
       then 'real' else $1 end
     on conflict (one) do nothing`,
    [kind],
  );
  const { rows } = await pool.query<{ kind: BrokerKind }>("select kind from public.hub_brokers");
  const found = rows[0]!.kind;
  if (found !== kind) throw new TickhubError("DATABASE_BROKERS", { database: found, hub: kind });
}

/** What a database says of itself; null where no hub that marks it ever started on it, or this user may not read it. */
export async function readBrokers(pool: Queryable): Promise<BrokerKind | null> {
  const { rows } = await pool.query<{ isTold: boolean }>(
    `select coalesce(has_table_privilege(to_regclass('public.hub_brokers'), 'select'), false) as "isTold"`,
  );
  if (!rows[0]!.isTold) return null;
  const found = await pool.query<{ kind: BrokerKind }>("select kind from public.hub_brokers");
  return found.rows[0]?.kind ?? null;
}
