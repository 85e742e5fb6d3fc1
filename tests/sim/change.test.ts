// What a change makes of a single print, and which words name one.
import { describe, expect, test } from "vitest";
import { altered, merged, readChange } from "../../app/sim/change.ts";
import type { Alteration } from "../../app/sim/change.ts";
import { krxInstruments } from "../../app/sim/market/instrument.ts";
import { Security } from "../../app/sim/market/security.ts";
import { seeded } from "../../app/sim/market/random.ts";

const [instrument] = krxInstruments(1);
const security = new Security(instrument!, seeded(1));
security.startDay("20261123", { ...security.totals });
const prints = [0, 1_000, 2_000].map((ms, i) =>
  security.print({
    marketMs: Date.parse("2026-11-23T10:00:00+09:00") + ms,
    ...{ price: 49_950 + 50 * i, size: 10, side: i === 1 ? -1 : 1 },
  }),
);
const trade = prints[0]!;

describe("the words", () => {
  test.each([
    ["lose", { what: "lose", rest: "has" }],
    ["lose:lacks", { what: "lose", rest: "lacks" }],
    ["merge:3", { what: "merge", prints: 3 }],
    ["price:-2", { what: "price", steps: -2 }],
    ["side", { what: "side" }],
    ["size:+5", { what: "size", shares: 5 }],
    ["delay:95", { what: "delay", seconds: 95 }],
  ])("%s name a change", (text, change) => {
    expect(readChange(text)).toEqual(change);
  });

  test.each([
    ...["", "lost", "lose:has", "merge", "merge:0", "merge:1", "merge:1000", "merge:+2"],
    ...["price", "price:2", "price:+0", "price:+1.5", "side:1", "size:-0", "delay:0", "delay:-3"],
  ])("'%s' name none", (text) => {
    expect(readChange(text)).toBeUndefined();
  });
});

describe("a print", () => {
  test.each([
    [{ what: "price", steps: 2 }, { price: 50_100 }],
    [{ what: "price", steps: -1 }, { price: 49_900 }],
    [{ what: "side" }, { side: -1 }],
    [{ what: "size", shares: -9 }, { size: 1 }],
    [{ what: "delay", seconds: 3 }, { marketMs: trade.marketMs + 3_000 }],
  ] satisfies [Alteration, object][])(
    "that is altered by %o has nothing else changed",
    (change, fields) => {
      expect(altered(trade, change)).toEqual({ ...trade, ...fields });
    },
  );

  test("stays as it is where the change makes none", () => {
    expect(altered({ ...trade, side: 0 }, { what: "side" })).toBeUndefined();
    expect(altered(trade, { what: "size", shares: -10 })).toBeUndefined();
    // More than was traded on the day so far.
    expect(altered(trade, { what: "size", shares: 1 })).toBeUndefined();
    expect(altered({ ...trade, price: 1 }, { what: "price", steps: -3 })).toBeUndefined();
  });

  test("that stands for several has their sum, and the rest of the last", () => {
    expect(merged(prints)).toEqual({ ...prints[2], size: 30 });
  });
});
