// What `copy … from stdin (format binary)` brings, read back from its bytes: the model database sees what
// PostgreSQL would, not what the writer meant. Only the fields that a law or a key needs.
// https://www.postgresql.org/docs/17/sql-copy.html ("Binary Format")

export interface TradeRow {
  /** The unique key of `trade`. */
  key: string;
  /** The same without the time: what a print is, whatever second it is dated to. */
  print: string;
  symbol: string;
  source: string;
  tsMs: number;
  seq: number;
  chain: number;
  day: number;
  price: number;
  size: number;
  edgeRecvMs: number;
  stream: number;
  capture: number;
}

export interface BookRow {
  source: string;
  /** Hash of what it shows: everything but where and when it was received. */
  content: string;
  edgeRecvMs: number;
  stream: number;
  capture: number;
}

const EPOCH_MS = Date.UTC(2000, 0, 1);
const HEADER_BYTES = 19;
const TRADE_FIELDS = 20;
const BOOK_FIELDS = 20;
const STATUS_FIELDS = 13;

/** Start and length of each field of the row at hand; length -1 is null. */
class Rows {
  readonly #bytes: Buffer;
  readonly starts: number[] = [];
  readonly lengths: number[] = [];
  #at = HEADER_BYTES;

  constructor(chunks: readonly Uint8Array[]) {
    this.#bytes = Buffer.concat(chunks);
  }

  /** False at the end. */
  next(fields: number): boolean {
    const count = this.#bytes.readInt16BE(this.#at);
    this.#at += 2;
    if (count === -1) return false;
    if (count !== fields) throw new Error(`a row of ${count} fields, the table has ${fields}`);
    for (let i = 0; i < count; i++) {
      const length = this.#bytes.readInt32BE(this.#at);
      this.starts[i] = this.#at + 4;
      this.lengths[i] = length;
      this.#at += 4 + Math.max(0, length);
    }
    return true;
  }

  text(field: number): string {
    const start = this.starts[field]!;
    return this.#bytes.toString("latin1", start, start + this.lengths[field]!);
  }

  int(field: number): number {
    const start = this.starts[field]!;
    switch (this.lengths[field]) {
      case 2:
        return this.#bytes.readInt16BE(start);
      case 4:
        return this.#bytes.readInt32BE(start);
      case 8:
        return this.#bytes.readInt32BE(start) * 2 ** 32 + this.#bytes.readUInt32BE(start + 4);
      default:
        return -1;
    }
  }

  float(field: number): number {
    return this.#bytes.readDoubleBE(this.starts[field]);
  }

  ms(field: number): number {
    return EPOCH_MS + this.int(field) / 1_000;
  }

  span(from: number, to: number): string {
    return this.#bytes.toString("latin1", this.starts[from], this.starts[to]! + this.lengths[to]!);
  }
}

export function readTrades(chunks: readonly Uint8Array[]): TradeRow[] {
  const rows = new Rows(chunks);
  const out: TradeRow[] = [];
  while (rows.next(TRADE_FIELDS)) {
    const [symbol, venue, source] = [rows.text(1), rows.text(2), rows.text(3)];
    const [tsMs, day, chain, seq] = [rows.ms(0), rows.int(4), rows.int(5), rows.int(6)];
    const print = `${symbol}|${venue}|${source}|${day}|${chain}|${seq}`;
    out.push({
      ...{ key: `${tsMs}|${print}`, print, symbol, source, tsMs, day, chain, seq },
      ...{ price: rows.float(7), size: rows.int(8), edgeRecvMs: rows.ms(15) },
      ...{ stream: rows.int(16), capture: rows.int(17) },
    });
  }
  return out;
}

export function readBooks(chunks: readonly Uint8Array[]): BookRow[] {
  const rows = new Rows(chunks);
  const out: BookRow[] = [];
  while (rows.next(BOOK_FIELDS)) {
    out.push({
      ...{ source: rows.text(3), content: rows.span(0, 14), edgeRecvMs: rows.ms(15) },
      ...{ stream: rows.int(16), capture: rows.int(17) },
    });
  }
  return out;
}

/** Statuses are counted only. */
export function countStatuses(chunks: readonly Uint8Array[]): number {
  const rows = new Rows(chunks);
  let count = 0;
  while (rows.next(STATUS_FIELDS)) count++;
  return count;
}
