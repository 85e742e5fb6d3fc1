// The batch: the one format in which records travel (wire), wait (outbox) and are kept (tapes). A fixed
// header that can be read alone, then a columnar payload, compressed. docs/wire.md has it byte by byte.
// Promises: what is decoded equals what was encoded, bit for bit; input from outside allocates no more
// than the given limits and fails only with BATCH_CORRUPT, BATCH_VERSION or BATCH_TOO_LARGE.
import assert from "node:assert/strict";
import { readHeader, readPayload, writeEnvelope } from "./batch/envelope.ts";
import { ByteReader, ByteWriter, corrupt } from "./batch/bytes.ts";
import {
  readBooks,
  readFrames,
  readLogs,
  readNews,
  readQuarantine,
  readStatuses,
  readTrades,
  writeBooks,
  writeFrames,
  writeLogs,
  writeNews,
  writeQuarantine,
  writeStatuses,
  writeTrades,
} from "./batch/tables.ts";
import { TickhubError } from "./errors.ts";
import type { Origin } from "./origin.ts";
import type { Table } from "./table.ts";
import { BOOK_DEPTH, NEWS_SYMBOLS_MAX } from "./tick.ts";
import type { Book, LogRecord, NewsItem, Reject, Status, Tick, Trade } from "./tick.ts";

export { readHeader, withAddress, withNumber } from "./batch/envelope.ts";
export { ticksOf } from "./batch/records.ts";

/** Rises when the layout of header or payload changes. */
export const WIRE_VERSION = 1;
/** Wire versions this release reads: its own and the one before. */
export const WIRE_VERSIONS = [WIRE_VERSION, WIRE_VERSION - 1].filter((version) => version >= 1);

/** What the sender says of a batch. */
export interface BatchHead {
  table: Table;
  /** UUID; numbers count within it. */
  stream: string;
  /** 1, 2, 3… within the stream; 0 until the first send. */
  number: number;
  /** The feed's account, e.g. `kis:1`; `source` in SQL. At most 255 bytes. */
  account: string;
  /** Lease epoch under which the rows were captured. */
  epoch: number;
  /** How they came; live unless said. */
  origin?: Origin;
}

export interface BatchHeader extends Required<BatchHead> {
  wire: number;
  rows: number;
  /** Span of `edgeRecvMs` of the rows, or of those a tombstone stands for. */
  firstMs: number;
  lastMs: number;
  /** Payload before compression. */
  rawBytes: number;
  /** Over payload and header, number included: two batches with one number and two checksums differ. */
  crc: number;
  tombstone: boolean;
}

/** A socket frame as it came. On tapes only. */
export interface RawFrame {
  kind: "frame";
  edgeRecvMs: number;
  /** The market clock at the read; differs from `edgeRecvMs` when the market is replayed. */
  marketMs: number;
  bytes: Uint8Array;
}

/** Rows that never travel: trimmed under overload, counted instead. */
export interface Tombstone {
  count: number;
  firstMs: number;
  lastMs: number;
  reason: string;
}

/** Columns of every record of the market. Row i's symbol is `symbols[symbol[i]]`; entries may repeat. */
export interface StampedColumns {
  rows: number;
  symbol: Uint32Array;
  symbols: string[];
  venue: Uint32Array;
  venues: string[];
  exchangeMs: Float64Array;
  /** YYYYMMDD. */
  day: Int32Array;
  edgeRecvMs: Float64Array;
  capture: Float64Array;
  /** null when no row has any. */
  extra: (string | null)[] | null;
}

/** NaN (prices) and -1 (counts) mean NULL: tick.ts. */
export interface TradeColumns extends StampedColumns {
  chain: Int32Array;
  seq: Float64Array;
  price: Float64Array;
  size: Float64Array;
  side: Int8Array;
  session: Int8Array;
  ask: Float64Array;
  bid: Float64Array;
  sellCount: Float64Array;
  buyCount: Float64Array;
}

export interface BookColumns extends StampedColumns {
  /** 40 numbers a row, ordered as `Book.levels`: row i starts at 40 * i. */
  levels: Float64Array;
  askTotal: Float64Array;
  bidTotal: Float64Array;
  expectedPrice: Float64Array;
  expectedSize: Float64Array;
  phase: Uint32Array;
  phases: string[];
  seq: Float64Array;
}

export interface StatusColumns extends StampedColumns {
  what: Uint32Array;
  whats: string[];
  code: Uint32Array;
  codes: string[];
  detail: Uint32Array;
  details: string[];
}

export interface QuarantineColumns {
  rows: number;
  code: Uint32Array;
  codes: string[];
  reason: Uint32Array;
  reasons: string[];
  bytes: Uint8Array[];
  edgeRecvMs: Float64Array;
  capture: Float64Array;
}

export interface NewsColumns {
  rows: number;
  edgeRecvMs: Float64Array;
  capture: Float64Array;
  /** NaN where the feed does not say. */
  publishedMs: Float64Array;
  digest: Uint8Array[];
  feed: Uint32Array;
  feeds: string[];
  title: Uint32Array;
  titles: string[];
  url: Uint32Array;
  urls: string[];
  summary: Uint32Array;
  summaries: string[];
  symbols: string[][];
}

export interface LogColumns {
  rows: number;
  edgeRecvMs: Float64Array;
  capture: Float64Array;
  atMs: Float64Array;
  level: Int8Array;
  event: Uint32Array;
  events: string[];
  field: Uint32Array;
  /** JSON objects. */
  fields: string[];
}

export interface FrameColumns {
  rows: number;
  edgeRecvMs: Float64Array;
  marketMs: Float64Array;
  bytes: Uint8Array[];
}

/** A decoded batch. A tombstone's `header.table` says which lane it stands in. */
export type Batch =
  | { kind: "trade"; header: BatchHeader; columns: TradeColumns }
  | { kind: "book"; header: BatchHeader; columns: BookColumns }
  | { kind: "status"; header: BatchHeader; columns: StatusColumns }
  | { kind: "quarantine"; header: BatchHeader; columns: QuarantineColumns }
  | { kind: "news"; header: BatchHeader; columns: NewsColumns }
  | { kind: "log"; header: BatchHeader; columns: LogColumns }
  | { kind: "frame"; header: BatchHeader; columns: FrameColumns }
  | { kind: "tombstone"; header: BatchHeader; tombstone: Tombstone };

/** What a reader accepts from outside. */
export interface BatchLimits {
  rowsMax: number;
  rawBytesMax: number;
}

/** Rows of one table. */
export type Rows =
  | readonly Trade[]
  | readonly Book[]
  | readonly Status[]
  | readonly Reject[]
  | readonly NewsItem[]
  | readonly LogRecord[]
  | readonly RawFrame[];

/**
 * Packs rows, in their order, into one batch. Needs at least one row, all of `head.table`'s kind and
 * all `isEncodable`.
 */
export function encodeBatch(head: BatchHead, rows: Rows): Uint8Array {
  assert(rows.length > 0, "a batch has rows");
  const out = new ByteWriter(48 * rows.length + 1024);
  writeRows(out, head.table, rows);
  let firstMs = Infinity;
  let lastMs = -Infinity;
  for (const { edgeRecvMs } of rows) {
    if (edgeRecvMs < firstMs) firstMs = edgeRecvMs;
    if (edgeRecvMs > lastMs) lastMs = edgeRecvMs;
  }
  return writeEnvelope(head, { rows: rows.length, firstMs, lastMs, tombstone: false }, out.bytes());
}

/** A batch without rows that stands for `count` rows that were given up. */
export function encodeTombstone(head: BatchHead, tombstone: Tombstone): Uint8Array {
  const { count, firstMs, lastMs, reason } = tombstone;
  const out = new ByteWriter(64);
  out.varint(count);
  out.text(reason);
  return writeEnvelope(head, { rows: 0, firstMs, lastMs, tombstone: true }, out.bytes());
}

/** The whole batch as columns. Throws BATCH_CORRUPT, BATCH_VERSION or BATCH_TOO_LARGE. */
export function decodeBatch(bytes: Uint8Array, limits: BatchLimits): Batch {
  const header = readHeader(bytes);
  const { rows, rawBytes } = header;
  if (rows > limits.rowsMax || rawBytes > limits.rawBytesMax) {
    throw new TickhubError("BATCH_TOO_LARGE", { rows, rawBytes, ...limits });
  }
  const from = new ByteReader(readPayload(bytes, header));
  const batch = readRows(from, header);
  from.end();
  return batch;
}

/** False for a row whose small integers do not fit their columns: nothing a decoder should let through. */
export function isEncodable(row: Tick | Reject | NewsItem | LogRecord | RawFrame): boolean {
  if (row.kind === "reject" || row.kind === "frame") return true;
  if (row.kind === "news") return row.symbols.length <= NEWS_SYMBOLS_MAX;
  if (row.kind === "log") return row.level === (row.level << 24) >> 24;
  if (row.day !== (row.day | 0)) return false;
  if (row.kind === "book") return row.levels.length === 4 * BOOK_DEPTH;
  if (row.kind === "status") return true;
  return row.chain === (row.chain | 0) && row.session === (row.session << 24) >> 24;
}

function writeRows(out: ByteWriter, table: Table, rows: Rows): void {
  switch (table) {
    case "trade":
      return writeTrades(out, rows as readonly Trade[]);
    case "book":
      return writeBooks(out, rows as readonly Book[]);
    case "status":
      return writeStatuses(out, rows as readonly Status[]);
    case "quarantine":
      return writeQuarantine(out, rows as readonly Reject[]);
    case "news":
      return writeNews(out, rows as readonly NewsItem[]);
    case "log":
      return writeLogs(out, rows as readonly LogRecord[]);
    case "frame":
      return writeFrames(out, rows as readonly RawFrame[]);
  }
}

function readRows(from: ByteReader, header: BatchHeader): Batch {
  const { table: kind, rows } = header;
  if (header.tombstone)
    return { kind: "tombstone", header, tombstone: readTombstone(from, header) };
  switch (kind) {
    case "trade":
      return { kind, header, columns: readTrades(from, rows) };
    case "book":
      return { kind, header, columns: readBooks(from, rows) };
    case "status":
      return { kind, header, columns: readStatuses(from, rows) };
    case "quarantine":
      return { kind, header, columns: readQuarantine(from, rows) };
    case "news":
      return { kind, header, columns: readNews(from, rows) };
    case "log":
      return { kind, header, columns: readLogs(from, rows) };
    case "frame":
      return { kind, header, columns: readFrames(from, rows) };
  }
}

function readTombstone(from: ByteReader, { firstMs, lastMs }: BatchHeader): Tombstone {
  const count = from.varint();
  if (count === 0) throw corrupt("empty tombstone");
  return { count, firstMs, lastMs, reason: from.text() };
}
