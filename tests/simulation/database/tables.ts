// The tables of the model database as far as ingest and leases need them (migrations/0001, 0002), and a
// transaction's own view of them: what it wrote is its alone until it commits.
import type { BookRow, TradeRow } from "./copied.ts";
import type { Locker } from "./locks.ts";

export interface Lease {
  account: string;
  mode: "exclusive" | "failover";
  epoch: number;
  holder: string | null;
  edge: string | null;
  grantedMs: number | null;
  seenMs: number | null;
  releasedMs: number | null;
  quietMs: number;
  killGraceMs: number;
  ttlMs: number;
  planEpoch: number;
  assignedEpoch: number;
}

export interface LeaseEpoch {
  epoch: number;
  holder: string;
  edge: string;
  grantedMs: number;
  endedMs: number | null;
}

export interface Placement {
  sites: readonly string[];
  ttlMs: number;
}

export interface Stream {
  id: string;
  no: number;
  account: string;
  table: number;
  edge: string;
  holder: string;
  last: number;
  lastCrc: number | null;
  received: number;
  committed: number;
  duplicate: number;
  quarantined: number;
  lost: number;
}

/** One row of `ingest_batch`. */
export interface BatchRow {
  stream: number;
  number: number;
  crc: number;
  rows: number;
  committed: number;
  duplicate: number;
  quarantined: number;
  lost: number;
}

export interface QuarantineRow {
  source: string;
  code: string;
  stream: number;
  capture: number;
}

export interface Registered {
  venue: string;
  symbol: string;
  channel: "trade" | "book" | "status";
}

/** What a savepoint remembers. */
interface Saved {
  trades: Map<string, TradeRow>;
  books: number;
  statuses: number;
  quarantine: number;
  incoming: number;
}

export class Transaction implements Locker {
  readonly id: number;
  readonly held = new Set<string>();
  granted: () => void = () => undefined;
  readonly leases = new Map<string, Lease>();
  readonly epochs = new Map<string, LeaseEpoch[]>();
  readonly streams = new Map<string, Stream>();
  readonly batches: BatchRow[] = [];
  trades = new Map<string, TradeRow>();
  readonly books: BookRow[] = [];
  statuses = 0;
  readonly quarantine: QuarantineRow[] = [];
  /** pg_temp.incoming_trade; null = not made. */
  incoming: TradeRow[] | null = null;
  #saved: Saved | null = null;

  constructor(id: number) {
    this.id = id;
  }

  get hasSavepoint(): boolean {
    return this.#saved !== null;
  }

  save(): void {
    this.#saved = {
      trades: new Map(this.trades),
      books: this.books.length,
      statuses: this.statuses,
      quarantine: this.quarantine.length,
      incoming: this.incoming?.length ?? 0,
    };
  }

  /** Back to the savepoint, which stays. */
  restore(): void {
    const saved = this.#saved;
    if (!saved) return;
    this.trades = new Map(saved.trades);
    this.books.length = saved.books;
    this.statuses = saved.statuses;
    this.quarantine.length = saved.quarantine;
    if (this.incoming) this.incoming.length = saved.incoming;
  }
}

/** Committed rows. */
export class Tables {
  readonly leases = new Map<string, Lease>();
  readonly epochs = new Map<string, LeaseEpoch[]>();
  readonly placements = new Map<string, Placement>();
  readonly assignments = new Map<string, Registered[]>();
  hubStartMs = -Infinity;
  readonly streams = new Map<string, Stream>();
  readonly streamOf = new Map<number, Stream>();
  /** By the stream's number, in the order of commit. */
  readonly batches = new Map<number, BatchRow[]>();
  readonly trades = new Map<string, TradeRow>();
  readonly books: BookRow[] = [];
  statuses = 0;
  readonly quarantine: QuarantineRow[] = [];
  /** Latest trade by source and symbol. */
  readonly latest = new Map<string, TradeRow>();

  apply(tx: Transaction): void {
    for (const [account, lease] of tx.leases) this.leases.set(account, lease);
    for (const [account, epochs] of tx.epochs) this.epochs.set(account, epochs);
    for (const [id, stream] of tx.streams) {
      this.streams.set(id, stream);
      this.streamOf.set(stream.no, stream);
    }
    for (const batch of tx.batches) {
      const batches = this.batches.get(batch.stream);
      if (batches) batches.push(batch);
      else this.batches.set(batch.stream, [batch]);
    }
    for (const [key, row] of tx.trades) {
      this.trades.set(key, row);
      const name = `${row.source}|${row.symbol}`;
      const before = this.latest.get(name);
      if (!before || isLater(row, before)) this.latest.set(name, row);
    }
    for (const book of tx.books) this.books.push(book);
    for (const reject of tx.quarantine) this.quarantine.push(reject);
    this.statuses += tx.statuses;
  }
}

function isLater(a: TradeRow, b: TradeRow): boolean {
  if (a.tsMs !== b.tsMs) return a.tsMs > b.tsMs;
  if (a.day !== b.day) return a.day > b.day;
  return a.chain === b.chain ? a.seq > b.seq : a.chain > b.chain;
}
