// Two sides' trades in blocks of a symbol's half minute, compared inside the database: a block whose rows are the
// same on both sides is only counted, any other is named, to be read and compared print by print. One pass
// over each hour, no sort and no row that leaves the server. Reads only.
//
// A row's hash covers all that is compared: seq, side, time, price, size. Rows that both sides have cancel out
// in the exclusive or, and no row can be twice on one side (the key of `trade`), so 0 says that both have the
// same rows; 64 bits make an accident of it less likely than an undetected error of the disk.
import type pg from "pg";
import type { Venue } from "../../../shared/tick.ts";
import { widestDay } from "../coverage/evidence.ts";

type Client = Pick<pg.ClientBase, "query">;

export interface Sides {
  left: readonly string[];
  right: readonly string[];
}

/** A symbol's half minute, by its beginning. */
export interface Block {
  venue: Venue;
  symbol: string;
  fromMs: number;
}

/** One symbol in one hour of the day. */
export interface SliceBlocks {
  venue: Venue;
  symbol: string;
  /** Of both sides. */
  rows: number;
  /** Pairs of rows in blocks that are the same on both sides, their volume, and the span of these blocks. */
  same: { pairs: number; volume: number; fromMs: number; toMs: number } | null;
  /** Beginnings of blocks that are not. */
  differing: number[];
  differingRows: number;
}

/** Short enough that a difference costs few rows to read, long enough that a day has few of them. */
export const BLOCK_MS = 30_000;

/** Rows of the day in a span; the day is parameter `at`, the span (epoch ms) the two after it. */
const SPAN_OF = (at: number) => `day = $${at}::date
  and ts >= to_timestamp($${at + 1}::float8 / 1000) and ts < to_timestamp($${at + 2}::float8 / 1000)`;
const SPAN = SPAN_OF(1);
export const binOf = (column: string, ms = BLOCK_MS) =>
  `date_bin('${ms / 1_000} seconds', ${column}, timestamptz '2000-01-01 00:00:00+00')`;
const BIN = binOf("ts");
const HOUR_MS = 3_600_000;
const HOUR = binOf("bin", HOUR_MS);
const MS = (value: string) => `date_part('epoch', ${value}) * 1000`;
/** Sizes beyond 26 bits would fall out of it: such blocks are read. */
const HASH = `hashfloat8extended(price, interval_hash_extended(
  ts - timestamptz '2000-01-01 00:00:00+00', (seq * 4 + side) # (size << 38)))`;
const SIZE_END = 2 ** 26;

/** What the planner cannot know: an hour's groups fit into memory, and a sort would cost more than all else. */
const PLAN = `set local jit = off; set local work_mem = '64MB'; set local enable_sort = off;
  set local max_parallel_workers_per_gather = 0`;

/** As PostgreSQL takes it for a constant: `to_date` would be worked out for each row again. */
export function dateOf(day: number): string {
  const text = String(day);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
}

export interface Slice {
  fromMs: number;
  toMs: number;
}

export interface BlocksWanted {
  sides: Sides;
  /** The sides are all sources that have ever stored a live trade. */
  isAll: boolean;
  day: number;
  /** Connections that read side by side. */
  workers: number;
}

/** What holds for all hours of the day. */
interface Known {
  sources: string[];
  notLive: Block[];
  only: Venue | null;
  slices: Slice[];
}

/**
 * Compares the blocks of a day, an hour a statement. PostgreSQL's own parallel workers would have to hand every
 * group to one process that adds them up; hours have no groups in common.
 */
export async function compareBlocks(pool: pg.Pool, wanted: BlocksWanted): Promise<SliceBlocks[]> {
  const { sides, day, workers } = wanted;
  const sources = [...sides.left, ...sides.right];
  const known = await readOnly(pool, async (client): Promise<Known> => {
    await client.query(`${PLAN}; set local enable_seqscan = off`);
    const { fromMs, toMs } = widestDay(day);
    const values = [sources, dateOf(day), fromMs, toMs];
    const notLive = await readNotLive(client, values);
    const only = await onlyKind(client, values);
    return { sources, notLive, only, slices: await readHours(client, { fromMs, toMs }) };
  });
  const queue = known.slices[Symbol.iterator]();
  const found: SliceBlocks[] = [];
  const worker = async () => {
    for (const slice of queue) found.push(...(await compareSlice(pool, wanted, known, slice)));
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return found;
}

async function compareSlice(
  pool: pg.Pool,
  { sides, isAll, day }: BlocksWanted,
  { sources, notLive, only }: Known,
  { fromMs, toMs }: Slice,
): Promise<SliceBlocks[]> {
  // What is not live counts as not read, whoever brought it.
  const shape = { only, isAll: isAll && notLive.length === 0, isMany: sources.length > 2, sides };
  const here = notLive.filter((block) => block.fromMs >= fromMs && block.fromMs < toMs);
  return await readOnly(pool, async (client) => {
    await client.query(PLAN);
    const { rows } = await client.query<Row>(statement(shape), [
      ...[sources, dateOf(day), fromMs, toMs],
      sides.left,
      only ?? "",
      here.map(({ venue: at }) => at),
      here.map(({ symbol }) => symbol),
      here.map((block) => block.fromMs),
    ]);
    return rows.map(sliceOf);
  });
}

/** In one transaction; a connection on which it failed is not lent out again. */
export async function readOnly<T>(pool: pg.Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin read only");
    const result = await work(client);
    await client.query("commit");
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Whole hours from the first trade of a span to its last. */
async function readHours(client: Client, { fromMs, toMs }: Slice): Promise<Slice[]> {
  const { rows } = await client.query<{ firstMs: number | null; lastMs: number | null }>(
    `select ${MS("min(ts)")} as "firstMs", ${MS("max(ts)")} as "lastMs" from public.trade
      where ts >= to_timestamp($1::float8 / 1000) and ts < to_timestamp($2::float8 / 1000)`,
    [fromMs, toMs],
  );
  const { firstMs, lastMs } = rows[0]!;
  if (firstMs === null || lastMs === null) return [];
  const hours: Slice[] = [];
  for (let atMs = firstMs - (firstMs % HOUR_MS); atMs <= lastMs; atMs += HOUR_MS)
    hours.push({ fromMs: Math.max(atMs, fromMs), toMs: Math.min(atMs + HOUR_MS, toMs) });
  return hours;
}

/** Blocks with rows that are not live: they are read, so that these rows count for nothing. */
async function readNotLive(client: Client, values: unknown[]): Promise<Block[]> {
  const { rows } = await client.query<Block>(
    `select distinct venue, symbol, ${MS(BIN)} as "fromMs" from public.trade
      where ${SPAN} and origin > 0`,
    values.slice(1),
  );
  return rows;
}

/**
 * The venue of all rows, if all are of its first chain, too; null where there is more: then both have to be
 * parts of the groups, which costs a third more. The index of 0013 knows it without reading rows.
 */
async function onlyKind(client: Client, values: unknown[]): Promise<Venue | null> {
  const first = await client.query<{ venue: Venue }>(
    `select venue from public.trade where ${SPAN} limit 1`,
    values.slice(1),
  );
  const venue = first.rows[0]?.venue ?? "";
  const others = await client.query(
    `select from public.trade where ${SPAN} and (venue < $4 or venue > $4 or chain > 0) limit 1`,
    [...values.slice(1), venue],
  );
  return others.rowCount === 0 ? venue : null;
}

interface Row {
  venue: Venue;
  symbol: string;
  rows: number;
  pairs: number | null;
  volume: string | null;
  fromMs: number | null;
  toMs: number | null;
  differing: number[] | null;
  differingRows: number | null;
}

interface Shape {
  only: Venue | null;
  isAll: boolean;
  isMany: boolean;
  sides: Sides;
}

/** $5 sources on the left, $6 the only venue, $7 to $9 blocks that are to be read. */
function statement({ only, isAll, isMany, sides: { left, right } }: Shape): string {
  // With several accounts on one side a row may be there twice, on both sides even in the same number.
  const areMany = left.length > 1 && right.length > 1;
  const counts = [
    ...(only === null ? ["bit_or(chain) as chains"] : []),
    ...(isMany ? ["count(*) filter (where source = any($5)) as lefts"] : []),
    ...(areMany ? ["count(distinct source) as sources"] : []),
  ];
  const conditions = [
    `difference = 0 and volume < ${SIZE_END} and r.symbol is null`,
    ...(only === null ? ["chains = 0"] : []),
    ...(isMany ? ["2 * lefts = n"] : []),
    ...(areMany ? ["sources <= 2"] : []),
  ];
  return `with block as (
      select ${["symbol", `${only === null ? "venue" : "$6::text"} as venue`, `${BIN} as bin`].join(", ")},
             ${["count(*) as n", "sum(size) as volume", `bit_xor(${HASH}) as difference`, ...counts].join(", ")}
        from public.trade
       where ${SPAN_OF(2)} and ($1::text[] is null ${isAll ? "or true" : "or source = any($1)"})
       group by symbol, ${only === null ? "venue," : ""} bin
    ), judged as materialized (
      select b.*, ${conditions.join(" and ")} as is_same
        from block b
        left join unnest($7::text[], $8::text[], $9::float8[]) as r (venue, symbol, from_ms)
          on r.symbol = b.symbol and r.venue = b.venue and to_timestamp(r.from_ms / 1000) = b.bin
       where $5::text[] is not null and $6::text is not null
    )
    select venue, symbol, sum(n)::float8 as rows,
           (sum(n) filter (where is_same) / 2)::float8 as pairs,
           (sum(volume) filter (where is_same) / 2)::bigint::text as volume,
           ${MS("min(bin) filter (where is_same)")} as "fromMs",
           ${MS("max(bin) filter (where is_same)")} as "toMs",
           array_agg(${MS("bin")}) filter (where not is_same) as differing,
           (sum(n) filter (where not is_same))::float8 as "differingRows"
      from judged group by venue, symbol, ${HOUR}`;
}

function sliceOf({
  pairs,
  volume,
  fromMs,
  toMs,
  differing,
  differingRows,
  ...row
}: Row): SliceBlocks {
  const same =
    pairs === null
      ? null
      : { pairs, volume: Number(volume), fromMs: fromMs!, toMs: toMs! + BLOCK_MS };
  return { ...row, same, differing: differing ?? [], differingRows: differingRows ?? 0 };
}
