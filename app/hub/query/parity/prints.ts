// Reads the prints of single blocks. A few are asked for second by second, which the key of `trade` answers
// without reading others; many are read in one pass over their time. Reads only.
import type pg from "pg";
import type { Venue } from "../../../shared/tick.ts";
import type { Block, Sides, Slice } from "./blocks.ts";
import { BLOCK_MS, binOf, dateOf, readOnly } from "./blocks.ts";
import type { Print, Side } from "./print.ts";

/** Prints of one symbol and chain on one side. */
export interface SidePrints {
  venue: Venue;
  symbol: string;
  chain: number;
  side: Side;
  prints: Print[];
}

const MS = (column: string) => `date_part('epoch', ${column}) * 1000`;
/** As in coverage/evidence.ts: one value a group, eight bytes a number. float8 is exact to 2^53. */
const PACKED = `string_agg(float8send(t.seq) || float8send(t.size) || float8send(t.price)
  || float8send(${MS("t.ts")}) || float8send(t.side) || float8send(t.origin), ''::bytea)`;
const PACKED_BYTES = 6 * 8;
/** Beyond so many rows in blocks, of all rows, one pass over all of them is cheaper than asking. */
const PROBE_SHARE_MAX = 1 / 8;

interface Group {
  venue: Venue;
  symbol: string;
  chain: number;
  isLeft: boolean;
  packed: Buffer;
}

export interface BlocksToRead {
  blocks: readonly Block[];
  /** Rows in them, as counted by the pass. */
  rows: number;
  /** Rows of the day. */
  rowsOfDay: number;
  /** Connections that read side by side, each a part of the time. */
  workers: number;
}

/** All rows of `blocks`, live or not, by symbol, chain and side; one of these may come in several parts. */
export async function readPrints(
  pool: pg.Pool,
  sides: Sides,
  day: number,
  { blocks, rows, rowsOfDay, workers }: BlocksToRead,
): Promise<SidePrints[]> {
  if (blocks.length === 0) return [];
  const parts = partsOf(blocks, workers);
  const readAll = async (text: string, avoided: Avoided) =>
    (await Promise.all(parts.map((part) => read(pool, sides, day, part, text, avoided)))).flat();
  const isFew = rows < rowsOfDay * PROBE_SHARE_MAX;
  const probed = isFew ? await readAll(PROBE, "hashjoin") : [];
  // Times with fractions of a second, as no broker sends: then not all were found.
  if (countOf(probed) === rows) return probed;
  return await readAll(PASS, "nestloop");
}

/** In the order of time, so that no two parts read the same pages. */
function partsOf(blocks: readonly Block[], count: number): Block[][] {
  const sorted = blocks.toSorted((a, b) => a.fromMs - b.fromMs);
  const size = Math.ceil(sorted.length / count);
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, part) =>
    sorted.slice(part * size, (part + 1) * size),
  );
}

/** $1 sources, $2 day, $3 venues, $4 symbols, $5 beginnings, $6 sources on the left, $7 and $8 all of the span. */
const SELECT = `select t.venue, t.symbol, t.chain, t.source = any($6) as "isLeft", ${PACKED} as packed
  from unnest($3::text[], $4::text[], $5::float8[]) as b (venue, symbol, from_ms)`;
const GROUP = "group by 1, 2, 3, 4";
const PROBE = `${SELECT}
  cross join generate_series(0, ${BLOCK_MS / 1_000 - 1}) as s (s)
  join public.trade t on t.ts = to_timestamp(b.from_ms / 1000 + s.s) and t.symbol = b.symbol
    and t.venue = b.venue and t.source = any($1) and t.day = $2::date
    and t.ts >= to_timestamp($7::float8 / 1000) and t.ts < to_timestamp($8::float8 / 1000)
  ${GROUP}`;
const PASS = `${SELECT}
  join public.trade t on ${binOf("t.ts")} = to_timestamp(b.from_ms / 1000)
    and t.symbol = b.symbol and t.venue = b.venue and t.source = any($1)
    and t.day = $2::date
    and t.ts >= to_timestamp($7::float8 / 1000) and t.ts < to_timestamp($8::float8 / 1000)
  ${GROUP}`;

type Avoided = "hashjoin" | "nestloop";

async function read(
  pool: pg.Pool,
  sides: Sides,
  day: number,
  blocks: readonly Block[],
  text: string,
  avoided: Avoided,
): Promise<SidePrints[]> {
  const { fromMs, toMs } = spanOf(blocks);
  return await readOnly(pool, async (client) => {
    await client.query(
      `set local jit = off; set local work_mem = '64MB'; set local enable_mergejoin = off;
       set local enable_${avoided} = off; set local max_parallel_workers_per_gather = 0`,
    );
    const { rows } = await client.query<Group>(text, [
      [...sides.left, ...sides.right],
      dateOf(day),
      blocks.map(({ venue }) => venue),
      blocks.map(({ symbol }) => symbol),
      blocks.map((block) => block.fromMs),
      sides.left,
      fromMs,
      toMs,
    ]);
    return rows.map(({ packed, isLeft, ...group }) => ({
      ...group,
      side: isLeft ? ("left" as const) : ("right" as const),
      prints: unpacked(packed),
    }));
  });
}

function spanOf(blocks: readonly Block[]): Slice {
  let [fromMs, toMs] = [Infinity, -Infinity];
  for (const block of blocks) {
    fromMs = Math.min(fromMs, block.fromMs);
    toMs = Math.max(toMs, block.fromMs + BLOCK_MS);
  }
  return { fromMs, toMs };
}

function unpacked(packed: Buffer): Print[] {
  const prints: Print[] = [];
  for (let at = 0; at < packed.length; at += PACKED_BYTES) {
    const value = (index: number) => packed.readDoubleBE(at + 8 * index);
    prints.push({
      ...{ seq: value(0), size: value(1), price: value(2), ms: value(3), side: value(4) },
      isLive: value(5) === 0,
    });
  }
  return prints;
}

function countOf(groups: readonly SidePrints[]): number {
  return groups.reduce((sum, { prints }) => sum + prints.length, 0);
}
