// What the page shows between two looks at the database: the last trade of each symbol and each edge's
// last status. Filled beside the ingest path as batches are committed; no SQL, bounded, forgotten at a
// restart.
import type { TradeColumns } from "../../shared/batch.ts";
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import type { Side } from "../../shared/tick.ts";

/** The last trade of one symbol from one source. */
export interface LastTrade {
  source: string;
  venue: string;
  symbol: string;
  price: number;
  size: number;
  side: Side;
  /** The broker's cumulative volume. */
  seq: number;
  exchangeMs: number;
  edgeRecvMs: number;
}

/** An edge's last status and when it was heard, on the hub's wall clock. */
export interface SeenStatus {
  status: EdgeStatus;
  seenMs: number;
}

export interface LiveLimits {
  symbolsMax: number;
  edgesMax: number;
}

const LIMITS: LiveLimits = { symbolsMax: 10_000, edgesMax: 100 };

export class LiveView {
  readonly #limits: LiveLimits;
  /** In the order of the last change, so that what changed since a moment is a tail. */
  readonly #trades = new Map<string, LastTrade & { version: number }>();
  readonly #statuses = new Map<string, SeenStatus>();
  #version = 0;

  constructor(limits: Partial<LiveLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Takes the trades of a committed batch, in their order. */
  trades(source: string, columns: TradeColumns): void {
    const last = new Map<string, number>();
    for (let row = 0; row < columns.rows; row++) {
      const venue = columns.venues[columns.venue[row]!]!;
      const symbol = columns.symbols[columns.symbol[row]!]!;
      last.set(`${source}/${venue}/${symbol}`, row);
    }
    for (const [key, row] of last) this.#keep(key, source, columns, row);
  }

  #keep(key: string, source: string, columns: TradeColumns, row: number): void {
    const edgeRecvMs = columns.edgeRecvMs[row]!;
    const known = this.#trades.get(key);
    // A backlog drains beside fresh trades; it does not turn the page back.
    if (known && known.edgeRecvMs > edgeRecvMs) return;
    this.#trades.delete(key);
    if (this.#trades.size >= this.#limits.symbolsMax) {
      this.#trades.delete(this.#trades.keys().next().value ?? "");
    }
    this.#trades.set(key, {
      source,
      venue: columns.venues[columns.venue[row]!]!,
      symbol: columns.symbols[columns.symbol[row]!]!,
      price: columns.price[row]!,
      size: columns.size[row]!,
      side: columns.side[row]! as Side,
      seq: columns.seq[row]!,
      exchangeMs: columns.exchangeMs[row]!,
      edgeRecvMs,
      version: ++this.#version,
    });
  }

  /** Trades that changed after `version` (0: all), and the version to ask with next time. */
  changedSince(version: number): { version: number; trades: LastTrade[] } {
    const trades = [...this.#trades.values()].filter((trade) => trade.version > version);
    return { version: this.#version, trades };
  }

  /** An edge told how it does. */
  status(edge: string, status: EdgeStatus, nowMs: number): void {
    this.#statuses.delete(edge);
    if (this.#statuses.size >= this.#limits.edgesMax) {
      this.#statuses.delete(this.#statuses.keys().next().value ?? "");
    }
    this.#statuses.set(edge, { status, seenMs: nowMs });
  }

  statuses(): ReadonlyMap<string, SeenStatus> {
    return this.#statuses;
  }
}
