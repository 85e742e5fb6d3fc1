// What a broker's REST tells later of the trades of a day: the words both brokers' clients share. A listing
// goes from new to old, page after page; it promises to say where trades may be missing from it (`isCut`)
// and whether it went down to the day's first (`isWhole`), because what it does not show is evidence too.
import type { Side, Venue } from "../../shared/tick.ts";

/** A trade as REST tells it: no counts, no session, often no side. */
export interface PastTrade {
  /** Whole seconds. */
  exchangeMs: number;
  /** Cumulative volume after it. */
  seq: number;
  size: number;
  price: number;
  side: Side;
  ask: number;
  bid: number;
}

/** A row of a listing, older than the row before it. */
export interface Listed {
  trade: PastTrade;
  /** Right before this trade the listing may have left some out. */
  isCut: boolean;
}

/** Which part of a symbol's day is wanted. */
export interface Wanted {
  venue: Venue;
  symbol: string;
  /** Trading day, YYYYMMDD. */
  day: number;
  /** Trades after this second are not wanted; null: up to the newest. */
  untilMs: number | null;
  /** Trades before this second are not wanted; null: down to the first. */
  fromMs: number | null;
  /** A trade at or below this cumulative volume ends the listing; null: none does. */
  seqFrom: number | null;
}

/** What was found out. */
export interface Past {
  /** Oldest first. */
  listed: readonly Listed[];
  /** It goes down to the first trade of the day. */
  isWhole: boolean;
  requests: number;
}

export interface History {
  /**
   * Lists what the broker shows of `wanted`; null where it has no such listing. Ends early, with what it
   * has, once `isOver` (told how many trades there are). Throws FEED_AUTH, FEED_ADDRESS_REFUSED, FEED_UNREACHABLE,
   * FEED_RATE_LIMITED.
   */
  past(wanted: Wanted, isOver: (trades: number) => boolean): Promise<Past | null>;
}

/** A row that could not be read stands for trades that the listing does not show. */
export type Row = PastTrade | undefined;

/** A listing under way: takes pages, newest first, and drops what they repeat of each other. */
export class Listing {
  readonly #wanted: Wanted;
  /** Newest first. */
  readonly #listed: Listed[] = [];
  readonly #seen = new Set<string>();

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  get size(): number {
    return this.#listed.length;
  }

  /** Takes a page; how many of its rows are new. */
  add(page: readonly Row[]): number {
    let news = 0;
    for (const trade of page) {
      if (!trade) {
        this.cut();
        continue;
      }
      const key = `${trade.exchangeMs} ${trade.seq}`;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      news++;
      if (!this.#isTooNew(trade)) this.#listed.push({ trade, isCut: false });
    }
    return news;
  }

  /** Older than the oldest trade so far there may be some that the broker does not show. */
  cut(): void {
    const oldest = this.#listed.at(-1);
    if (oldest) oldest.isCut = true;
  }

  /** Nothing older is wanted. */
  get isDeepEnough(): boolean {
    const oldest = this.#listed.at(-1)?.trade;
    const { fromMs, seqFrom } = this.#wanted;
    if (!oldest) return false;
    return (
      (seqFrom !== null && oldest.seq <= seqFrom) || (fromMs !== null && oldest.exchangeMs < fromMs)
    );
  }

  #isTooNew({ exchangeMs }: PastTrade): boolean {
    return this.#wanted.untilMs !== null && exchangeMs > this.#wanted.untilMs;
  }

  past(isWhole: boolean, requests: number): Past {
    return { listed: this.#listed.toReversed(), isWhole, requests };
  }
}

/** A number of a reply, without the sign that tells its direction; NaN when it is none. */
export function amountIn(value: unknown): number {
  const text = typeof value === "string" ? value.trim() : "";
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Math.abs(Number(text)) : Number.NaN;
}

/** As {@link amountIn}, of shares: whole, or NaN. */
export function sharesIn(value: unknown): number {
  const amount = amountIn(value);
  return Number.isSafeInteger(amount) ? amount : Number.NaN;
}

/** HHMMSS as a number; NaN when it is none. */
export function timeIn(value: unknown): number {
  return typeof value === "string" && /^\d{6}$/.test(value) ? Number(value) : Number.NaN;
}

/** A page of a reply, newest first. A row without a size is no trade. */
export function pageOf(list: unknown, read: (row: Record<string, unknown>) => PastTrade): Row[] {
  if (!Array.isArray(list)) return [];
  const rows = list.map((row) => read({ ...(row as object) }));
  return rows.filter(({ size }) => size !== 0).map((row) => (isReadable(row) ? row : undefined));
}

function isReadable({ exchangeMs, seq, size, price }: PastTrade): boolean {
  return size > 0 && price > 0 && seq >= size && !Number.isNaN(exchangeMs);
}
