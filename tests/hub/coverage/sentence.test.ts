// What a person reads of the day's ledger.
import { describe, expect, test } from "vitest";
import { incidentsOf } from "../../../app/hub/query/coverage/incidents.ts";
import { sentenceOf } from "../../../app/hub/query/coverage/sentence.ts";
import type { Told } from "../../../app/hub/query/coverage/sentence.ts";

const TODAY = 20261126;
const at = (seconds: number) => Date.parse("2026-11-26T10:00:00+09:00") + seconds * 1_000;

type Gap = Parameters<typeof incidentsOf>[0][number];

function gap(fields: Partial<Gap> & { from?: number; to?: number } = {}): Gap {
  const { from = 0, to = 12, ...rest } = fields;
  return {
    ...{ source: "kis:1", venue: "KRX", symbol: "005930", channel: "trade" },
    ...{ reason: "FEED_CLOSED", state: "refilled", fromMs: at(from), toMs: at(to) },
    ...rest,
  };
}

const say = (gaps: readonly Gap[], fields: Partial<Told> = {}) =>
  sentenceOf(
    {
      ...{ day: TODAY, symbols: 100, verifiedShare: 0.999_98, aliveShare: 0 },
      incidents: incidentsOf(gaps),
      ...fields,
    },
    TODAY,
  );

describe("the sentence", () => {
  test("says how much is verified, and of a gap how long, whose, why and what became of it", () => {
    expect(say([gap()])).toBe(
      "today: 100 symbols, 99.998 % verified, 1 gap (12 s, KIS reconnect, refilled)",
    );
  });

  test("says 100 % of the whole alone", () => {
    expect(say([], { verifiedShare: 1 })).toBe("today: 100 symbols, 100.000 % verified, no gap");
    expect(say([], { verifiedShare: 0.999_999 })).toContain("99.999 % verified");
  });

  test("tells what is only alive apart from what is verified", () => {
    expect(say([], { verifiedShare: 0.97, aliveShare: 0.03 })).toContain(
      "97.000 % verified and 3.000 % alive",
    );
  });

  test("names the longest of several gaps and how many are open", () => {
    const gaps = [
      gap({ from: 500, to: 540, state: "suspected", source: "kiwoom:2", reason: "FEED_SILENT" }),
      gap(),
    ];
    expect(say(gaps)).toMatch(/2 gaps \(longest 40 s, Kiwoom 2 silence, being refilled; 1 open\)$/);
  });

  test("names another day, and a day on which nothing was to come", () => {
    expect(say([], { day: 20200604, symbols: 1, verifiedShare: null })).toBe(
      "2020-06-04: 1 symbol, nothing expected so far",
    );
  });
});

describe("one reconnect", () => {
  test("is one incident, however many symbols and channels it touched", () => {
    const gaps = ["005930", "000660", "035420"].flatMap((symbol, i) => [
      gap({ symbol, from: i, reason: "VOLUME_STEP" }),
      gap({ symbol, channel: "book", state: "lost" }),
    ]);
    expect(incidentsOf(gaps)).toMatchObject([
      { gaps: 6, symbols: 3, reason: "FEED_CLOSED", trades: "refilled", books: "lost" },
    ]);
    expect(say(gaps)).toContain("1 gap (12 s, KIS reconnect, refilled, books lost)");
  });

  test("is two incidents where two sources had it, or a moment lies between", () => {
    expect(incidentsOf([gap(), gap({ source: "kiwoom:1" })])).toHaveLength(2);
    expect(incidentsOf([gap(), gap({ from: 13, to: 20 })]).map(({ fromMs }) => fromMs)).toEqual([
      at(13),
      at(0),
    ]);
  });

  test("is as bad as the worst of it", () => {
    expect(incidentsOf([gap(), gap({ state: "lost" })])[0]!.trades).toBe("lost");
    expect(incidentsOf([gap({ state: "refilling" }), gap({ state: "lost" })])[0]!.trades).toBe(
      "open",
    );
  });
});
