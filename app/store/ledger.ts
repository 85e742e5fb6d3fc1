// What the database says it holds: the hub's half of the accounting, and the evidence that no trade is
// missing. Reads only; nothing on the way in waits for it.
import type pg from "pg";
import type { Ledger } from "../shared/tick.ts";
import { asDatabaseError } from "./database.ts";

/** Rows of each table by source. */
export type RowCounts = Record<string, Record<"trade" | "book" | "status" | "quarantine", number>>;

/** Counts every row: for checks, not for a page that refreshes. */
export async function countRows(pool: pg.Pool): Promise<RowCounts> {
  const rows = await select<{ source: string; name: keyof RowCounts[string]; count: number }>(
    pool,
    `select source, 'trade' as name, count(*)::float8 as count from public.trade group by 1
     union all select source, 'book', count(*) from public.book group by 1
     union all select source, 'status', count(*) from public.status group by 1
     union all select source, 'quarantine', count(*) from public.quarantine group by 1`,
  );
  const counts: RowCounts = {};
  for (const { source, name, count } of rows) {
    counts[source] ??= { trade: 0, book: 0, status: 0, quarantine: 0 };
    counts[source][name] = count;
  }
  return counts;
}

/** Rows of trade, book and status together. */
export async function rowsTotal(pool: pg.Pool): Promise<number> {
  const counts = Object.values(await countRows(pool));
  return counts.reduce((sum, { trade, book, status }) => sum + trade + book + status, 0);
}

/** What the hub booked for each account: one row a stream, so cheap. `held` is the edge's to say. */
export async function ledgers(pool: pg.Pool): Promise<Record<string, Ledger>> {
  const rows = await select<Ledger & { account: string }>(
    pool,
    `select account, sum(received)::float8 as received, sum(committed)::float8 as committed,
       sum(duplicate)::float8 as duplicate, sum(quarantined)::float8 as quarantined,
       sum(lost)::float8 as lost, 0::float8 as held
     from public.stream group by account`,
  );
  return Object.fromEntries(rows.map(({ account, ...ledger }) => [account, ledger]));
}

export interface QuarantineCount {
  source: string;
  code: string;
  count: number;
  lastAt: Date;
}

/** Refused records by source and reason. */
export function quarantineCounts(pool: pg.Pool): Promise<QuarantineCount[]> {
  return select(
    pool,
    `select source, code, count(*)::float8 as count, max(at) as "lastAt"
     from public.quarantine group by source, code order by source, code`,
  );
}

/** A place where trades are missing or wrong: this trade does not go on from the one before it. */
export interface ContinuityBreak {
  symbol: string;
  venue: string;
  chain: number;
  /** Cumulative volume after the trade, and after the one before it. */
  seq: number;
  previousSeq: number;
  size: number;
}

/**
 * Trades of one source and trading day (YYYY-MM-DD) with seq - size unequal to the seq before. The first
 * trade of a chain has none before it.
 */
export function continuityBreaks(
  pool: pg.Pool,
  source: string,
  day: string,
): Promise<ContinuityBreak[]> {
  return select(
    pool,
    `select symbol, venue, chain, seq::float8 as seq, previous::float8 as "previousSeq", size::float8 as size
     from (
       select symbol, venue, chain, seq, size,
         lag(seq) over (partition by symbol, venue, chain order by seq) as previous
       from public.trade
       where source = $1 and day = $2::date
         -- A venue's trading day lies within these; with chunks by time, it need not read the others.
         and ts >= $2::date - interval '1 day' and ts < $2::date + interval '3 days'
     ) t
     where seq - size <> previous
     order by symbol, venue, chain, seq`,
    [source, day],
  );
}

/** Drops statistics of batches older than `keepDays`; where TimescaleDB is, its policy does the same. */
export async function pruneBatchStatistics(pool: pg.Pool, keepDays: number): Promise<void> {
  await select(
    pool,
    "delete from public.ingest_batch where committed_at < now() - $1 * interval '1 day'",
    [keepDays],
  );
}

async function select<Row extends object>(
  pool: pg.Pool,
  sql: string,
  values?: unknown[],
): Promise<Row[]> {
  try {
    return (await pool.query<Row>(sql, values)).rows;
  } catch (error) {
    throw asDatabaseError(error);
  }
}
