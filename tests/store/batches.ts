// Batches for the tests of the store.
import { randomUUID } from "node:crypto";
import { encodeBatch, encodeTombstone } from "../../app/shared/batch.ts";
import type { Origin } from "../../app/shared/origin.ts";
import type { Table } from "../../app/shared/table.ts";
import type { Book, LogRecord, NewsItem, Reject, Status, Trade } from "../../app/shared/tick.ts";

/** 2026-11-23 09:00:00 KST. */
export const OPEN_MS = Date.UTC(2026, 10, 23, 0, 0, 0);

export function trade(i: number, over: Partial<Trade> = {}): Trade {
  return {
    kind: "trade",
    symbol: i % 2 === 0 ? "005930" : "000660",
    venue: "KRX",
    exchangeMs: OPEN_MS + 1_000 * Math.floor(i / 10),
    day: 20261123,
    chain: 0,
    seq: 10 * (i + 1),
    price: 71_000 + 100 * (i % 7),
    size: 10,
    side: i % 3 === 0 ? 1 : -1,
    session: 2,
    ask: 71_100,
    bid: Number.NaN,
    sellCount: i,
    buyCount: -1,
    edgeRecvMs: OPEN_MS + 100 * i + 0.125,
    capture: i + 1,
    extra: i % 5 === 0 ? `field ${i}` : null,
    ...over,
  };
}

export function trades(count: number, from = 0): Trade[] {
  return Array.from({ length: count }, (_, i) => trade(from + i));
}

export function book(i: number, over: Partial<Book> = {}): Book {
  const level = (price: number, size: number) => [
    ...Array.from({ length: 10 }, (_, n) => price + n),
    ...Array.from({ length: 10 }, (_, n) => size + n),
  ];
  return {
    kind: "book",
    symbol: "005930",
    venue: "KRX",
    exchangeMs: OPEN_MS + 1_000 * i,
    day: 20261123,
    levels: Float64Array.from([...level(71_100, 100 + i), ...level(71_000, 200 + i)]),
    askTotal: 1_045,
    bidTotal: -1,
    expectedPrice: Number.NaN,
    expectedSize: 0,
    phase: "0",
    seq: 10 * i,
    edgeRecvMs: OPEN_MS + 100 * i,
    capture: i + 1,
    extra: null,
    ...over,
  };
}

export function status(i: number, over: Partial<Status> = {}): Status {
  return {
    kind: "status",
    symbol: "005930",
    venue: "KRX",
    exchangeMs: OPEN_MS + 1_000 * i,
    day: 20261123,
    what: "vi",
    code: "1",
    detail: JSON.stringify({ i }),
    edgeRecvMs: OPEN_MS + 100 * i,
    capture: i + 1,
    extra: null,
    ...over,
  };
}

export function reject(i: number): Reject {
  return {
    kind: "reject",
    code: "RECORD_WIDTH",
    reason: `46 fields expected, record ${i} has 12`,
    bytes: Buffer.from(`005930^${i}\0^`),
    edgeRecvMs: OPEN_MS + i,
    capture: i + 1,
  };
}

type Rows = Trade[] | Book[] | Status[] | Reject[] | NewsItem[] | LogRecord[];

/** A stream under construction: numbers its batches. */
export class TestStream {
  readonly id = randomUUID();
  readonly from: { edge: string; holder: string } = { edge: "edge-1", holder: randomUUID() };
  #number = 0;
  readonly #account: string;
  readonly #epoch: number;
  /** Of the batches to come. */
  origin: Origin = "live";

  constructor(account = "kis:1", epoch = 0, holder?: string) {
    this.#account = account;
    this.#epoch = epoch;
    if (holder) this.from.holder = holder;
  }

  next(rows: Rows, number = ++this.#number): Uint8Array {
    this.#number = number;
    const table = rows[0]!.kind === "reject" ? "quarantine" : rows[0]!.kind;
    return encodeBatch(this.#head(table, number), rows);
  }

  tombstone(count: number): Uint8Array {
    const span = { firstMs: OPEN_MS, lastMs: OPEN_MS + 1_000 };
    return encodeTombstone(this.#head("trade", ++this.#number), {
      count,
      ...span,
      reason: "outbox_full",
    });
  }

  #head(table: Exclude<Table, "frame">, number: number) {
    const { id: stream, origin } = this;
    return { table, stream, number, account: this.#account, epoch: this.#epoch, origin };
  }
}
