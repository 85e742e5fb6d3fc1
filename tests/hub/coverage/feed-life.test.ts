// When a feed was alive and when it was away, and what the calendar, halts and VI excuse.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectedSpans, quietSpans, spanOfDay } from "../../../app/hub/query/coverage/expected.ts";
import { lifeOf } from "../../../app/hub/query/coverage/feed-life.ts";
import type { SessionLife } from "../../../app/hub/query/coverage/feed-life.ts";
import {
  clip,
  common,
  lengthOf,
  overlay,
  union,
  without,
} from "../../../app/hub/query/coverage/spans.ts";
import { isoAtVenue, kstDay, kstMs } from "../../../app/shared/market-time.ts";

const at = (hhmmss: number, day = 20261123) => kstMs(day, hhmmss);
const ended = (from: number, heard: number, code: string | null, day = 20261123): SessionLife => {
  return {
    holder: "one",
    fromMs: at(from, day),
    heardMs: at(heard, day),
    toMs: at(heard, day),
    code,
  };
};
const told = ({ alive, outages }: ReturnType<typeof lifeOf>) => [
  ...alive.map(({ fromMs, toMs }) => `alive ${clock(fromMs)} ${clock(toMs)}`),
  ...outages.map(({ fromMs, toMs, reason, isOver }) => {
    return `away ${clock(fromMs)} ${clock(toMs)} ${reason}${isOver ? "" : " still"}`;
  }),
];
const clock = (ms: number) => isoAtVenue("KRX", ms).slice(5, 19).replace("T", " ");

describe("a feed's life", () => {
  test("between two sessions it was away, from the last frame heard to the new beginning", () => {
    const life = lifeOf(
      [ended(80_000, 100_000, "FEED_CLOSED"), ended(100_012, 110_000, null)],
      at(120_000),
      kstDay,
    );
    expect(told(life)).toEqual([
      "alive 11-23 08:00:00 11-23 10:00:00",
      "alive 11-23 10:00:12 11-23 11:00:00",
      "away 11-23 10:00:00 11-23 10:00:12 FEED_CLOSED",
    ]);
  });

  test("a session nobody ended, behind which another began, was killed", () => {
    const open = { ...ended(80_000, 100_000, null), toMs: null };
    const life = lifeOf(
      [open, { ...ended(100_500, 100_600, null), toMs: null }],
      at(100_610),
      kstDay,
    );
    expect(told(life).at(-1)).toBe("away 11-23 10:00:00 11-23 10:05:00 KILLED");
  });

  test("an end that was meant is none of its faults, unless it comes back on the same day", () => {
    const [today, later] = [ended(80_000, 100_000, null), ended(140_000, 150_000, null)];
    const tomorrow = ended(80_000, 150_000, null, 20261124);
    expect(lifeOf([today], at(120_000), kstDay).outages).toEqual([]);
    expect(lifeOf([today, tomorrow], at(120_000, 20261124), kstDay).outages).toEqual([]);
    expect(told(lifeOf([today, later], at(160_000), kstDay)).at(-1)).toBe(
      "away 11-23 10:00:00 11-23 14:00:00 STOPPED",
    );
  });

  test("an end that was not meant lasts until it comes back, over the night too", () => {
    const [today, tomorrow] = [
      ended(80_000, 180_000, "FEED_EVICTED"),
      ended(93_000, 150_000, null, 20261124),
    ];
    expect(told(lifeOf([today], at(190_000), kstDay)).at(-1)).toBe(
      "away 11-23 18:00:00 11-23 19:00:00 FEED_EVICTED still",
    );
    expect(told(lifeOf([today, tomorrow], at(200_000, 20261124), kstDay)).at(-1)).toBe(
      "away 11-23 18:00:00 11-24 09:30:00 FEED_EVICTED",
    );
  });

  test("an open session that was not heard of for half a minute is silent, not gone", () => {
    const open = { ...ended(80_000, 100_000, null), toMs: null };
    expect(lifeOf([open], at(100_029), kstDay).outages).toEqual([]);
    expect(told(lifeOf([open], at(100_030), kstDay)).at(-1)).toBe(
      "away 11-23 10:00:00 11-23 10:00:30 SILENT still",
    );
  });

  test("where the market stands still, nothing is missed", () => {
    const still = { ...ended(151_921, 151_921, "FEED_CLOSED") };
    expect(lifeOf([still], at(235_959), kstDay)).toEqual({ alive: [], outages: [] });
  });
});

describe("what is expected", () => {
  test("KRX since September 2026, with its after-market; nothing on a Sunday", () => {
    const sessions = expectedSpans("KRX", 20261123).map(({ fromMs, toMs }) => [
      clock(fromMs),
      clock(toMs),
    ]);
    expect(sessions).toEqual([
      ["11-23 08:30:00", "11-23 15:30:00"],
      ["11-23 15:40:00", "11-23 20:00:00"],
    ]);
    expect(expectedSpans("KRX", 20261122)).toEqual([]);
    expect(expectedSpans("UN", 20261123)).toMatchObject([
      { fromMs: at(80_000), toMs: at(200_000) },
    ]);
  });

  test("New York's day has 23 or 25 hours when its clocks change, and closes early after Thanksgiving", () => {
    const hours = (day: number) => lengthOf([spanOfDay("NAS", day)]) / 3_600_000;
    expect([hours(20260308), hours(20260309), hours(20261101)]).toEqual([23, 24, 25]);
    expect(lengthOf(expectedSpans("NAS", 20261127)) / 3_600_000).toBe(13);
    expect(lengthOf(expectedSpans("NAS", 20261125)) / 3_600_000).toBe(16);
  });

  test("a venue without a calendar excuses nothing", () => {
    expect(expectedSpans("TAPE", 20261122)).toEqual([spanOfDay("TAPE", 20261122)]);
  });

  const news = (
    hhmmss: number,
    what: string,
    code: string,
    detail: Record<string, string> = {},
  ) => {
    return { atMs: at(hhmmss), what, code, detail };
  };
  const clocks = (spans: { fromMs: number; toMs: number }[]) =>
    spans.map(({ fromMs, toMs }) => [clock(fromMs).slice(6), clock(toMs).slice(6)]);

  test("a VI excuses two minutes and a half, or less when its end is told; both brokers' words for it", () => {
    const kiwoom = [news(100_000, "vi", "1"), news(110_000, "vi", "1"), news(110_130, "vi", "2")];
    expect(clocks(quietSpans(kiwoom, at(200_000)))).toEqual([
      ["10:00:01", "10:02:31"],
      ["11:00:01", "11:01:30"],
    ]);
    const kis = [
      news(100_000, "vi", "AB1", { VI_CLS_CODE: "Y", TRHT_YN: "N" }),
      news(100_205, "vi", "AB1", { VI_CLS_CODE: "N", TRHT_YN: "N" }),
    ];
    expect(clocks(quietSpans(kis, at(200_000)))).toEqual([["10:00:01", "10:02:05"]]);
  });

  test("a halt lasts until its end is told, or until the symbol trades again", () => {
    const trade = [news(100_000, "halt", "Y"), news(103_000, "halt", "N")];
    expect(clocks(quietSpans(trade, at(200_000)))).toEqual([["10:00:01", "10:30:00"]]);
    const market = [
      news(100_000, "halt", "164", { TRHT_YN: "Y", ISCD_STAT_CLS_CODE: "58", VI_CLS_CODE: "N" }),
    ];
    expect(clocks(quietSpans(market, at(200_000)))).toEqual([["10:00:01", "20:00:00"]]);
    expect(clocks(quietSpans(market, at(200_000), at(111_500)))).toEqual([
      ["10:00:01", "11:15:00"],
    ]);
  });
});

describe("spans", () => {
  const some = fc.array(
    fc.tuple(fc.nat(50), fc.nat(20)).map(([fromMs, length]) => ({ fromMs, toMs: fromMs + length })),
    { maxLength: 8 },
  );
  const points = (spans: readonly { fromMs: number; toMs: number }[]) => {
    const set = new Set<number>();
    for (const { fromMs, toMs } of spans) for (let ms = fromMs; ms < toMs; ms++) set.add(ms);
    return [...set].sort((a, b) => a - b);
  };

  test("are sets of moments, whatever is done with them", () => {
    fc.assert(
      fc.property(some, some, (a, b) => {
        const [one, other] = [union(a), union(b)];
        expect(points(one)).toEqual(points(a));
        const within = { fromMs: 10, toMs: 40 };
        expect(points(clip(one, within))).toEqual(points(a).filter((ms) => ms >= 10 && ms < 40));
        const others = new Set(points(b));
        expect(points(common(one, other))).toEqual(points(a).filter((ms) => others.has(ms)));
        const left = [...Array(30).keys()].map((ms) => ms + 10).filter((ms) => !others.has(ms));
        expect(points(without(within, other))).toEqual(left);
        const painted = overlay(
          one.map((span) => ({ ...span, color: "lower" })),
          other.map((span) => ({ ...span, color: "upper" })),
        );
        expect(lengthOf(painted)).toBe(points([...a, ...b]).length);
        const upper = painted.filter(({ color }) => color === "upper");
        expect(points(upper)).toEqual(points(b));
      }),
      { numRuns: 1_000 },
    );
  });
});
