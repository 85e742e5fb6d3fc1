// What the steps do to a database, each in one transaction that may be done again. Nothing here asks whether it
// may: that is judged before (plan.ts), under the lock that one command has at a time.
import type pg from "pg";
import type { Placement } from "./phases.ts";
import type { Queryable } from "./world.ts";

export type Fenceable = pg.ClientBase;

/** One command at a time: taken for a session by the command, for a transaction by a hub that starts. */
export const PHASE_LOCK = [0x7068_6173, 1] as const;

/** Tables that hold what was collected; what else the hub keeps of it, it works out again. */
export const COLLECTED_TABLES = ["trade", "book", "status", "news", "quarantine"] as const;

async function inTransaction(database: Fenceable, run: () => Promise<void>): Promise<void> {
  await database.query("begin");
  try {
    await run();
    await database.query("commit");
  } catch (error) {
    await database.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** A grant holds its account's lock: with all of them, none is under way, and the next one sees what we write. */
async function lockAccounts(database: Fenceable): Promise<void> {
  await database.query(
    `select pg_advisory_xact_lock(public.account_lock(account))
     from (select account from public.lease order by account) a`,
  );
}

/** From the commit on, nothing is granted, and every holder is called back with its next heartbeat. */
export async function fence(
  database: Fenceable,
  { by, reason, peer }: { by: string; reason: string; peer: string },
): Promise<void> {
  await inTransaction(database, async () => {
    await lockAccounts(database);
    await database.query(
      `insert into public.fence (state, peer, changed_by, reason) values ('clearing', $1, $2, $3)
       on conflict (one) do update set state = 'clearing', peer = excluded.peer,
         changed_at = clock_timestamp(), changed_by = excluded.changed_by, reason = excluded.reason`,
      [peer, by, reason],
    );
  });
}

/** Kept in the database that opens next. */
export async function keepClearing(
  database: Queryable,
  identity: string,
  opening: number,
): Promise<void> {
  await database.query(
    "insert into public.clearing (database, opening) values ($1, $2) on conflict do nothing",
    [identity, opening],
  );
}

/**
 * Grants by `placement` from the commit on. Another database may have ended its leases a moment ago, so the
 * brokers' quiet time is counted from here.
 */
export async function open(
  database: Fenceable,
  placement: Placement,
  {
    by,
    reason,
    peer,
    role,
  }: { by: string; reason: string; peer: string | null; role: "home" | "hub" },
): Promise<void> {
  await inTransaction(database, async () => {
    await lockAccounts(database);
    await writePlaces(database, placement);
    await database.query(
      "update public.lease set released_at = clock_timestamp() where holder is null and public.fence_state() <> 'open'",
    );
    await database.query(
      `insert into public.fence as f (state, opened, openings, peer, role, changed_by, reason)
       values ('open', public.database_identity(), 1, $1, $2, $3, $4)
       on conflict (one) do update set
         openings = f.openings + case when public.fence_state() = 'open' then 0 else 1 end,
         state = 'open', opened = excluded.opened, peer = coalesce(excluded.peer, f.peer),
         role = excluded.role, changed_at = clock_timestamp(), changed_by = excluded.changed_by,
         reason = excluded.reason`,
      [peer, role, by, reason],
    );
  });
}

/** Which of the two this is, and which the other one. Changes nothing of what is granted. */
export async function meet(
  database: Queryable,
  { role, peer, by }: { role: "home" | "hub"; peer: string; by: string },
): Promise<void> {
  await database.query(
    `insert into public.fence (state, role, peer, changed_by, reason)
     values ('shut', $1, $2, $3, 'part of a move that has not opened it yet')
     on conflict (one) do update set role = excluded.role, peer = excluded.peer`,
    [role, peer, by],
  );
}

/** Places one account. */
export async function place(
  database: Fenceable,
  account: string,
  edges: readonly string[],
): Promise<void> {
  await inTransaction(database, async () => {
    await lockAccounts(database);
    await writePlaces(database, new Map([[account, edges]]));
  });
}

export async function writePlaces(database: Queryable, placement: Placement): Promise<void> {
  await database.query(
    `insert into public.placement as p (account, sites, ttl_ms)
     select key, array(select jsonb_array_elements_text(value)),
       coalesce((select max(ttl_ms) from public.site), 60000)
     from jsonb_each($1)
     on conflict (account) do update set sites = excluded.sites, changed_at = now()
      where p.sites <> excluded.sites`,
    [JSON.stringify(Object.fromEntries(placement))],
  );
}

/** Of the tables that hold what was collected: those that exist here and have a row. */
export async function tablesWithRows(database: Queryable): Promise<string[]> {
  const found: string[] = [];
  for (const table of COLLECTED_TABLES) {
    // From the list above, not from outside.
    const { rows } = await database.query<{ has: boolean }>(
      `select exists (select from public.${table}) as has`,
    );
    if (rows[0]!.has) found.push(table);
  }
  return found;
}

/** Of `tables`, those whose transfer was not found equal here since that opening was cleared. */
export async function unprovedTables(
  database: Queryable,
  tables: readonly string[],
  identity: string,
  opening: number,
): Promise<string[]> {
  const { rows } = await database.query<{ says: string }>(
    `select t.name || ': ' || case when e.ok is null then 'never transferred'
        when not e.ok then 'the transfer was not equal'
        else 'compared before it was cleared' end as says
     from unnest($1::text[]) with ordinality as t (name, i)
     left join lateral (select ok, stored_at from public.evidence
       where kind = 'transfer' and subject = t.name order by id desc limit 1) e on true
     where not (coalesce(e.ok, false) and coalesce(e.stored_at > (select cleared_at from public.clearing
       where database = $2 and opening = $3), false))
     order by t.i`,
    [tables, identity, opening],
  );
  return rows.map(({ says }) => says);
}
