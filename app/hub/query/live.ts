// What the page shows between two looks at the database: the last trade and the last book of each symbol, each
// edge's last status, and what watchers of a place have not seen yet. Filled beside the ingest path as batches are
// committed, from the columns that were decoded to be stored; no SQL, bounded, forgotten at a restart.
import type { Batch, BookColumns, StampedColumns, TradeColumns } from "../../shared/batch.ts";
import type { EdgeStatus } from "../../shared/gateway-protocol.ts";
import type { Origin } from "../../shared/origin.ts";
import type { Side } from "../../shared/tick.ts";
import { BOOK_DEPTH } from "../../shared/tick.ts";
import type { Place } from "../../shared/web-api.ts";
import type { LastBook, PlacedTrade, Watcher } from "./watcher.ts";
import { keyOf, Watches } from "./watcher.ts";

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
const CELLS = 4 * BOOK_DEPTH;

export class LiveView {
  readonly #limits: LiveLimits;
  /** In the order of the last change, so that what changed since a moment is a tail. */
  readonly #trades = new Map<string, LastTrade & { version: number }>();
  /** In the order of the last change. */
  readonly #books = new Map<string, LastBook>();
  readonly #statuses = new Map<string, SeenStatus>();
  readonly #watches = new Watches();
  #version = 0;

  constructor(limits: Partial<LiveLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Takes a committed batch. */
  stored(batch: Batch): void {
    const { account, origin } = batch.header;
    if (batch.kind === "trade") this.trades(account, batch.columns, origin);
    if (batch.kind === "book") this.books(account, batch.columns);
  }

  /** Takes the trades of a committed batch, in their order. */
  trades(source: string, columns: TradeColumns, origin: Origin = "live"): void {
    for (const row of lastRows(columns)) {
      this.#keep(placeKey(source, columns, row), source, columns, row);
    }
    if (this.#watches.isEmpty()) return;
    for (let row = 0; row < columns.rows; row++) {
      for (const watcher of this.#watches.of(placeKey(source, columns, row))) {
        watcher.trade(placedTrade(columns, row, origin));
      }
    }
  }

  /** Takes the books of a committed batch, in their order. */
  books(source: string, columns: BookColumns): void {
    for (const row of lastRows(columns)) {
      const key = placeKey(source, columns, row);
      const edgeRecvMs = columns.edgeRecvMs[row]!;
      if ((this.#books.get(key)?.edgeRecvMs ?? -Infinity) > edgeRecvMs) continue;
      const book: LastBook = {
        ...{ edgeRecvMs, exchangeMs: columns.exchangeMs[row]! },
        // Its own copy: a view would keep the whole batch in memory.
        levels: columns.levels.slice(CELLS * row, CELLS * (row + 1)),
        expectedPrice: columns.expectedPrice[row]!,
      };
      keepLast(this.#books, key, book, this.#limits.symbolsMax);
      for (const watcher of this.#watches.of(key)) watcher.book(book);
    }
  }

  /** Somebody watches a place, from its last book on; to be closed. */
  watch(place: Place): Watcher {
    const key = keyOf(place.source, place.venue, place.symbol);
    return this.#watches.open(place, this.#books.get(key) ?? null);
  }

  /** Places that somebody watches. */
  watched(): Place[] {
    return this.#watches.places();
  }

  /** What was stored of a watched place past this process. */
  arrived({ source, venue, symbol }: Place, trades: readonly PlacedTrade[], book: LastBook | null) {
    for (const watcher of this.#watches.of(keyOf(source, venue, symbol))) {
      for (const trade of trades) watcher.trade(trade);
      if (book) watcher.book(book);
    }
  }

  #keep(key: string, source: string, columns: TradeColumns, row: number): void {
    const edgeRecvMs = columns.edgeRecvMs[row]!;
    const known = this.#trades.get(key);
    // A backlog drains beside fresh trades; it does not turn the page back.
    if (known && known.edgeRecvMs > edgeRecvMs) return;
    const trade = {
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
    };
    keepLast(this.#trades, key, trade, this.#limits.symbolsMax);
  }

  /** Trades that changed after `version` (0: all), and the version to ask with next time. */
  changedSince(version: number): { version: number; trades: LastTrade[] } {
    const trades = [...this.#trades.values()].filter((trade) => trade.version > version);
    return { version: this.#version, trades };
  }

  /** An edge told how it does. */
  status(edge: string, status: EdgeStatus, nowMs: number): void {
    keepLast(this.#statuses, edge, { status, seenMs: nowMs }, this.#limits.edgesMax);
  }

  statuses(): ReadonlyMap<string, SeenStatus> {
    return this.#statuses;
  }
}

/** Sets it as the newest; beyond `sizeMax` the one unchanged longest goes. */
function keepLast<T>(map: Map<string, T>, key: string, value: T, sizeMax: number): void {
  map.delete(key);
  if (map.size >= sizeMax) map.delete(map.keys().next().value ?? "");
  map.set(key, value);
}

/** The last row of each place, in the order of the rows. */
function lastRows({ rows, venue, symbol, symbols }: StampedColumns): number[] {
  const last = new Map<number, number>();
  for (let row = 0; row < rows; row++) last.set(venue[row]! * symbols.length + symbol[row]!, row);
  return [...last.values()].sort((one, other) => one - other);
}

function placeKey(source: string, { venue, venues, symbol, symbols }: StampedColumns, row: number) {
  return keyOf(source, venues[venue[row]!]!, symbols[symbol[row]!]!);
}

function placedTrade(columns: TradeColumns, row: number, origin: Origin): PlacedTrade {
  return {
    exchangeMs: columns.exchangeMs[row]!,
    price: columns.price[row]!,
    size: columns.size[row]!,
    side: columns.side[row]!,
    seq: columns.seq[row]!,
    origin,
    day: columns.day[row]!,
    chain: columns.chain[row]!,
  };
}
