// The payload of each table: which columns, in which order, and what each row is predicted from. Writer
// and reader stand side by side; docs/wire.md lists the same columns.
import type {
  BookColumns,
  FrameColumns,
  LogColumns,
  NewsColumns,
  QuarantineColumns,
  RawFrame,
  StampedColumns,
  StatusColumns,
  TradeColumns,
} from "../batch.ts";
import { BOOK_DEPTH, NEWS_SYMBOLS_MAX } from "../tick.ts";
import type { Book, LogRecord, NewsItem, Reject, Status, Tick, Trade } from "../tick.ts";
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { CELLS, readLevels, writeLevels } from "./levels.ts";
import { isConstant, readNumbers, type Series, writeNumbers } from "./numbers.ts";
import {
  readBlobs,
  readDictionary,
  readIndexes,
  readOptionalTexts,
  readTexts,
  writeBlobs,
  writeOptionalTexts,
  writeTexts,
} from "./texts.ts";

type Instruments = NonNullable<Series>;

export function writeTrades(out: ByteWriter, rows: readonly Trade[]): void {
  const { instruments, inOrder } = writeStamped(out, rows);
  const { numbers } = columnWriters(out, rows);
  const size = column(rows, (row) => row.size);
  numbers((row) => row.chain, inOrder);
  writeNumbers(out, size, null);
  writeOver(
    out,
    column(rows, (row) => row.seq),
    runningTotals(size, instruments),
    instruments,
  );
  numbers((row) => row.price, instruments);
  numbers((row) => row.side, null);
  numbers((row) => row.session, inOrder);
  numbers((row) => row.ask, instruments);
  numbers((row) => row.bid, instruments);
  numbers((row) => row.sellCount, instruments);
  numbers((row) => row.buyCount, instruments);
}

export function readTrades(from: ByteReader, rows: number): TradeColumns {
  const { stamped, instruments, inOrder } = readStamped(from, rows);
  const chain = int32s(readNumbers(from, rows, inOrder));
  const size = readNumbers(from, rows, null);
  return {
    ...stamped,
    chain,
    size,
    seq: readOver(from, runningTotals(size, instruments), instruments),
    price: readNumbers(from, rows, instruments),
    side: int8s(readNumbers(from, rows, null)),
    session: int8s(readNumbers(from, rows, inOrder)),
    ask: readNumbers(from, rows, instruments),
    bid: readNumbers(from, rows, instruments),
    sellCount: readNumbers(from, rows, instruments),
    buyCount: readNumbers(from, rows, instruments),
  };
}

export function writeBooks(out: ByteWriter, rows: readonly Book[]): void {
  const { instruments } = writeStamped(out, rows);
  const { numbers, texts } = columnWriters(out, rows);
  const levels = new Float64Array(CELLS * rows.length);
  for (let i = 0; i < rows.length; i++) levels.set(rows[i]!.levels, CELLS * i);
  writeLevels(out, levels, instruments);
  const { asks, bids } = sizeTotals(levels);
  writeOver(
    out,
    column(rows, (row) => row.askTotal),
    asks,
    instruments,
  );
  writeOver(
    out,
    column(rows, (row) => row.bidTotal),
    bids,
    instruments,
  );
  numbers((row) => row.expectedPrice, instruments);
  numbers((row) => row.expectedSize, instruments);
  texts((row) => row.phase);
  numbers((row) => row.seq, instruments);
}

export function readBooks(from: ByteReader, rows: number): BookColumns {
  const { stamped, instruments } = readStamped(from, rows);
  const levels = readLevels(from, rows, instruments);
  const { asks, bids } = sizeTotals(levels);
  const askTotal = readOver(from, asks, instruments);
  const bidTotal = readOver(from, bids, instruments);
  const expectedPrice = readNumbers(from, rows, instruments);
  const expectedSize = readNumbers(from, rows, instruments);
  const { of: phase, texts: phases } = readTexts(from, rows);
  const seq = readNumbers(from, rows, instruments);
  const totals = { askTotal, bidTotal, expectedPrice, expectedSize };
  return { ...stamped, levels, ...totals, phase, phases, seq };
}

export function writeStatuses(out: ByteWriter, rows: readonly Status[]): void {
  writeStamped(out, rows);
  const { texts } = columnWriters(out, rows);
  texts((row) => row.what);
  texts((row) => row.code);
  texts((row) => row.detail);
}

export function readStatuses(from: ByteReader, rows: number): StatusColumns {
  const { stamped } = readStamped(from, rows);
  const { of: what, texts: whats } = readTexts(from, rows);
  const { of: code, texts: codes } = readTexts(from, rows);
  const { of: detail, texts: details } = readTexts(from, rows);
  return { ...stamped, what, whats, code, codes, detail, details };
}

export function writeQuarantine(out: ByteWriter, rows: readonly Reject[]): void {
  const inOrder = only(rows.length);
  const { numbers, texts } = columnWriters(out, rows);
  numbers((row) => row.edgeRecvMs, inOrder);
  numbers((row) => row.capture, inOrder);
  texts((row) => row.code);
  texts((row) => row.reason);
  writeBlobs(
    out,
    rows.map((row) => row.bytes),
  );
}

export function readQuarantine(from: ByteReader, rows: number): QuarantineColumns {
  const inOrder = only(rows);
  const edgeRecvMs = readNumbers(from, rows, inOrder);
  const capture = readNumbers(from, rows, inOrder);
  const { of: code, texts: codes } = readTexts(from, rows);
  const { of: reason, texts: reasons } = readTexts(from, rows);
  const bytes = readBlobs(from, rows);
  return { rows, code, codes, reason, reasons, bytes, edgeRecvMs, capture };
}

export function writeNews(out: ByteWriter, rows: readonly NewsItem[]): void {
  const inOrder = only(rows.length);
  const { numbers, texts } = columnWriters(out, rows);
  numbers((row) => row.edgeRecvMs, inOrder);
  numbers((row) => row.capture, inOrder);
  numbers((row) => row.publishedMs, inOrder);
  writeBlobs(
    out,
    rows.map((row) => row.digest),
  );
  texts((row) => row.feed);
  texts((row) => row.title);
  texts((row) => row.url);
  texts((row) => row.summary);
  numbers((row) => row.symbols.length, null);
  const symbols = rows.flatMap((row) => row.symbols);
  if (symbols.length > 0) writeTexts(out, symbols);
}

export function readNews(from: ByteReader, rows: number): NewsColumns {
  const inOrder = only(rows);
  const edgeRecvMs = readNumbers(from, rows, inOrder);
  const capture = readNumbers(from, rows, inOrder);
  const publishedMs = readNumbers(from, rows, inOrder);
  const digest = readBlobs(from, rows);
  const { of: feed, texts: feeds } = readTexts(from, rows);
  const { of: title, texts: titles } = readTexts(from, rows);
  const { of: url, texts: urls } = readTexts(from, rows);
  const { of: summary, texts: summaries } = readTexts(from, rows);
  const symbols = readLists(from, readNumbers(from, rows, null));
  const texts = { feed, feeds, title, titles, url, urls, summary, summaries };
  return { rows, edgeRecvMs, capture, publishedMs, digest, ...texts, symbols };
}

/** Lists of texts of which `lengths` tells how long each is. */
function readLists(from: ByteReader, lengths: Float64Array): string[][] {
  let total = 0;
  for (const length of lengths) {
    if (!(Number.isInteger(length) && length >= 0 && length <= NEWS_SYMBOLS_MAX))
      throw corrupt("length of a list");
    total += length;
  }
  if (total === 0) return Array.from(lengths, () => []);
  const { of, texts } = readTexts(from, total);
  let next = 0;
  return Array.from(lengths, (length) => {
    const items = Array.from(of.subarray(next, next + length), (index) => texts[index]!);
    next += length;
    return items;
  });
}

export function writeLogs(out: ByteWriter, rows: readonly LogRecord[]): void {
  const inOrder = only(rows.length);
  const { numbers, texts } = columnWriters(out, rows);
  numbers((row) => row.edgeRecvMs, inOrder);
  numbers((row) => row.capture, inOrder);
  writeOver(
    out,
    column(rows, (row) => row.atMs),
    column(rows, (row) => row.edgeRecvMs),
    inOrder,
  );
  numbers((row) => row.level, null);
  texts((row) => row.event);
  texts((row) => row.fields);
}

export function readLogs(from: ByteReader, rows: number): LogColumns {
  const inOrder = only(rows);
  const edgeRecvMs = readNumbers(from, rows, inOrder);
  const capture = readNumbers(from, rows, inOrder);
  const atMs = readOver(from, edgeRecvMs, inOrder);
  const level = int8s(readNumbers(from, rows, null));
  const { of: event, texts: events } = readTexts(from, rows);
  const { of: field, texts: fields } = readTexts(from, rows);
  return { rows, edgeRecvMs, capture, atMs, level, event, events, field, fields };
}

export function writeFrames(out: ByteWriter, rows: readonly RawFrame[]): void {
  const inOrder = only(rows.length);
  const { numbers } = columnWriters(out, rows);
  numbers((row) => row.edgeRecvMs, inOrder);
  numbers((row) => row.marketMs, inOrder);
  writeBlobs(
    out,
    rows.map((row) => row.bytes),
  );
}

export function readFrames(from: ByteReader, rows: number): FrameColumns {
  const inOrder = only(rows);
  const edgeRecvMs = readNumbers(from, rows, inOrder);
  const marketMs = readNumbers(from, rows, inOrder);
  return { rows, edgeRecvMs, marketMs, bytes: readBlobs(from, rows) };
}

/** What every record of the market begins with. Prices follow each instrument, times follow the batch. */
function writeStamped(
  out: ByteWriter,
  rows: readonly Tick[],
): { instruments: Instruments; inOrder: Instruments } {
  const instruments = writeInstruments(out, rows);
  const inOrder = only(rows.length);
  const { numbers } = columnWriters(out, rows);
  numbers((row) => row.exchangeMs, inOrder);
  numbers((row) => row.day, inOrder);
  numbers((row) => row.edgeRecvMs, inOrder);
  numbers((row) => row.capture, inOrder);
  writeOptionalTexts(
    out,
    rows.map((row) => row.extra),
  );
  return { instruments, inOrder };
}

function readStamped(
  from: ByteReader,
  rows: number,
): { stamped: StampedColumns; instruments: Instruments; inOrder: Instruments } {
  const symbols = readDictionary(from, rows);
  const { of: venueOf, texts: venues } = readTexts(from, symbols.length);
  const symbol = readIndexes(from, rows, symbols.length);
  const venue = symbol.map((of) => venueOf[of]!);
  const inOrder = only(rows);
  const exchangeMs = readNumbers(from, rows, inOrder);
  const day = int32s(readNumbers(from, rows, inOrder));
  const edgeRecvMs = readNumbers(from, rows, inOrder);
  const capture = readNumbers(from, rows, inOrder);
  const extra = readOptionalTexts(from, rows);
  const places = { symbol, symbols, venue, venues };
  const stamped = { rows, ...places, exchangeMs, day, edgeRecvMs, capture, extra };
  return { stamped, instruments: { of: symbol, count: symbols.length }, inOrder };
}

/** An instrument is a symbol at a venue. */
function writeInstruments(out: ByteWriter, rows: readonly Tick[]): Instruments {
  const indexes = new Map<string, Map<string, number>>();
  const symbols: string[] = [];
  const venues: string[] = [];
  const of = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const { symbol, venue } = rows[i]!;
    let atVenue = indexes.get(venue);
    if (atVenue === undefined) indexes.set(venue, (atVenue = new Map<string, number>()));
    let index = atVenue.get(symbol);
    if (index === undefined) {
      atVenue.set(symbol, (index = symbols.length));
      symbols.push(symbol);
      venues.push(venue);
    }
    of[i] = index;
  }
  out.varint(symbols.length);
  for (const symbol of symbols) out.text(symbol);
  writeTexts(out, venues);
  writeNumbers(out, Float64Array.from(of), null);
  return { of, count: symbols.length };
}

/** A column of which another tells most: the difference is written when that loses nothing. */
function writeOver(
  out: ByteWriter,
  values: Float64Array,
  known: Float64Array,
  series: Instruments,
): void {
  const over = !isConstant(values) && isWhole(values) && isWhole(known);
  out.byte(over ? 1 : 0);
  writeNumbers(out, over ? values.map((value, i) => value - known[i]!) : values, series);
}

function readOver(from: ByteReader, known: Float64Array, series: Instruments): Float64Array {
  const mode = from.byte();
  if (mode > 1) throw corrupt("column over another");
  const values = readNumbers(from, known.length, series);
  return mode === 0 ? values : values.map((value, i) => value + known[i]!);
}

/** Sums and differences of two such numbers are exact. */
function isWhole(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 49 || Object.is(value, -0)) return false;
  }
  return true;
}

/** Per row the sum of its instrument's sizes so far: what a gapless cumulative volume rises by. */
function runningTotals(sizes: Float64Array, series: Instruments): Float64Array {
  const totals = new Float64Array(series.count);
  return sizes.map((size, i) => (totals[series.of[i]!]! += size));
}

function sizeTotals(levels: Float64Array): { asks: Float64Array; bids: Float64Array } {
  const asks = new Float64Array(levels.length / CELLS);
  const bids = new Float64Array(levels.length / CELLS);
  for (let row = 0; row < asks.length; row++) {
    const at = row * CELLS + BOOK_DEPTH;
    for (let i = at; i < at + BOOK_DEPTH; i++) {
      asks[row]! += levels[i]!;
      bids[row]! += levels[i + 2 * BOOK_DEPTH]!;
    }
  }
  return { asks, bids };
}

/** All rows in one series: each is predicted from the row before it. */
function only(rows: number): Instruments {
  return { of: new Uint32Array(rows), count: 1 };
}

/** Writers of one field of all rows. */
function columnWriters<Row>(out: ByteWriter, rows: readonly Row[]) {
  return {
    numbers: (of: (row: Row) => number, series: Series) => {
      writeNumbers(out, column(rows, of), series);
    },
    texts: (of: (row: Row) => string) => writeTexts(out, rows.map(of)),
  };
}

function column<Row>(rows: readonly Row[], of: (row: Row) => number): Float64Array {
  const values = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) values[i] = of(rows[i]!);
  return values;
}

function int32s(values: Float64Array): Int32Array {
  const narrow = Int32Array.from(values);
  return same(narrow, values);
}

function int8s(values: Float64Array): Int8Array {
  const narrow = Int8Array.from(values);
  return same(narrow, values);
}

function same<Narrow extends Int8Array | Int32Array>(narrow: Narrow, values: Float64Array): Narrow {
  for (let i = 0; i < values.length; i++) {
    if (narrow[i] !== values[i]) throw corrupt("integer out of range");
  }
  return narrow;
}
