// Who watches one place, and what they have not seen of it yet. Filled beside the ingest path; bounded: of trades
// that nobody takes, the newest stay. Promises: a trade is shown once and in its order, so that one that comes
// again, or late out of a backlog, does not turn a page back.
import type { Book } from "../../shared/tick.ts";
import { BOOK_DEPTH } from "../../shared/tick.ts";
import type { Ladder, Place, TradeLine, Watch } from "../../shared/web-api.ts";

/** The last book of a place, as it came. */
export type LastBook = Pick<Book, "exchangeMs" | "edgeRecvMs" | "levels" | "expectedPrice">;

/** Where a trade stands in its place's order. */
export interface TradePosition {
  day: number;
  chain: number;
}
export type PlacedTrade = TradeLine & TradePosition;

const TRADES_MAX = 200;

export class Watcher {
  readonly place: Place;
  readonly #close: () => void;
  #trades: TradeLine[] = [];
  #book: LastBook | null;
  #isChanged = true;
  #last: PlacedTrade | null = null;

  /** `book` is the one to begin with. */
  constructor(place: Place, book: LastBook | null, close: () => void) {
    this.place = place;
    this.#book = book;
    this.#close = close;
  }

  /** Forgets it. */
  close(): void {
    this.#close();
  }

  trade(trade: PlacedTrade): void {
    if (this.#last && !isAfter(trade, this.#last)) return;
    this.#last = trade;
    const { exchangeMs, price, size, side, seq, origin } = trade;
    this.#trades.push({ exchangeMs, price, size, side, seq, origin });
    if (this.#trades.length > TRADES_MAX) this.#trades.shift();
    this.#isChanged = true;
  }

  book(book: LastBook): void {
    if (this.#book && this.#book.edgeRecvMs >= book.edgeRecvMs) return;
    this.#book = book;
    this.#isChanged = true;
  }

  /** What changed since the last time; null: nothing. */
  take(): Watch | null {
    if (!this.#isChanged) return null;
    this.#isChanged = false;
    const trades = this.#trades;
    this.#trades = [];
    return { ladder: this.#book && ladderOf(this.#book), trades };
  }
}

export class Watches {
  readonly #byKey = new Map<string, Set<Watcher>>();

  open(place: Place, book: LastBook | null): Watcher {
    const key = keyOf(place.source, place.venue, place.symbol);
    const own = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, own);
    const watcher = new Watcher(place, book, () => {
      own.delete(watcher);
      if (own.size === 0 && this.#byKey.get(key) === own) this.#byKey.delete(key);
    });
    own.add(watcher);
    return watcher;
  }

  /** Places that somebody watches. */
  places(): Place[] {
    return [...this.#byKey.values()].flatMap((own) => [...own].slice(0, 1).map((one) => one.place));
  }

  of(key: string): Iterable<Watcher> {
    return this.#byKey.get(key) ?? [];
  }

  isEmpty(): boolean {
    return this.#byKey.size === 0;
  }
}

export function keyOf(source: string, venue: string, symbol: string): string {
  return `${source}/${venue}/${symbol}`;
}

/** Best first; levels that do not exist are left out. */
export function ladderOf({ exchangeMs, edgeRecvMs, levels, expectedPrice }: LastBook): Ladder {
  const side = (at: number) =>
    Array.from({ length: BOOK_DEPTH }, (_, level) => ({
      price: levels[at + level]!,
      size: levels[at + BOOK_DEPTH + level]!,
    })).filter(({ price }) => price > 0);
  return {
    ...{ exchangeMs, edgeRecvMs, asks: side(0), bids: side(2 * BOOK_DEPTH) },
    expectedPrice: expectedPrice > 0 ? expectedPrice : null,
  };
}

function isAfter(one: PlacedTrade, other: PlacedTrade): boolean {
  if (one.day !== other.day) return one.day > other.day;
  if (one.chain !== other.chain) return one.chain > other.chain;
  return one.seq > other.seq;
}
