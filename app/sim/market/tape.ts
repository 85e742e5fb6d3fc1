// A recorded market: a day of KRX trades, a half hour of NASDAQ books and trades, or a raw websocket log.
// Prices, sizes and cumulative volumes are the recording's own; nothing is invented, so a recording of
// trades has no books.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { TickhubError } from "../../shared/errors.ts";
import { kstMs, newYorkMidnightMs } from "../time.ts";
import type { Instrument, Level, Market, MarketEvent } from "./event.ts";
import { nameOf } from "./instrument.ts";
import { merge } from "./merge.ts";
import { seeded } from "./random.ts";
import { logTime, rawLog } from "./raw-log.ts";
import { Security } from "./security.ts";

/** A million rows is two orders of magnitude above any recording we know. */
const BYTES_MAX = 512 * 2 ** 20;

/** Adds a recording's symbols to `securities`, and returns its events, to be read once. */
type Open = (
  lines: readonly string[],
  path: string,
  securities: Map<string, Security>,
) => Generator<MarketEvent, void>;

interface Reader {
  /** The first line of such a file looks like this. */
  first: RegExp;
  open: Open;
  /** Market time of a line. */
  timeOf: (line: string, path: string) => number;
}

const READERS: readonly Reader[] = [
  { first: /^symbol,ts_kst,/, open: krxTrades, timeOf: (line) => kstMs(line.split(",", 2)[1]!) },
  { first: /^ts_s,ask_px1,/, open: nasdaqBooks, timeOf: nasdaqTime },
  { first: /^ts_s,price,qty,aggressor/, open: nasdaqTrades, timeOf: nasdaqTime },
  { first: /^\d{19} \{/, open: rawLog, timeOf: logTime },
];

/**
 * Reads one or several recordings (plain or gzip) that play together. Throws TAPE_UNREADABLE.
 * Totals the recording lacks (trade counts) are counted from its start.
 */
export function openTape(paths: readonly string[]): Market {
  const securities = new Map<string, Security>();
  let endMs = 0;
  const streams = paths.map((path) => {
    const lines = readLines(path);
    const reader = READERS.find(({ first }) => first.test(lines[0] ?? ""));
    if (!reader || lines.length < 2) throw new TickhubError("TAPE_UNREADABLE", { path });
    endMs = Math.max(endMs, reader.timeOf(lines.at(-1)!, path));
    return reader.open(lines, path, securities);
  });
  return {
    instruments: [...securities.values()].map((security) => security.instrument),
    time: "tape",
    endMs,
    *play() {
      yield* merge(streams);
    },
    closing: () => [],
  };
}

function readLines(path: string): string[] {
  try {
    const bytes = readFileSync(path);
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const text = (isGzip ? gunzipSync(bytes, { maxOutputLength: BYTES_MAX }) : bytes).toString();
    return text.trimEnd().split("\n");
  } catch (cause) {
    throw new TickhubError("TAPE_UNREADABLE", { path }, { cause });
  }
}

/** symbol,ts_kst,n,ask1,bid1,price,f5,f6,sign,qty,cum_vol,cum_sell_vol,cum_buy_vol,cum_value,session */
function krxTrades(...[lines, , securities]: Parameters<Open>): ReturnType<Open> {
  const rows = lines.slice(1).map((line) => line.split(","));
  for (const row of rows) {
    const code = row[0]!;
    if (!securities.has(code)) securities.set(code, opened(code, row));
  }
  return (function* () {
    for (const row of rows) {
      yield securities.get(row[0]!)!.print({
        marketMs: kstMs(row[1]!),
        price: Number(row[5]),
        size: Number(row[9]),
        side: row[7] === "1" ? 1 : -1,
        ask: Number(row[3]),
        bid: Number(row[4]),
      });
    }
  })();
}

/** A KRX security that stands right before its first recorded trade. */
function opened(code: string, row: readonly string[]): Security {
  const [price, size] = [Number(row[5]), Number(row[9])];
  const isBuy = row[7] === "1";
  const basePrice = price;
  const instrument: Instrument = {
    code,
    name: nameOf(code),
    market: "KRX",
    grid: "stock",
    basePrice,
  };
  const security = new Security(instrument, seeded(Number.parseInt(code, 36)));
  security.startDay(row[1]!.slice(0, 8), {
    cumVolume: Number(row[10]) - size,
    // KOSPI names are recorded in 10,000 KRW and KOSDAQ names in 1,000; their volume tells which.
    cumValue: Number(row[13]) * valueUnit(row) - price * size,
    sellVolume: Number(row[11]) - (isBuy ? 0 : size),
    buyVolume: Number(row[12]) - (isBuy ? size : 0),
    sellCount: 0,
    buyCount: 0,
  });
  return security;
}

function valueUnit(row: readonly string[]): number {
  const average = Number(row[13]) / Number(row[10]);
  return (average * 10_000) / Number(row[5]) < 2 ? 10_000 : 1000;
}

/** Recorded prices are USD x 10,000. */
const PRICE_SCALE = 10_000;

/** ts_s (of New York's day), then ask price, ask size, bid price, bid size of levels 1 to 10. */
function nasdaqBooks(...[lines, path, securities]: Parameters<Open>): ReturnType<Open> {
  const rows = lines.slice(1).map((line) => line.split(",").map(Number));
  const { security, midnightMs } = nasdaq(path, securities, rows[0]![1]! / PRICE_SCALE);
  return (function* () {
    for (const row of rows) {
      const marketMs = midnightMs + row[0]! * 1000;
      yield security.show(marketMs, levels(row, 1), levels(row, 3));
    }
  })();
}

function levels(row: readonly number[], from: number): Level[] {
  return Array.from({ length: 10 }, (_, i) => {
    return { price: row[from + 4 * i]! / PRICE_SCALE, size: row[from + 4 * i + 1]! };
  });
}

/** ts_s,price,qty,aggressor,hidden,order_id */
function nasdaqTrades(...[lines, path, securities]: Parameters<Open>): ReturnType<Open> {
  const rows = lines.slice(1).map((line) => line.split(","));
  const { security, midnightMs } = nasdaq(path, securities, Number(rows[0]![1]) / PRICE_SCALE);
  return (function* () {
    for (const [second, price, size, aggressor] of rows) {
      yield security.print({
        marketMs: midnightMs + Number(second) * 1000,
        price: Number(price) / PRICE_SCALE,
        size: Number(size),
        side: aggressor === "B" ? 1 : aggressor === "S" ? -1 : 0,
      });
    }
  })();
}

/** Symbol and day stand in the file's name: `aapl-20120621-…`. */
function nasdaqName(path: string): { code: string; midnightMs: number } {
  const [, name, date] = /([a-z]+)-(\d{8})-[^/]*$/.exec(path) ?? [];
  if (name === undefined) throw new TickhubError("TAPE_UNREADABLE", { path });
  return { code: name.toUpperCase(), midnightMs: newYorkMidnightMs(date!) };
}

function nasdaqTime(line: string, path: string): number {
  return nasdaqName(path).midnightMs + Number(line.split(",", 1)[0]) * 1000;
}

function nasdaq(path: string, securities: Map<string, Security>, basePrice: number) {
  const { code, midnightMs } = nasdaqName(path);
  const instrument: Instrument = { code, name: code, market: "US", grid: "usd", basePrice };
  const security = securities.get(code) ?? new Security(instrument, seeded(1));
  securities.set(code, security);
  return { security, midnightMs };
}
