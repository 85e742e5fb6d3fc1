import { describe, expect, it } from "vitest";
import { parseMarketClock } from "../../app/shared/market-clock.ts";

describe("market clock", () => {
  it("is the wall clock unless something else is said", () => {
    expect(parseMarketClock("wall")(123)).toBe(123);
    expect(parseMarketClock("")(123)).toBe(123);
  });

  it("stands still when fixed", () => {
    const market = parseMarketClock("fixed:2020-06-04T23:59:59+09:00");
    expect(market(0)).toBe(Date.UTC(2020, 5, 4, 14, 59, 59));
    expect(market(5_000)).toBe(market(0));
  });

  it("runs from an anchor at a speed", () => {
    const market = parseMarketClock("from:2020-06-04T09:00:00+09:00@1000*2");
    expect(market(1_500)).toBe(Date.UTC(2020, 5, 4, 0, 0, 1));
  });

  it.each(["yesterday", "fixed:soon", "from:2020-06-04"])("%s is CONFIG_INVALID", (text) => {
    expect(() => parseMarketClock(text)).toThrow(/CONFIG_INVALID/);
  });
});
