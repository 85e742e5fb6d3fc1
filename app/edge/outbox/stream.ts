// A stream on the edge's side: what waits for its first send, and what was sent and waits for the hub's
// verdict. An entry moves one way only:
//   rows --(packed)--> packed --(numbered)--> sent --(verdict)--> gone
//     \------(trimmed under overload)---> lost --(numbered)--> sent --(verdict)--> gone
// Promise: what has a number keeps it, with the same bytes, until the hub's verdict.
import type { LogRecord, NewsItem, Reject, Tick } from "../../shared/tick.ts";

export type Row = Tick | Reject | NewsItem | LogRecord;

/** One batch to be. A batch never mixes lease epochs. */
export interface Entry {
  epoch: number;
  /** Monotonic time of its first row. */
  sinceMs: number;
  /** Span of the rows' `edgeRecvMs`. */
  firstMs: number;
  lastMs: number;
  /** Rows it holds, or that were given up. */
  count: number;
  /** What it takes of the outbox; an estimate until it is packed. */
  bytes: number;
  content:
    | { kind: "rows"; rows: Row[] }
    | { kind: "packed"; packed: Uint8Array }
    | { kind: "lost"; reason: string };
}

export interface SentEntry {
  entry: Entry;
  number: number;
  packed: Uint8Array;
}

export class OutStream {
  readonly id: string;
  readonly waiting: Entry[] = [];
  /** By number, ascending. */
  readonly #sent: SentEntry[] = [];
  /** How many of `#sent` are on the present link; the rest have to be sent again. */
  #inFlight = 0;
  #lastNumber = 0;

  constructor(id: string) {
    this.id = id;
  }

  get sent(): readonly SentEntry[] {
    return this.#sent;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isEmpty(): boolean {
    return this.#sent.length === 0 && this.waiting.length === 0;
  }

  /** True when something numbered has to go before anything new. */
  get mustResend(): boolean {
    return this.#inFlight < this.#sent.length;
  }

  resend(): SentEntry {
    return this.#sent[this.#inFlight++]!;
  }

  /** Gives the first waiting entry its number. `pack` makes the bytes for it. */
  sendFirst(pack: (entry: Entry, number: number) => Uint8Array): SentEntry {
    const entry = this.waiting.shift()!;
    const number = ++this.#lastNumber;
    const sent = { entry, number, packed: pack(entry, number) };
    this.#sent.push(sent);
    this.#inFlight++;
    return sent;
  }

  find(number: number): SentEntry | undefined {
    return this.#sent.find((sent) => sent.number === number);
  }

  remove(sent: SentEntry): void {
    const at = this.#sent.indexOf(sent);
    this.#sent.splice(at, 1);
    if (at < this.#inFlight) this.#inFlight--;
  }

  /** The link is gone: what was on it goes again. */
  rewind(): void {
    this.#inFlight = 0;
  }
}

type Span = Pick<Entry, "firstMs" | "lastMs">;

export function spanOf(row: Row): Span {
  return { firstMs: row.edgeRecvMs, lastMs: row.edgeRecvMs };
}

export function widen(entry: Span, by: Span): void {
  if (by.firstMs < entry.firstMs) entry.firstMs = by.firstMs;
  if (by.lastMs > entry.lastMs) entry.lastMs = by.lastMs;
}

/** Rows that travel in it: none in a tombstone. */
export function rowsOf(entry: Entry): number {
  return entry.content.kind === "lost" ? 0 : entry.count;
}
