// Derives the profiles of the two opens from the recordings: `node scripts/stress-profiles.ts [data folder]`
// writes app/sim/profiles/*.json anew. What is taken from which recording, and what is assumed, is in each
// profile's own `about` and in docs/stress.md. No recorded value is copied: the outcome is expected counts.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { format } from "prettier";
import type { Profile } from "../app/sim/market/profile.ts";

const PROFILES = fileURLToPath(new URL("../app/sim/profiles/", import.meta.url));
const BIN_MS = 100;
const SECONDS = 60;
const BINS = (SECONDS * 1_000) / BIN_MS;
const SYMBOLS = 100;
const CONCENTRATION = 0.8;
const OPEN_S = { krx: 9 * 3_600, nasdaq: 9.5 * 3_600 };
/** No Korean books are recorded in public; what is planned for is a book for every two trades. */
const KRX_BOOKS_PER_TRADE = 0.5;
const WINDOWS_PER_LOG = 10;
/** Arrivals closer than this are one clump. */
const CLUMP_MS = 1;
const LOGS = ["usdm-btcusdt_20240808.gz", "spot-ethusdt_20240808.gz"];

type Kind = "trade" | "book";
type Shape = Record<Kind, number[]>;

/** Both profiles, from the recordings in `folder`. */
export function deriveProfiles(folder: string): Record<"krx" | "us", Profile> {
  const lines = (name: string) =>
    gunzipSync(readFileSync(join(folder, name)))
      .toString()
      .trimEnd()
      .split("\n");
  const logs = LOGS.map((name) => arrivalsOf(lines(join("raw-websocket", name))));
  const burst: Shape = {
    trade: burstShape(logs.map((log) => log.trade)),
    book: burstShape(logs.map((log) => log.book)),
  };
  const clumpMean = rounded(clumpSize(logs.map((log) => log.trade)), 1);
  const krx = krxDecay(lines("krx-ticks/20200604.csv.gz").slice(1));
  const us = {
    trade: usDecay(lines("books/aapl-20120621-trades.csv.gz").slice(1)),
    book: usDecay(lines("books/aapl-20120621-books10.csv.gz").slice(1)),
  };
  const level = SYMBOLS * krx.firstMinute;
  const common = { symbols: SYMBOLS, concentration: CONCENTRATION, clumpMean, binMs: BIN_MS };
  const shared = [
    `${SYMBOLS} symbols; the n-th busiest has 1 / n^${CONCENTRATION} of the busiest one's records (assumed).`,
    `Counts are what one broker says; two brokers say all of it, so that a run has twice the records.`,
    `Bursts within a second: real inter-arrival times of two raw websocket logs (BTC futures, ETH spot), ` +
      `${2 * WINDOWS_PER_LOG} windows of ${SECONDS} s laid over each other, as ${SYMBOLS} symbols do not all ` +
      `burst at once; trades by trades, books by changes of the best quotes.`,
    `Trades come in clumps of ${clumpMean} on average: arrivals within ${CLUMP_MS} ms of each other in the logs.`,
  ];
  return {
    krx: {
      name: "krx-open",
      market: "KRX",
      about: [
        ...shared,
        `Decay: trades a second fall as t^-${krx.power} from 09:00, which is what joins the share of the ` +
          `day's volume before a recorded KRX day begins to its rate right after (2020-06-04, 3 symbols: ` +
          `${rounded(krx.before, 2)} trades a second and symbol before, ${rounded(krx.after, 2)} after).`,
        `Level: that day's mean of a symbol in the first minute by that law, times ${SYMBOLS}: ` +
          `${Math.round(level)} trades a second and broker; half as many books (assumed: no KRX books are ` +
          `recorded in public).`,
        "Every symbol prints its opening auction in the first instant.",
      ],
      ...common,
      auction: true,
      ...countsOf(burst, {
        trade: scaled(decay(krx.power), level),
        book: scaled(decay(krx.power), level * KRX_BOOKS_PER_TRADE),
      }),
    },
    us: {
      name: "us-open",
      market: "US",
      about: [
        ...shared,
        `Decay and level: NASDAQ's first minute of one symbol (AAPL, 2012-06-21), times ${SYMBOLS} (assumed: ` +
          `every symbol as busy as that one): ${rounded(us.trade.firstMinute, 1)} trades and ` +
          `${rounded(us.book.firstMinute, 1)} books a second, falling as t^-${us.trade.power} and ` +
          `t^-${us.book.power}, which joins its first second to its first minute.`,
        "The exchange's own opening cross is not played as an auction: US feeds of both brokers have none.",
      ],
      ...common,
      auction: false,
      ...countsOf(burst, {
        trade: scaled(decay(us.trade.power), SYMBOLS * us.trade.firstMinute),
        book: scaled(decay(us.book.power), SYMBOLS * us.book.firstMinute),
      }),
    },
  };
}

/** When trades and books of a raw log arrived, ms from its first line. */
function arrivalsOf(lines: readonly string[]): Record<Kind, number[]> {
  const firstMs = msOf(lines[0]!);
  const found: Record<Kind, number[]> = { trade: [], book: [] };
  for (const line of lines) {
    const head = line.slice(0, 120);
    if (head.includes('"e":"trade"')) found.trade.push(msOf(line) - firstMs);
    else if (head.includes("bookTicker")) found.book.push(msOf(line) - firstMs);
  }
  return found;
}

/** To the microsecond: a number cannot hold the nanoseconds. */
function msOf(line: string): number {
  return Number(line.slice(3, 16)) / 1_000;
}

/** Mean of many windows of all logs, each with mean 1: how counts of bins stray from their second's mean. */
function burstShape(logs: readonly (readonly number[])[]): number[] {
  const sum = Array<number>(BINS).fill(0);
  for (const arrivals of logs) {
    const bins = countBy(arrivals.map((ms) => Math.floor(ms / BIN_MS)));
    const last = Math.floor(arrivals.at(-1)! / BIN_MS) - BINS;
    for (let w = 0; w < WINDOWS_PER_LOG; w++) {
      const from = Math.floor((last * w) / (WINDOWS_PER_LOG - 1));
      const window = Array.from({ length: BINS }, (_, i) => bins.get(from + i) ?? 0);
      const mean = window.reduce((a, b) => a + b, 0) / BINS;
      for (const [i, count] of window.entries()) sum[i]! += count / mean;
    }
  }
  return scaled(sum, 1);
}

function clumpSize(logs: readonly (readonly number[])[]): number {
  let [trades, clumps] = [0, 0];
  for (const arrivals of logs) {
    trades += arrivals.length;
    clumps += arrivals.filter((ms, i) => i === 0 || ms - arrivals[i - 1]! > CLUMP_MS).length;
  }
  return trades / clumps;
}

/**
 * The recorded day begins minutes after the open, but its first row says how much volume was traded before.
 * symbol, ts_kst, …, qty (9), cum_vol (10).
 */
function krxDecay(rows: readonly string[]) {
  const AFTER_S = 600;
  const symbols = new Map<
    string,
    { fromS: number; volume: number; dayVolume: number; n: number; after: number }
  >();
  for (const row of rows) {
    const field = row.split(",");
    const [symbol, time] = [field[0]!, field[1]!.slice(8)];
    const atS =
      Number(time.slice(0, 2)) * 3_600 +
      Number(time.slice(2, 4)) * 60 +
      Number(time.slice(4)) -
      OPEN_S.krx;
    const cumVolume = Number(field[10]);
    const known = symbols.get(symbol) ?? {
      ...{ fromS: atS, volume: cumVolume - Number(field[9]) },
      ...{ dayVolume: 0, n: 0, after: 0 },
    };
    known.dayVolume = cumVolume;
    known.n += 1;
    if (atS < known.fromS + AFTER_S) known.after += 1;
    symbols.set(symbol, known);
  }
  // Trades before the recording, if a trade was as large there as later.
  const all = [...symbols.values()];
  const mean = (of: (one: (typeof all)[number]) => number) =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  const before = mean((one) => (one.n * one.volume) / (one.dayVolume - one.volume) / one.fromS);
  const after = mean((one) => one.after / AFTER_S);
  const fromS = mean((one) => one.fromS);
  // Of a rate like t^-p: its mean up to `fromS` to its mean over the ten minutes after.
  const ratioAt = (p: number) =>
    fromS ** -p / (((fromS + AFTER_S) ** (1 - p) - fromS ** (1 - p)) / AFTER_S);
  const power = solve((p) => ratioAt(p), before / after);
  return { power, before, after, firstMinute: before * (SECONDS / fromS) ** -power };
}

/** Seconds of the day come first. A mean over the first T seconds falls as T^-p. */
function usDecay(rows: readonly string[]) {
  const times = rows.map((row) => Number(row.split(",", 1)[0]) - OPEN_S.nasdaq);
  const rate = (untilS: number) => times.filter((at) => at < untilS).length / untilS;
  const firstMinute = rate(SECONDS);
  const power = Math.log(rate(1) / firstMinute) / Math.log(SECONDS);
  return { firstMinute, power: rounded(power, 2) };
}

/** p in 0 … 0.95 at which a rising `at(p)` is `wanted`. */
function solve(at: (p: number) => number, wanted: number): number {
  let [low, high] = [0, 0.95];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (at(middle) < wanted) low = middle;
    else high = middle;
  }
  return rounded(low, 2);
}

/** t^-p by bin, as its mean over the bin, so that the first instant is finite. */
function decay(power: number): number[] {
  const upTo = (bin: number) => bin ** (1 - power);
  return Array.from({ length: BINS }, (_, i) => upTo(i + 1) - upTo(i));
}

/** Expected counts by bin: burst times decay, with the decay's own level. */
function countsOf(burst: Shape, level: Shape): Shape {
  const one = (kind: Kind) => {
    const mean = level[kind].reduce((a, b) => a + b, 0) / BINS;
    const shape = scaled(
      burst[kind].map((times, i) => times * level[kind][i]!),
      mean,
    );
    return shape.map((perSecond) => rounded((perSecond * BIN_MS) / 1_000, 1));
  };
  return { trade: one("trade"), book: one("book") };
}

function scaled(values: readonly number[], mean: number): number[] {
  const now = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((value) => (value * mean) / now);
}

function countBy(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** As it is committed. */
export async function textOf(profile: Profile): Promise<string> {
  return await format(JSON.stringify(profile), { parser: "json", printWidth: 100 });
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? "../shared/data");
  for (const profile of Object.values(deriveProfiles(folder))) {
    writeFileSync(join(PROFILES, `${profile.name}.json`), await textOf(profile));
  }
}
