// What the page works out by itself: strips, candles, and gaps that nobody has declared yet.
import { describe, expect, it } from "vitest";
import { carriedOn } from "../../app/hub/web/page/state/candles.ts";
import { interruptionsOf } from "../../app/hub/web/page/state/interruptions.ts";
import { findingsOf, gradientOf, runsOf } from "../../app/hub/web/page/views/strip.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import type { TradeLine } from "../../app/shared/web-api.ts";

const MINUTE_MS = 60_000;

describe("a strip", () => {
  it("is one gradient, a stop for each change", () => {
    expect(runsOf("vvg ")).toEqual([
      { cell: "v", from: 0, to: 2 },
      { cell: "g", from: 2, to: 3 },
      { cell: " ", from: 3, to: 4 },
    ]);
    expect(gradientOf("vvg ")).toBe(
      "linear-gradient(90deg, var(--cell-verified) 0.00% 50.00%, var(--cell-gap) 50.00% 75.00%, transparent 75.00% 100.00%)",
    );
    expect(gradientOf("")).toBe("none");
  });

  it("names the spans that a person should look at", () => {
    expect(findingsOf("vggvr", 1_000, 10)).toEqual([
      [1_010, 1_030],
      [1_040, 1_050],
    ]);
  });
});

describe("a candle", () => {
  const trade = (exchangeMs: number, price: number, size: number): TradeLine => ({
    ...{ exchangeMs, price, size, side: 1, seq: 1, origin: "live" },
  });

  it("is carried on by the trades of its time, and followed by the next", () => {
    const first = carriedOn(null, trade(90_000, 100, 5), MINUTE_MS);
    expect(first).toEqual({
      ...{ timeMs: MINUTE_MS, open: 100, high: 100, low: 100, close: 100, volume: 5 },
    });
    const second = carriedOn(first, trade(100_000, 97, 2), MINUTE_MS);
    expect(second).toMatchObject({ open: 100, high: 100, low: 97, close: 97, volume: 7 });
    expect(carriedOn(second, trade(120_000, 98, 1), MINUTE_MS)).toMatchObject({
      ...{ timeMs: 120_000, open: 98, volume: 1 },
    });
  });

  it("is not moved by a trade of the past or one that was refilled", () => {
    const last = carriedOn(null, trade(120_000, 100, 5), MINUTE_MS);
    expect(carriedOn(last, trade(90_000, 1, 1), MINUTE_MS)).toBeNull();
    expect(carriedOn(last, { ...trade(121_000, 1, 1), origin: "backfill" }, MINUTE_MS)).toBeNull();
  });
});

describe("an interruption", () => {
  const of = (state: "ok" | "down", feed: string, tickAgeMs = 4_000) =>
    ({
      edges: [
        {
          ...{ edge: "kis", connections: 0, seenAgeMs: 500 },
          health: { state },
          status: { accounts: { "kis:1": { feed, tickAgeMs } } },
        },
      ],
      accounts: [
        { account: "kis:1", lease: { holder: "h", edge: "kis" } },
        { account: "kis:2", lease: { holder: null, edge: null } },
      ],
    }) as unknown as Pick<Picture, "edges" | "accounts">;
  const last = (symbol: string, exchangeMs: number) => ({
    ...{ source: "kis:1", venue: "KRX", symbol, price: 1, size: 1, side: 0 as const, seq: 1 },
    ...{ exchangeMs, edgeRecvMs: exchangeMs },
  });

  it("is an account whose edge is gone, from its last trade on", () => {
    const trades = [last("005930", 1_000), last("000660", 3_000)];
    expect(interruptionsOf(of("down", "live"), trades)).toEqual([
      {
        ...{ account: "kis:1", edge: "kis", forMs: 4_500, fromMs: 3_000, symbols: 2 },
        cause: { is: "edge" },
      },
    ]);
  });

  it("is a feed that is not live, once that takes longer than a reconnect", () => {
    expect(interruptionsOf(of("ok", "waiting"), [])).toMatchObject([
      { cause: { is: "feed", feed: "waiting" }, fromMs: null },
    ]);
    expect(interruptionsOf(of("ok", "waiting", 100), [])).toEqual([]);
  });

  it("is nothing while the feed is live, however quiet the market is", () => {
    expect(interruptionsOf(of("ok", "live", 600_000), [])).toEqual([]);
  });
});
