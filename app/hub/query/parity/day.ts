// How far two sides agree on a trading day: compares all of it in blocks, reads what differs print by print,
// and puts both together per symbol. Stands behind the tables, off the tick's path. Reads only; a day's
// blocks and at most PRINTS_MAX prints (or one symbol's) are in memory at once.
import type pg from "pg";
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { Venue } from "../../../shared/tick.ts";
import { keyOf } from "../coverage/day-ledger.ts";
import { readSources } from "../coverage/evidence.ts";
import type { Block, Sides, SliceBlocks } from "./blocks.ts";
import { BLOCK_MS, compareBlocks, dateOf } from "./blocks.ts";
import { accountsOf, DayFacts } from "./facts.ts";
import type { Side } from "./print.ts";
import type { SidePrints } from "./prints.ts";
import { readPrints } from "./prints.ts";
import type { PlacedDifference, SymbolParity } from "./symbol.ts";
import { parityOfSymbol } from "./symbol.ts";
import type { Tally } from "./tally.ts";
import { noTally, sumOf } from "./tally.ts";

export interface ParityOptions {
  /** YYYYMMDD, in each venue's zone. */
  day: number;
  /** A broker (`kis`: all its accounts) or an account (`kis:1`). */
  left: string;
  right: string;
  /** Market time. */
  nowMs: number;
  market: MarketClock;
  /** Connections that read side by side; default 1, which is gentle to whoever else uses it. */
  workers?: number;
  /** Differences to keep; all are counted. */
  differencesMax?: number;
  /** The blocks of the day are the first part; what differs is read in others. */
  onProgress?: (done: number, of: number) => void;
}

export interface DaySymbol extends Omit<SymbolParity, "differences"> {
  isClosed: boolean;
  isFinal: boolean;
}

export interface DayParity {
  day: number;
  left: string;
  right: string;
  sides: Sides;
  symbols: DaySymbol[];
  tally: Tally;
  /** Rows on both sides. */
  rows: number;
  differences: PlacedDifference[];
  /** Symbols that only one side was to collect: there is nothing to compare. */
  oneSided: { venue: Venue; symbol: string; side: Side; rows: number }[];
}

const PRINTS_MAX = 300_000;
const DIFFERENCES_MAX = 100_000;

type Place = Pick<SliceBlocks, "venue" | "symbol"> & { slices: SliceBlocks[] };

/** Compares the day. Throws DATABASE_*. */
export async function parityOfDay(pool: pg.Pool, options: ParityOptions): Promise<DayParity> {
  const { day, left, right, nowMs, market } = options;
  const sources = await readSources(pool, day);
  const sides = { left: accountsOf(left, sources), right: accountsOf(right, sources) };
  const facts = await DayFacts.read(pool, sides, day, market, nowMs);
  const isAll = sources.every((source) => [...sides.left, ...sides.right].includes(source));
  const places = await readPlaces(pool, sides, isAll, options);
  for (const key of facts.placesWithFigure()) {
    const [venue = "", symbol = ""] = split(key);
    if (!places.has(key)) places.set(key, { venue, symbol, slices: [] });
  }
  const all = [...places.values()];
  const found: Omit<DayParity, "tally"> = {
    ...{ day, left, right, sides, oneSided: [], symbols: [], differences: [] },
    rows: all.reduce((sum, { slices }) => sum + rowsOf(slices, "rows"), 0),
  };
  const open = all.filter(({ venue, symbol }) => facts.ends(venue, symbol).final === null);
  const lastSeqs = await readLastSeqs(pool, sides, day, open);
  const todo = [...batches(all)];
  options.onProgress?.(1, todo.length + 1);
  for (const [done, batch] of todo.entries()) {
    await readBatch(pool, { sides, day, facts, batch, lastSeqs }, found, options);
    options.onProgress?.(done + 2, todo.length + 1);
  }
  found.symbols.sort((a, b) => compareText(keyOf(a.venue, a.symbol), keyOf(b.venue, b.symbol)));
  const tally =
    found.symbols.length === 0 ? noTally() : sumOf(found.symbols.map((one) => one.tally));
  return { ...found, tally };
}

/** All symbols' blocks. */
async function readPlaces(
  pool: pg.Pool,
  sides: Sides,
  isAll: boolean,
  { day, workers = 1 }: ParityOptions,
): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  const wanted = { sides, isAll, day, workers };
  for (const one of await compareBlocks(pool, wanted)) {
    const key = keyOf(one.venue, one.symbol);
    const place = places.get(key) ?? { venue: one.venue, symbol: one.symbol, slices: [] };
    place.slices.push(one);
    places.set(key, place);
  }
  return places;
}

/** Symbols together whose differing blocks hold few enough rows. */
function* batches(places: readonly Place[]): Generator<Place[]> {
  let [batch, rows]: [Place[], number] = [[], 0];
  for (const place of places) {
    const own = rowsOf(place.slices, "differingRows");
    if (batch.length > 0 && rows + own > PRINTS_MAX) {
      yield batch;
      [batch, rows] = [[], 0];
    }
    batch.push(place);
    rows += own;
  }
  if (batch.length > 0) yield batch;
}

interface Batch {
  sides: Sides;
  day: number;
  facts: DayFacts;
  batch: readonly Place[];
  lastSeqs: ReadonlyMap<string, number>;
}

async function readBatch(
  pool: pg.Pool,
  { sides, day, facts, batch, lastSeqs }: Batch,
  found: Omit<DayParity, "tally">,
  { differencesMax = DIFFERENCES_MAX, workers = 1 }: ParityOptions,
): Promise<void> {
  const blocks = batch.flatMap(({ venue, symbol, slices }) =>
    slices.flatMap(({ differing }) =>
      differing.map((fromMs): Block => ({ venue, symbol, fromMs })),
    ),
  );
  const rows = batch.reduce((sum, { slices }) => sum + rowsOf(slices, "differingRows"), 0);
  const wanted = { blocks, rows, rowsOfDay: found.rows, workers };
  const groups = await readPrints(pool, sides, day, wanted);
  const prints = Map.groupBy(groups, ({ venue, symbol }) => keyOf(venue, symbol));
  for (const { venue, symbol, slices } of batch) {
    const key = keyOf(venue, symbol);
    const own = prints.get(key) ?? [];
    const alone = oneSideOf(
      slices,
      own,
      (side) => facts.isKnown(side, venue, symbol),
      facts.ends(venue, symbol).final !== null,
    );
    if (alone === "none") continue;
    if (alone !== null) {
      found.oneSided.push({ venue, symbol, side: alone, rows: rowsOf(slices, "rows") });
      continue;
    }
    const { differences, ...parity } = parityOfSymbol({
      ...{ venue, symbol, slices, prints: own },
      vouch: facts.voucher(venue, symbol),
      ends: facts.ends(venue, symbol),
      lastSeq: lastSeqs.get(key) ?? 0,
      explained: (side, chain) => facts.explained(side, venue, symbol, chain),
    });
    const isClosed = facts.isClosed(venue, symbol, lastMsOf(slices));
    found.symbols.push({ ...parity, isClosed, isFinal: facts.isFinal(venue) });
    const room = differencesMax - found.differences.length;
    found.differences.push(...differences.slice(0, Math.max(0, room)));
  }
}

/** End of the last block with anything in it; null without any. */
function lastMsOf(slices: readonly SliceBlocks[]): number | null {
  let lastMs: number | null = null;
  for (const { same, differing } of slices) {
    if (same) lastMs = Math.max(lastMs ?? 0, same.toMs - BLOCK_MS);
    for (const ms of differing) lastMs = Math.max(lastMs ?? 0, ms);
  }
  return lastMs;
}

/** The highest volume in the last block that is the same, of symbols of which no broker has told their final one. */
async function readLastSeqs(
  pool: pg.Pool,
  sides: Sides,
  day: number,
  places: readonly Place[],
): Promise<Map<string, number>> {
  const blocks = places.flatMap(({ venue, symbol, slices }): Block[] => {
    const lastMs = Math.max(...slices.map(({ same }) => (same ? same.toMs - BLOCK_MS : -Infinity)));
    return lastMs > -Infinity ? [{ venue, symbol, fromMs: lastMs }] : [];
  });
  if (blocks.length === 0) return new Map();
  const { rows } = await pool.query<{ venue: Venue; symbol: string; seq: number }>(
    `select b.venue, b.symbol, max(t.seq)::float8 as seq
       from unnest($3::text[], $4::text[], $5::float8[]) as b (venue, symbol, from_ms)
       cross join lateral (
         select seq from public.trade t
          where t.ts >= to_timestamp(b.from_ms / 1000) and t.ts < to_timestamp((b.from_ms + ${BLOCK_MS}) / 1000)
            and t.symbol = b.symbol and t.venue = b.venue and t.source = any($1)
            and t.day = $2::date) t
      group by 1, 2`,
    [
      [...sides.left, ...sides.right],
      dateOf(day),
      blocks.map(({ venue }) => venue),
      blocks.map(({ symbol }) => symbol),
      blocks.map(({ fromMs }) => fromMs),
    ],
  );
  return new Map(rows.map(({ venue, symbol, seq }) => [keyOf(venue, symbol), seq]));
}

function rowsOf(slices: readonly SliceBlocks[], what: "rows" | "differingRows"): number {
  return slices.reduce((sum, slice) => sum + slice[what], 0);
}

/** The only side that was to collect the symbol; null where both were. */
function oneSideOf(
  slices: readonly SliceBlocks[],
  prints: readonly SidePrints[],
  isKnown: (side: Side) => boolean,
  isTold: boolean,
): Side | "none" | null {
  if (slices.some(({ same }) => same)) return null;
  if (slices.length === 0 && !isTold) return "none";
  const has = (side: Side) => isKnown(side) || prints.some((one) => one.side === side);
  if (has("left")) return has("right") ? null : "left";
  return has("right") ? "right" : "none";
}

function split(key: string): string[] {
  const at = key.indexOf("/");
  return [key.slice(0, at), key.slice(at + 1)];
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
