// The simulator's own account of what it sent: the answer key of every end-to-end test.

export type RecordKind = "trade" | "book" | "status" | "garbage";

/** Sums over one account since the start. */
export interface Tally {
  trades: number;
  books: number;
  statuses: number;
  /** Frames that cannot be read; each also counts one record. */
  garbage: number;
  /** trades + books + statuses + garbage. */
  records: number;
  /** Websocket messages that carried them. */
  frames: number;
}

const FIELD = {
  trade: "trades",
  book: "books",
  status: "statuses",
  garbage: "garbage",
} as const satisfies Record<RecordKind, keyof Tally>;

export function newTally(): Tally {
  return { trades: 0, books: 0, statuses: 0, garbage: 0, records: 0, frames: 0 };
}

/** One frame with these records was handed to an open socket. */
export function countFrame(tally: Tally, records: readonly RecordKind[]): void {
  for (const kind of records) tally[FIELD[kind]] += 1;
  tally.records += records.length;
  tally.frames += 1;
}

/** Both brokers together. */
export interface Counts {
  /** By app key. */
  kis: Record<string, Tally>;
  kiwoom: Record<string, Tally>;
  records: number;
  openSockets: { kis: number; kiwoom: number };
  /** How many times a second socket claimed an account that had one open. */
  doubleSockets: number;
  /** How many times an older session was thrown out by a newer one. */
  evictions: number;
}
