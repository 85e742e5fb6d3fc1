// What the batch codec costs: ns and bytes a record, with zstd, beside JSON + zstd in the same run. On
// made-up rows, and on the recorded ones where ../shared/data is there. `node bench/codec.ts`.
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { decodeBatch, encodeBatch, readHeader, type Rows } from "../app/shared/batch.ts";
import type { Book, Trade } from "../app/shared/tick.ts";
import {
  book,
  generator,
  hasData,
  recordedBooks,
  recordedTrades,
  trade,
} from "../tests/support/records.ts";

export interface CodecFigures {
  input: string;
  rowsPerBatch: number;
  bytesPerRow: number;
  rawBytesPerRow: number;
  jsonBytesPerRow: number;
  encodeNs: number;
  decodeNs: number;
  jsonEncodeNs: number;
  jsonDecodeNs: number;
}

const LIMITS = { rowsMax: 10_000, rawBytesMax: 16 * 2 ** 20 };
const HEAD = {
  stream: "01234567-89ab-4def-8123-456789abcdef",
  number: 1,
  account: "a:1",
  epoch: 1,
};
const ROUNDS = 9;
const ROWS = 20_000;
const SYMBOLS = 100;
const TICK = 50;

/** Encodes and decodes every input; prints a line for each, or one JSON object. */
export function run(options: { json: boolean }): Promise<object> {
  const inputs: [string, "trade" | "book", () => Rows][] = [
    ["generated trades", "trade", generatedTrades],
    ["generated books", "book", generatedBooks],
  ];
  if (hasData()) {
    inputs.push(["recorded KRX trades", "trade", recordedTrades]);
    inputs.push(["recorded NASDAQ books", "book", recordedBooks]);
  }
  const codec: CodecFigures[] = [];
  for (const [input, table, load] of inputs) {
    const rows = load();
    for (const size of [20, 1000, 10_000]) codec.push(measure(input, table, rows, size));
  }
  if (options.json) console.log(JSON.stringify({ codec }));
  else console.table(codec.map(rounded));
  return Promise.resolve({ codec });
}

function measure(input: string, table: "trade" | "book", rows: Rows, size: number): CodecFigures {
  const groups: Rows[] = [];
  for (let at = 0; at < rows.length; at += size) groups.push(rows.slice(at, at + size));
  const encode = (some: Rows) => encodeBatch({ ...HEAD, table }, some);
  const batches = groups.map(encode);
  const jsonEncode = (some: Rows) => zstdCompressSync(JSON.stringify(some));
  const jsonBatches = groups.map(jsonEncode);
  const perRow = (bytes: number) => bytes / rows.length;
  return {
    input,
    rowsPerBatch: size,
    bytesPerRow: perRow(sum(batches.map(({ length }) => length))),
    rawBytesPerRow: perRow(sum(batches.map((batch) => readHeader(batch).rawBytes))),
    jsonBytesPerRow: perRow(sum(jsonBatches.map(({ length }) => length))),
    encodeNs: perRow(bestNs(groups, encode)),
    decodeNs: perRow(bestNs(batches, (batch) => decodeBatch(batch, LIMITS))),
    jsonEncodeNs: perRow(bestNs(groups, jsonEncode)),
    jsonDecodeNs: perRow(
      bestNs(jsonBatches, (batch): unknown => JSON.parse(zstdDecompressSync(batch).toString())),
    ),
  };
}

/** The best of some rounds: other programs on the machine only ever add. */
function bestNs<Input>(inputs: Input[], run: (input: Input) => unknown): number {
  let bestNs = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const startedNs = process.hrtime.bigint();
    for (const input of inputs) run(input);
    bestNs = Math.min(bestNs, Number(process.hrtime.bigint() - startedNs));
  }
  return bestNs;
}

/** 100 symbols on a random walk over KRX-like prices, about 2,000 trades a second. */
function generatedTrades(): Trade[] {
  const random = generator();
  const prices = Array.from({ length: SYMBOLS }, () => 10_000 + TICK * random(2000));
  const volumes = prices.map(() => 0);
  return Array.from({ length: ROWS }, (_, i) => {
    const of = random(SYMBOLS);
    const size = 1 + random(random(2) ? 10 : 500);
    const price = (prices[of]! += TICK * (random(3) - 1));
    const edgeRecvMs = Math.round((1.7e12 + i / 2) * 1000 + random(400)) / 1000;
    return trade({
      symbol: String(5930 + of).padStart(6, "0"),
      exchangeMs: Math.floor(edgeRecvMs / 1000) * 1000,
      edgeRecvMs,
      capture: i + 1,
      seq: (volumes[of]! += size),
      price,
      size,
      side: random(2) ? 1 : -1,
      ask: price + TICK * random(2),
      bid: price - TICK * random(2),
    });
  });
}

/** Ladders of ten neighbouring ticks of which one size changes at a time, and sometimes the best price. */
function generatedBooks(): Book[] {
  const random = generator();
  const best = Array.from({ length: SYMBOLS }, () => 10_000 + TICK * random(2000));
  const sizes = best.map(() => Float64Array.from({ length: 20 }, () => 1 + random(5000)));
  return Array.from({ length: ROWS }, (_, i) => {
    const of = random(SYMBOLS);
    const own = sizes[of]!;
    own[random(20)] = 1 + random(5000);
    if (random(20) === 0) best[of]! += TICK * (random(3) - 1);
    const levels = new Float64Array(40);
    for (let level = 0; level < 10; level++) {
      levels[level] = best[of]! + TICK * (level + 1);
      levels[10 + level] = own[level]!;
      levels[20 + level] = best[of]! - TICK * level;
      levels[30 + level] = own[10 + level]!;
    }
    const edgeRecvMs = Math.round((1.7e12 + i / 2) * 1000 + random(400)) / 1000;
    return book({
      symbol: String(5930 + of).padStart(6, "0"),
      exchangeMs: Math.floor(edgeRecvMs / 1000) * 1000,
      edgeRecvMs,
      capture: i + 1,
      levels,
      askTotal: sum(levels.subarray(10, 20)),
      bidTotal: sum(levels.subarray(30, 40)),
      seq: i,
    });
  });
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function rounded(figures: CodecFigures) {
  const cells = Object.entries(figures).map(([name, value]: [string, string | number]) => [
    name,
    typeof value === "number" ? Math.round(value * 10) / 10 : value,
  ]);
  return Object.fromEntries(cells) as Record<string, string | number>;
}

if (import.meta.main) await run({ json: process.argv.includes("--json") });
