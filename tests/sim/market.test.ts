import { describe, expect, test } from "vitest";
import type { MarketBook, MarketEvent, MarketTrade } from "../../app/sim/market/event.ts";
import { generateMarket } from "../../app/sim/market/generator.ts";
import type { GeneratorOptions } from "../../app/sim/market/generator.ts";
import { History } from "../../app/sim/market/history.ts";
import { above, below, tickSize } from "../../app/sim/market/tick-size.ts";
import { kst, newYork, newYorkMidnightMs } from "../../app/sim/time.ts";

const TEN_KST = Date.UTC(2026, 8, 22, 1);
const OPTIONS: GeneratorOptions = {
  ...{ seed: 1, ratePerSecond: 150, symbols: 20, us: true, openingMs: 3000 },
};

/** What the market plays in `durationMs`. */
function play(options: Partial<GeneratorOptions>, durationMs: number, startMs = TEN_KST) {
  const market = generateMarket({ ...OPTIONS, ...options });
  const events: MarketEvent[] = [];
  for (const event of market.play(startMs)) {
    if (event.marketMs > startMs + durationMs) break;
    events.push(event);
  }
  return { market, events };
}

function tradesBySymbol(events: readonly MarketEvent[]): Map<string, MarketTrade[]> {
  const trades = events.filter((event) => event.kind === "trade");
  return Map.groupBy(trades, (trade) => trade.instrument.code);
}

function booksOf(events: readonly MarketEvent[], phase: string): MarketBook[] {
  return events.filter((event) => event.kind === "book").filter((book) => book.phase === phase);
}

describe("the price grid", () => {
  test.each([
    ["stock", 1999, 2000, 2005],
    ["stock", 4995, 5000, 5010],
    ["stock", 19_990, 20_000, 20_050],
    ["stock", 49_950, 50_000, 50_100],
    ["stock", 199_900, 200_000, 200_500],
    ["stock", 499_500, 500_000, 501_000],
    ["etf", 1999, 2000, 2005],
    ["etf", 49_995, 50_000, 50_005],
    ["usd", 9.99, 10, 10.01],
  ] as const)("%s: %d, %d, %d are neighbours", (grid, low, middle, high) => {
    expect(below(grid, middle)).toBe(low);
    expect(above(grid, middle)).toBe(high);
    expect(above(grid, low)).toBe(middle);
  });

  test("a price does not fall to zero", () => {
    expect(below("stock", 1)).toBe(1);
    expect(tickSize("usd", 0.5)).toBe(0.01);
  });
});

test("the same seed plays the same market, another seed another", () => {
  const first = play({}, 20_000).events;
  expect(play({}, 20_000).events).toEqual(first);
  expect(play({ seed: 2 }, 20_000).events).not.toEqual(first);
});

test("events come in order of time, at about the rate asked for", () => {
  const { events } = play({}, 60_000);
  for (let i = 1; i < events.length; i++) {
    expect(events[i]!.marketMs).toBeGreaterThanOrEqual(events[i - 1]!.marketMs);
  }
  const perSecond = events.filter((event) => event.kind !== "status").length / 60;
  expect(perSecond).toBeGreaterThan(120);
  expect(perSecond).toBeLessThan(180);
});

test("every trade moves volume, value and one of the two counts by exactly itself", () => {
  const { events } = play({}, 60_000);
  for (const trades of tradesBySymbol(events).values()) {
    expect(trades.length).toBeGreaterThan(20);
    for (let i = 1; i < trades.length; i++) {
      const [before, trade] = [trades[i - 1]!, trades[i]!];
      expect(trade.cumVolume - trade.size).toBe(before.cumVolume);
      expect(trade.buyCount - before.buyCount).toBe(trade.side === 1 ? 1 : 0);
      expect(trade.sellCount - before.sellCount).toBe(trade.side === -1 ? 1 : 0);
      expect(trade.buyVolume - before.buyVolume).toBe(trade.side === 1 ? trade.size : 0);
      expect(trade.sellVolume - before.sellVolume).toBe(trade.side === -1 ? trade.size : 0);
      expect(trade.cumValue - before.cumValue).toBeCloseTo(trade.price * trade.size, 2);
    }
  }
});

test.each([
  { ratePerSecond: 150, symbols: 20, us: true },
  { ratePerSecond: 20_000, symbols: 1, us: false },
])("a run later the same day starts above every earlier run's sums: %o", (load) => {
  const options = { ...load, openingMs: 0 };
  const first = tradesBySymbol(play(options, 10_000).events);
  const second = tradesBySymbol(play(options, 5000, TEN_KST + 11_000).events);
  for (const [code, trades] of second) {
    const last = first.get(code)!.at(-1)!;
    expect(trades[0]!.cumVolume - trades[0]!.size).toBeGreaterThan(last.cumVolume);
    expect(trades[0]!.sellCount).toBeGreaterThanOrEqual(last.sellCount);
    expect(trades[0]!.buyCount).toBeGreaterThanOrEqual(last.buyCount);
  }
});

test("a run across midnight begins the new day at zero", () => {
  const { events } = play({ us: false, openingMs: 0 }, 10_000, Date.UTC(2026, 8, 22, 14, 59, 55));
  for (const trades of tradesBySymbol(events).values()) {
    const days = [...Map.groupBy(trades, (trade) => kst(trade.marketMs).date).values()];
    expect(days).toHaveLength(2);
    expect(days[1]![0]!.cumVolume).toBeLessThan(6 * 10_000);
  }
});

test("it opens with an auction: three-level books, then one unsigned print a symbol", () => {
  const { market, events } = play({}, 10_000);
  const openMs = TEN_KST + OPTIONS.openingMs;
  const before = events.filter((event) => event.marketMs < openMs);
  expect(before.some((event) => event.kind === "trade")).toBe(false);
  for (const book of booksOf(before, "B")) {
    expect(book.asks.filter((level) => level.price > 0)).toHaveLength(3);
    expect(book.expectedPrice).toBeGreaterThan(0);
  }
  const trades = tradesBySymbol(events);
  for (const { code, market: where } of market.instruments) {
    if (where === "KRX") expect(trades.get(code)![0]!.side).toBe(0);
  }
});

test("within 12 s one symbol has a VI and another a halt, and neither trades meanwhile", () => {
  const { events } = play({ ratePerSecond: 1000 }, 12_000);
  for (const what of ["vi", "halt"] as const) {
    const [on, off] = events.filter((event) => event.kind === "status" && event.what === what);
    if (on?.kind !== "status" || on.what !== what) throw new Error(`no ${what}`);
    const { code } = on.instrument;
    const trades = tradesBySymbol(events).get(code)!;
    const between = trades.filter(
      (trade) => trade.marketMs > on.marketMs && trade.marketMs < off!.marketMs,
    );
    expect(between).toEqual([]);
    expect(trades.some((trade) => trade.marketMs > off!.marketMs)).toBe(true);
    const books = booksOf(events, "C").filter((book) => book.instrument.code === code);
    expect(books.length > 0).toBe(what === "vi");
  }
});

test("books are ten levels on the grid, best first, and their totals are their sums", () => {
  const { events } = play({}, 20_000);
  for (const { asks, bids, askTotal, bidTotal, instrument } of booksOf(events, "0")) {
    for (let i = 1; i < 10; i++) {
      expect(asks[i]!.price).toBe(above(instrument.grid, asks[i - 1]!.price));
      expect(bids[i]!.price).toBe(below(instrument.grid, bids[i - 1]!.price));
    }
    expect(asks[0]!.price).toBeGreaterThan(bids[0]!.price);
    expect(askTotal).toBe(asks.reduce((sum, level) => sum + level.size, 0));
    expect(bidTotal).toBe(bids.reduce((sum, level) => sum + level.size, 0));
  }
});

test("closing plays an auction: books in phase A, then one unsigned print a symbol", () => {
  const { market } = play({ us: false }, 20_000);
  const closing = market.closing(TEN_KST + 20_000);
  expect(booksOf(closing, "A")).toHaveLength(20);
  const prints = [...tradesBySymbol(closing).values()].flat();
  expect(prints.map((print) => print.side)).toEqual(Array(20).fill(0));
});

test("more than twenty symbols are made up, and none twice", () => {
  const { market } = play({ symbols: 100 }, 0);
  expect(new Set(market.instruments.map((one) => one.code)).size).toBe(103);
});

test("history keeps at least the newest trades of a symbol, and no more than twice that", () => {
  const history = new History(10);
  const trades = [...tradesBySymbol(play({}, 60_000).events).get("005930")!];
  for (const trade of trades) history.add(trade);
  expect(history.of("005930").length).toBeLessThan(20);
  expect(history.of("005930").slice(-10)).toEqual(trades.slice(-10));
  expect(history.of("999999")).toEqual([]);
});

test("stamps are Korea's and New York's, summer and winter", () => {
  const summer = Date.UTC(2012, 5, 21, 13, 30);
  expect(kst(summer)).toEqual({ date: "20120621", time: "223000", secondOfDay: 81_000 });
  expect(newYork(summer)).toEqual({ date: "20120621", time: "093000", secondOfDay: 34_200 });
  expect(newYork(Date.UTC(2024, 11, 27, 12, 2, 29)).time).toBe("070229");
  expect(newYorkMidnightMs("20120621")).toBe(summer - 34_200_000);
});
