// An order book of many levels, kept from a snapshot and the differences that follow it.

/** Price and size as the log writes them. */
export type DepthRow = readonly [price: string, size: string];

/** The whole book after the update `lastUpdateId`. */
export interface DepthSnapshot {
  lastUpdateId: number;
  asks: readonly DepthRow[];
  bids: readonly DepthRow[];
}

/** Levels that changed with the updates `U` to `u`; a size of 0 takes the level away. */
export interface DepthDiff {
  U: number;
  u: number;
  /** `u` of the difference before; where it is not said, numbers have no holes. */
  pu?: number;
  a: readonly DepthRow[];
  b: readonly DepthRow[];
}

export class Depth {
  readonly asks = new DepthSide(1);
  readonly bids = new DepthSide(-1);
  /** Undefined until a snapshot, and after a hole in the numbers until the next. */
  #lastId: number | undefined;
  /** Came while there was no book: a snapshot is older than what arrives beside it. */
  #early: DepthDiff[] = [];

  restart({ lastUpdateId, asks, bids }: DepthSnapshot): void {
    this.#lastId = lastUpdateId;
    this.asks.restart(asks);
    this.bids.restart(bids);
    const early = this.#early;
    this.#early = [];
    for (const diff of early) this.apply(diff);
  }

  /** True when the book has changed with it; false when it is older than the book, or there is none. */
  apply(diff: DepthDiff): boolean {
    const before = diff.pu ?? diff.U - 1;
    if (this.#lastId === undefined || before > this.#lastId) {
      this.#lastId = undefined;
      this.#early.push(diff);
      return false;
    }
    if (diff.u <= this.#lastId) return false;
    this.#lastId = diff.u;
    this.asks.change(diff.a);
    this.bids.change(diff.b);
    return true;
  }
}

/** One side, best first. */
class DepthSide {
  readonly #sign: 1 | -1;
  #prices: number[] = [];
  #sizes: number[] = [];

  /** 1: the lowest price is the best; -1: the highest. */
  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  restart(rows: readonly DepthRow[]): void {
    this.#prices = [];
    this.#sizes = [];
    this.change(rows);
  }

  change(rows: readonly DepthRow[]): void {
    for (const [price, size] of rows) this.#set(Number(price), Number(size));
  }

  /** The best `count` levels; fewer when there are no more. */
  top(count: number): { price: number; size: number }[] {
    const prices = this.#prices.slice(0, count);
    return prices.map((price, i) => ({ price, size: this.#sizes[i]! }));
  }

  #set(price: number, size: number): void {
    const at = this.#placeOf(price);
    const isKnown = this.#prices[at] === price;
    if (size > 0 && isKnown) this.#sizes[at] = size;
    else if (size > 0) {
      this.#prices.splice(at, 0, price);
      this.#sizes.splice(at, 0, size);
    } else if (isKnown) {
      this.#prices.splice(at, 1);
      this.#sizes.splice(at, 1);
    }
  }

  /** Index of the first level that is not better than `price`. */
  #placeOf(price: number): number {
    let [low, high] = [0, this.#prices.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sign * (this.#prices[middle]! - price) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
