// Records made for tests: arbitrary ones for properties, plain ones for examples, and the recorded days.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import type { Book, LogRecord, NewsItem, Reject, Status, Trade } from "../../app/shared/tick.ts";
import { BOOK_DEPTH, NO_COUNT } from "../../app/shared/tick.ts";
import type { RawFrame } from "../../app/shared/batch.ts";
import { dataFile } from "./data.ts";

/** Whether the recorded days are there; with TICKHUB_REQUIRE_DATA=1 their absence is an error. */
export function hasData(): boolean {
  return dataFile("krx-ticks/20200604.csv.gz") !== null;
}

export function trade(fields: Partial<Trade> = {}): Trade {
  return {
    kind: "trade",
    symbol: "005930",
    venue: "KRX",
    exchangeMs: 1_700_000_000_000,
    day: 20231115,
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    extra: null,
    chain: 0,
    seq: 1000,
    price: 71_300,
    size: 10,
    side: 1,
    session: 2,
    ask: 71_400,
    bid: 71_300,
    sellCount: NO_COUNT,
    buyCount: NO_COUNT,
    ...fields,
  };
}

export function book(fields: Partial<Book> = {}): Book {
  return {
    kind: "book",
    symbol: "005930",
    venue: "KRX",
    exchangeMs: 1_700_000_000_000,
    day: 20231115,
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    extra: null,
    levels: new Float64Array(4 * BOOK_DEPTH),
    askTotal: 0,
    bidTotal: 0,
    expectedPrice: 0,
    expectedSize: 0,
    phase: "0",
    seq: 1000,
    ...fields,
  };
}

export function status(fields: Partial<Status> = {}): Status {
  return {
    kind: "status",
    symbol: "",
    venue: "KRX",
    exchangeMs: 1_700_000_000_000,
    day: 20231115,
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    extra: null,
    what: "market",
    code: "112",
    detail: "{}",
    ...fields,
  };
}

export function reject(fields: Partial<Reject> = {}): Reject {
  return {
    kind: "reject",
    code: "FRAME_GRAMMAR",
    reason: "no header",
    bytes: new TextEncoder().encode("garbage"),
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    ...fields,
  };
}

export function newsItem(fields: Partial<NewsItem> = {}): NewsItem {
  return {
    kind: "news",
    digest: new Uint8Array(32).fill(7),
    feed: "rss:example",
    publishedMs: 1_700_000_000_000,
    title: "A title",
    url: "https://news.example/1",
    summary: "What it says.",
    symbols: ["005930"],
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    ...fields,
  };
}

export function logRecord(fields: Partial<LogRecord> = {}): LogRecord {
  return {
    kind: "log",
    atMs: 1_700_000_000_123,
    level: 30,
    event: "process_started",
    fields: "{}",
    edgeRecvMs: 1_700_000_000_123.456,
    capture: 1,
    ...fields,
  };
}

/** Any double, with decimals such as prices and the awkward ones more often than by chance. */
const anyNumber = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 1000 }) },
  { weight: 2, arbitrary: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }).map((n) => n / 10 ** 4) },
  { weight: 2, arbitrary: fc.maxSafeInteger() },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 10 ** 9 }).map((n) => n / 10 ** 8) },
  { weight: 1, arbitrary: fc.double() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(NaN, -0, Infinity, 2 ** 51, -(2 ** 51), 2 ** 53, 5e-324),
  },
);
/** Columns of one kind of number are what the codec's short forms are for. */
const column = fc.constantFrom(
  anyNumber,
  fc.constant(0),
  fc.integer(),
  fc.integer({ min: 0, max: 400 }).map((n) => n * 50),
  fc.integer({ min: 0, max: 10 ** 6 }).map((n) => n / 100),
);
const anyText = fc.string({ unit: "grapheme", maxLength: 12 });
const micros = fc.integer({ min: 0, max: 10 ** 9 }).map((us) => Math.round(1.7e15 + us) / 1000);
const day = fc.oneof(fc.constant(20231115), fc.integer());

function stamped(number: fc.Arbitrary<number>) {
  return {
    symbol: fc.constantFrom("005930", "000660", "", "AAPL"),
    venue: fc.constantFrom("KRX", "NXT"),
    exchangeMs: number,
    day,
    edgeRecvMs: fc.oneof(micros, fc.double({ noNaN: true })),
    capture: number,
    extra: fc.option(anyText),
  };
}

export const anyTrades: fc.Arbitrary<Trade[]> = column.chain((number) =>
  rows(
    fc.record({
      kind: fc.constant("trade" as const),
      ...stamped(number),
      chain: fc.integer(),
      seq: number,
      price: number,
      size: number,
      side: fc.constantFrom(-1, 0, 1),
      session: fc.integer({ min: -128, max: 127 }),
      ask: number,
      bid: number,
      sellCount: number,
      buyCount: number,
    }),
  ),
);

export const anyBooks: fc.Arbitrary<Book[]> = column.chain((number) =>
  rows(
    fc.record({
      kind: fc.constant("book" as const),
      ...stamped(number),
      levels: fc
        .array(number, { minLength: 4 * BOOK_DEPTH, maxLength: 4 * BOOK_DEPTH })
        .map((levels) => Float64Array.from(levels)),
      askTotal: number,
      bidTotal: number,
      expectedPrice: number,
      expectedSize: number,
      phase: anyText,
      seq: number,
    }),
  ),
);

export const anyStatuses: fc.Arbitrary<Status[]> = rows(
  fc.record({
    kind: fc.constant("status" as const),
    ...stamped(anyNumber),
    what: fc.constantFrom("market", "vi", "clock"),
    code: anyText,
    detail: anyText,
  }),
);

export const anyRejects: fc.Arbitrary<Reject[]> = rows(
  fc.record({
    kind: fc.constant("reject" as const),
    code: fc.constantFrom("FRAME_GRAMMAR", "RECORD_WIDTH"),
    reason: anyText,
    bytes: fc.uint8Array({ maxLength: 40 }),
    edgeRecvMs: micros,
    capture: anyNumber,
  }),
);

export const anyNews: fc.Arbitrary<NewsItem[]> = column.chain((number) =>
  rows(
    fc.record({
      kind: fc.constant("news" as const),
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      feed: fc.constantFrom("rss:a", "dart", "search:b"),
      publishedMs: fc.oneof(number, fc.constant(NaN)),
      title: anyText,
      url: fc.webUrl(),
      summary: anyText,
      symbols: fc.array(fc.constantFrom("005930", "000660", ""), { maxLength: 4 }),
      edgeRecvMs: fc.oneof(micros, fc.double({ noNaN: true })),
      capture: number,
    }),
  ),
);

export const anyLogs: fc.Arbitrary<LogRecord[]> = column.chain((number) =>
  rows(
    fc.record({
      kind: fc.constant("log" as const),
      atMs: fc.oneof(micros, number),
      level: fc.integer({ min: -128, max: 127 }),
      event: anyText,
      fields: fc.json(),
      edgeRecvMs: fc.oneof(micros, fc.double({ noNaN: true })),
      capture: number,
    }),
  ),
);

export const anyFrames: fc.Arbitrary<RawFrame[]> = rows(
  fc.record({
    kind: fc.constant("frame" as const),
    edgeRecvMs: micros,
    marketMs: anyNumber,
    bytes: fc.uint8Array({ maxLength: 40 }),
  }),
);

/** fast-check also makes objects without a prototype; records are plain ones. */
function rows<Row extends object>(row: fc.Arbitrary<Row>): fc.Arbitrary<Row[]> {
  return fc.array(
    row.map((fields) => ({ ...fields })),
    { minLength: 1, maxLength: 30 },
  );
}

/**
 * The recorded KRX day as trades, in the order of exchange time. The recording has no receive stamps:
 * `edgeRecvMs` is made up, uniform over 0.9 s after the print, to the microsecond.
 */
export function recordedTrades(): Trade[] {
  const random = generator();
  const lines = csvLines("krx-ticks/20200604.csv.gz");
  lines.sort((a, b) => (a[1]! < b[1]! ? -1 : a[1]! > b[1]! ? 1 : 0));
  return lines.map((cells, i) => {
    const stamp = cells[1]!;
    const local = `${stamp.slice(0, 4)}-${stamp.slice(4, 6)}-${stamp.slice(6, 8)}T${stamp.slice(8, 10)}:${stamp.slice(10, 12)}:${stamp.slice(12)}+09:00`;
    const exchangeMs = Date.parse(local);
    return trade({
      symbol: cells[0]!,
      exchangeMs,
      day: Number(stamp.slice(0, 8)),
      edgeRecvMs: Math.round(exchangeMs * 1000 + random(900_000)) / 1000,
      capture: i + 1,
      seq: Number(cells[10]),
      price: Number(cells[5]),
      size: Number(cells[9]),
      side: cells[7] === "1" ? 1 : -1,
      session: Number(cells[14]),
      ask: Number(cells[3]),
      bid: Number(cells[4]),
    });
  });
}

/** The recorded half hour of NASDAQ books; receive stamps are the exchange's, cut to the microsecond. */
export function recordedBooks(): Book[] {
  const midnightMs = Date.parse("2012-06-21T00:00:00-04:00");
  return csvLines("books/aapl-20120621-books10.csv.gz").map((cells, i) => {
    const [seconds, ...numbers] = cells.map(Number);
    const levels = new Float64Array(4 * BOOK_DEPTH);
    for (let level = 0; level < BOOK_DEPTH; level++) {
      for (let side = 0; side < 4; side++) {
        const cell = numbers[4 * level + side]!;
        levels[side * BOOK_DEPTH + level] = side % 2 === 0 ? cell / 10_000 : cell;
      }
    }
    const atMs = midnightMs + seconds! * 1000;
    return book({
      symbol: "AAPL",
      venue: "NAS",
      exchangeMs: Math.floor(atMs / 1000) * 1000,
      day: 20120621,
      edgeRecvMs: Math.round(atMs * 1000) / 1000,
      capture: i + 1,
      levels,
      askTotal: NO_COUNT,
      bidTotal: NO_COUNT,
      seq: NO_COUNT,
    });
  });
}

function csvLines(file: string): string[][] {
  const text = gunzipSync(readFileSync(dataFile(file)!)).toString("latin1");
  const lines = text.trim().split("\n").slice(1);
  return lines.map((line) => line.split(","));
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
export function generator(seed = 0): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((bound * ((mixed ^ (mixed >>> 14)) >>> 0)) / 2 ** 32);
  };
}
