// What a database holds, as numbers that can be compared with another's: for each table and day the rows and
// a sum of their hashes, whatever order they lie in. PostgreSQL hashes whole rows, so every column counts;
// both sides have to have the same columns in the same order, as a copy of the files has.
import type pg from "pg";

/** One day of one table. */
export interface DaySum {
  table: string;
  /** `2026-11-27`; the trading day where rows have one, else the UTC day they came. */
  day: string;
  rows: number;
  /** Sum of the rows' 64-bit hashes, as decimal text. */
  sum: string;
}

interface Summed {
  day: string;
  /** When the row was committed or, a moment before, its transaction began. */
  at: string;
  /** What is hashed, where not the whole row. */
  row?: string;
}

/** Tables whose rows never change once they are there; those that do (stream, gap, lease) prove nothing. */
export const SUMMED_TABLES = {
  trade: { day: "day", at: "hub_recv" },
  book: { day: "day", at: "hub_recv" },
  status: { day: "day", at: "hub_recv" },
  // A replay stamps replayed_at later.
  quarantine: {
    day: utcDay("at"),
    at: "at",
    row: "row(t.id, t.at, t.source, t.code, t.reason, t.bytes, t.edge_recv, t.stream, t.capture)",
  },
  ingest_batch: { day: utcDay("committed_at"), at: "committed_at" },
  loss: { day: utcDay("declared_at"), at: "declared_at" },
} as const satisfies Record<string, Summed>;

export type SummedTable = keyof typeof SUMMED_TABLES;

function utcDay(column: string): string {
  return `(t.${column} at time zone 'UTC')::date`;
}

/**
 * Sums every table up to `cutMs` (the hub's clock): rows of transactions that began later are left out.
 * Reads in one snapshot. Days come in order, tables in the order of SUMMED_TABLES.
 */
export async function sumDays(pool: Pick<pg.Pool, "connect">, cutMs: number): Promise<DaySum[]> {
  const client = await pool.connect();
  try {
    await client.query("begin isolation level repeatable read read only");
    const sums: DaySum[] = [];
    for (const [table, summed] of Object.entries<Summed>(SUMMED_TABLES)) {
      const { rows } = await client.query<Omit<DaySum, "table">>(sumOf(table, summed), [cutMs]);
      sums.push(...rows.map((row) => ({ table, ...row })));
    }
    await client.query("commit");
    client.release();
    return sums;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Names are ours, never input. float8 holds counts exactly up to 2^53. */
function sumOf(table: string, { day, at, row = "t" }: Summed): string {
  return `select (${day})::text as day, count(*)::float8 as rows,
      coalesce(sum(hash_record_extended(${row}, 0)::numeric), 0)::text as sum
    from public.${table} t where t.${at} <= to_timestamp($1::float8 / 1000)
    group by 1 order by 1`;
}

/** A row that one side has and the other has not; a row that was altered shows once on each side. */
export interface DifferingRow {
  table: string;
  day: string;
  side: "original" | "copy";
  /** The row as PostgreSQL prints it. */
  row: string;
}

/** Rows fall into so many buckets by their hash: equal rows into the same one, on both sides. */
const BUCKETS = 4096;
/** Looked into at most; where more differ, the day as a whole is wrong. */
const BUCKETS_READ_MAX = 16;

/**
 * Finds rows of one day that differ: first the buckets whose sums differ, then the hashes in them, then the
 * rows. Returns at most `rowsMax` a side. A day of ten million rows is read three times and never held.
 */
export async function differingRows(
  original: pg.Pool,
  copy: pg.Pool,
  { table, day }: Pick<DaySum, "table" | "day">,
  { cutMs, rowsMax }: { cutMs: number; rowsMax: number },
): Promise<DifferingRow[]> {
  const where = { table: table as SummedTable, day, cutMs };
  const [left, right] = await Promise.all([bucketSums(original, where), bucketSums(copy, where)]);
  const buckets = [...new Set([...left.keys(), ...right.keys()])]
    .filter((bucket) => left.get(bucket) !== right.get(bucket))
    .slice(0, BUCKETS_READ_MAX);
  const [lefts, rights] = await Promise.all([
    hashCounts(original, where, buckets),
    hashCounts(copy, where, buckets),
  ]);
  const [originals, copies] = await Promise.all([
    rowsOf(original, where, lacking(lefts, rights, rowsMax)),
    rowsOf(copy, where, lacking(rights, lefts, rowsMax)),
  ]);
  return [
    ...originals.map((row) => ({ table, day, side: "original" as const, row })),
    ...copies.map((row) => ({ table, day, side: "copy" as const, row })),
  ];
}

interface Where {
  table: SummedTable;
  day: string;
  cutMs: number;
}

async function bucketSums(pool: pg.Pool, where: Where): Promise<Map<number, string>> {
  const { rows } = await pool.query<{ bucket: number; sum: string }>(
    `select (hash & ${BUCKETS - 1})::int as bucket, count(*) || ' ' || sum(hash::numeric) as sum
     from (${hashesOf(where.table)}) h group by 1`,
    [where.cutMs, where.day],
  );
  return new Map(rows.map(({ bucket, sum }) => [bucket, sum]));
}

async function hashCounts(pool: pg.Pool, where: Where, buckets: number[]) {
  const { rows } = await pool.query<{ hash: string; count: number }>(
    `select hash::text as hash, count(*)::float8 as count
     from (${hashesOf(where.table)}) h
     where (hash & ${BUCKETS - 1})::int = any($3::int[]) group by 1 order by 1`,
    [where.cutMs, where.day, buckets],
  );
  return new Map(rows.map(({ hash, count }) => [hash, count]));
}

/** Hashes that `from` has more often than `other`. */
function lacking(from: Map<string, number>, other: Map<string, number>, max: number): string[] {
  return [...from]
    .filter(([hash, count]) => (other.get(hash) ?? 0) < count)
    .map(([hash]) => hash)
    .slice(0, max);
}

async function rowsOf(pool: pg.Pool, where: Where, hashes: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ text: string }>(
    `select text from (${hashesOf(where.table)}) h where hash = any($3::bigint[]) order by 1`,
    [where.cutMs, where.day, hashes],
  );
  return rows.map(({ text }) => text);
}

/** $1 the cut in ms, $2 the day. */
function hashesOf(table: SummedTable): string {
  const { day, at, row = "t" }: Summed = SUMMED_TABLES[table];
  return `select hash_record_extended(${row}, 0) as hash, t::text as text from public.${table} t
    where ${day} = $2::date and t.${at} <= to_timestamp($1::float8 / 1000)`;
}
