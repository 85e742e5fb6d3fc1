// One instrument's trading day: totals, extremes and a ten-level book. The generator and the tapes
// move it; what it hands out are finished events.
import { kst, newYork } from "../time.ts";
import type { Stamp } from "../time.ts";
import type { Instrument, Level, MarketBook, MarketTrade, Phase } from "./event.ts";
import type { Random } from "./random.ts";
import { index } from "./random.ts";
import { above, below } from "./tick-size.ts";

const DEPTH = 10;
/** Levels a call auction shows (kis.md §4.3). */
const AUCTION_DEPTH = 3;
const LEVEL_SIZE_MAX = 30_000;
/** The walk turns back before the daily limit of 30 %. */
const WANDER_MAX = 0.15;

/** What the day has summed up to. */
export interface Totals {
  cumVolume: number;
  cumValue: number;
  sellVolume: number;
  buyVolume: number;
  sellCount: number;
  buyCount: number;
}

export interface Print {
  marketMs: number;
  price: number;
  size: number;
  side: 1 | -1 | 0;
  /** Best quotes at the print where a recording has them. */
  ask?: number;
  bid?: number;
}

/** `ms` as the instrument's own exchange writes it. */
export function localStamp(instrument: Instrument, ms: number): Stamp {
  return instrument.market === "US" ? newYork(ms) : kst(ms);
}

export class Security {
  readonly instrument: Instrument;
  /** The trading day; empty before the first. */
  date = "";
  totals: Totals = {
    cumVolume: 0,
    cumValue: 0,
    sellVolume: 0,
    buyVolume: 0,
    sellCount: 0,
    buyCount: 0,
  };
  /** Best quotes. */
  ask: number;
  bid: number;
  viPrice = 0;
  #last: MarketTrade | undefined;
  readonly #random: Random;
  readonly #askSizes: number[];
  readonly #bidSizes: number[];

  constructor(instrument: Instrument, random: Random) {
    this.instrument = instrument;
    this.#random = random;
    this.bid = instrument.basePrice;
    this.ask = above(instrument.grid, this.bid);
    this.#askSizes = Array.from({ length: DEPTH }, () => this.#freshSize());
    this.#bidSizes = Array.from({ length: DEPTH }, () => this.#freshSize());
  }

  /** The latest print of this day. */
  get last(): MarketTrade | undefined {
    return this.#last;
  }

  /** A new trading day: nothing printed yet, totals start at `totals`. */
  startDay(date: string, totals: Totals): void {
    this.date = date;
    this.totals = totals;
    this.#last = undefined;
  }

  /** What an aggressive order meets: one side's best quote, after the quotes may have moved. */
  takeQuote(random: Random): { side: 1 | -1; price: number } {
    const { basePrice } = this.instrument;
    if (random() < 0.3) {
      const wander = (this.bid - basePrice) / basePrice / WANDER_MAX;
      this.move(random() * 2 - 1 > wander ? 1 : -1);
    }
    const side = random() < 0.5 ? 1 : -1;
    return { side, price: side === 1 ? this.ask : this.bid };
  }

  /** Both best quotes one tick up (1) or down (-1). */
  move(ticks: 1 | -1): void {
    const { grid } = this.instrument;
    if (ticks > 0) {
      this.bid = this.ask;
      this.ask = above(grid, this.ask);
      this.#askSizes.push(this.#freshSize());
      this.#askSizes.shift();
      this.#bidSizes.unshift(this.#freshSize());
      this.#bidSizes.pop();
    } else {
      this.ask = this.bid;
      this.bid = below(grid, this.bid);
      this.#bidSizes.push(this.#freshSize());
      this.#bidSizes.shift();
      this.#askSizes.unshift(this.#freshSize());
      this.#askSizes.pop();
    }
  }

  /** Executes: adds to the totals. An auction (side 0) adds no seller's or buyer's part. */
  print(print: Print): MarketTrade {
    const { marketMs, price, size, side } = print;
    const { totals, instrument } = this;
    totals.cumVolume += size;
    totals.cumValue += price * size;
    if (side === 1) {
      totals.buyVolume += size;
      totals.buyCount += 1;
    } else if (side === -1) {
      totals.sellVolume += size;
      totals.sellCount += 1;
    }
    const before = this.#last;
    const isHigh = before === undefined || price > before.high;
    const isLow = before === undefined || price < before.low;
    if (side === 0) this.viPrice = price;
    this.#last = {
      kind: "trade",
      instrument,
      marketMs,
      price,
      size,
      side,
      ask: print.ask ?? this.ask,
      bid: print.bid ?? this.bid,
      askSize: this.#askSizes[0]!,
      bidSize: this.#bidSizes[0]!,
      askTotal: sum(this.#askSizes),
      bidTotal: sum(this.#bidSizes),
      cumVolume: totals.cumVolume,
      cumValue: totals.cumValue,
      sellVolume: totals.sellVolume,
      buyVolume: totals.buyVolume,
      sellCount: totals.sellCount,
      buyCount: totals.buyCount,
      open: before?.open ?? price,
      high: isHigh ? price : before.high,
      low: isLow ? price : before.low,
      openMs: before?.openMs ?? marketMs,
      highMs: isHigh ? marketMs : before.highMs,
      lowMs: isLow ? marketMs : before.lowMs,
      viPrice: this.viPrice,
    };
    return this.#last;
  }

  /** The book as it stands after one or two sizes changed. */
  book(marketMs: number, phase: Phase): MarketBook {
    const { grid } = this.instrument;
    const depth = phase === "0" ? DEPTH : AUCTION_DEPTH;
    this.#askSizes[index(this.#random, depth)] = this.#freshSize();
    this.#bidSizes[index(this.#random, depth)] = this.#freshSize();
    const asks = ladder(this.ask, this.#askSizes, depth, (price) => above(grid, price));
    const bids = ladder(this.bid, this.#bidSizes, depth, (price) => below(grid, price));
    return {
      kind: "book",
      instrument: this.instrument,
      marketMs,
      phase,
      asks,
      bids,
      askTotal: sum(asks.map((level) => level.size)),
      bidTotal: sum(bids.map((level) => level.size)),
      expectedPrice: phase === "0" ? 0 : this.ask,
      expectedSize: phase === "0" ? 0 : this.#askSizes[0]!,
      cumVolume: this.totals.cumVolume,
    };
  }

  /** A recorded book; its best prices are the quotes of the prints that follow. */
  show(marketMs: number, asks: readonly Level[], bids: readonly Level[]): MarketBook {
    this.ask = asks[0]!.price;
    this.bid = bids[0]!.price;
    return {
      kind: "book",
      instrument: this.instrument,
      marketMs,
      phase: "0",
      asks,
      bids,
      askTotal: sum(asks.map((level) => level.size)),
      bidTotal: sum(bids.map((level) => level.size)),
      expectedPrice: 0,
      expectedSize: 0,
      cumVolume: this.totals.cumVolume,
    };
  }

  #freshSize(): number {
    return 1 + Math.floor(this.#random() ** 3 * LEVEL_SIZE_MAX);
  }
}

function ladder(
  best: number,
  sizes: readonly number[],
  depth: number,
  next: (price: number) => number,
): Level[] {
  let price = best;
  return sizes.map((size, i) => {
    if (i >= depth) return { price: 0, size: 0 };
    if (i > 0) price = next(price);
    return { price, size };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
