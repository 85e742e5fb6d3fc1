// KIS's list is walked back by whole seconds: nothing that it shows is missed, and where a second is busier
// than a page the listing says that something is left out.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HourWalk } from "../../../app/edge/feed/kis/hour-walk.ts";
import { Listing } from "../../../app/edge/feed/history.ts";
import type { Past, PastTrade, Row } from "../../../app/edge/feed/history.ts";
import { kstMs, kstTime } from "../../../app/shared/market-time.ts";

const DAY = 20261123;
const WANTED = {
  venue: "KRX",
  symbol: "005930",
  day: DAY,
  untilMs: null,
  fromMs: null,
  seqFrom: null,
};

/** A day with so many trades in each second from 09:00:00 on, a share each. */
function dayOf(perSecond: readonly number[]): PastTrade[] {
  const openMs = kstMs(DAY, 90_000);
  return perSecond
    .flatMap((count, second) => Array<number>(count).fill(openMs + second * 1_000))
    .map((exchangeMs, i) => ({
      ...{ exchangeMs, seq: i + 1, size: 1, price: 100, side: 0 as const, ask: 101, bid: 100 },
    }));
}

/** The broker: at most `pageRows` of the newest at or before `time`, newest first. */
function answer(day: readonly PastTrade[], time: number, pageRows: number): PastTrade[] {
  return day
    .filter(({ exchangeMs }) => kstTime(exchangeMs) <= time)
    .reverse()
    .slice(0, pageRows);
}

function walked(
  day: readonly PastTrade[],
  pageRows: number,
  wanted = WANTED as ConstructorParameters<typeof Listing>[0],
): Past {
  const listing = new Listing(wanted);
  const walk = new HourWalk(listing, wanted.untilMs === null ? null : kstTime(wanted.untilMs));
  let requests = 0;
  for (let { time } = walk; time !== null && !listing.isDeepEnough; { time } = walk) {
    walk.take(answer(day, time, pageRows), (row: Row) => (row ? kstTime(row.exchangeMs) : NaN));
    if (++requests > 10_000) throw new Error("it goes on for ever");
  }
  return listing.past(walk.isWhole, requests);
}

describe("a walk back in time", () => {
  it("lists every trade once where no second is busier than a page", () => {
    const day = dayOf([5, 0, 29, 1, 12, 0, 0, 7, 20, 20]);
    const past = walked(day, 30);
    expect(past.isWhole).toBe(true);
    expect(past.listed.map(({ trade }) => trade)).toEqual(day);
    expect(past.listed.some(({ isCut }) => isCut)).toBe(false);
  });

  it("goes on behind a second that fills a page, and says what is left out there", () => {
    const past = walked(dayOf([3, 40, 2]), 30);
    expect(past.isWhole).toBe(true);
    const seqs = past.listed.map(({ trade }) => trade.seq);
    // Of the 40 in 09:00:01 the first ten cannot be reached.
    expect(seqs).toEqual([1, 2, 3, ...Array.from({ length: 32 }, (_, i) => 14 + i)]);
    expect(past.listed.filter(({ isCut }) => isCut).map(({ trade }) => trade.seq)).toEqual([14]);
  });

  it("does not take a day's first second for whole where it fills a page", () => {
    expect(walked(dayOf([30]), 30)).toMatchObject({ isWhole: false });
    expect(walked(dayOf([29]), 30)).toMatchObject({ isWhole: true });
  });

  it("ends where nothing older is wanted, after as many pages as the span has", () => {
    const day = dayOf(Array<number>(600).fill(3));
    const [fromMs, untilMs] = [kstMs(DAY, 90_500), kstMs(DAY, 90_510)];
    const seqFrom = day.findLast(({ exchangeMs }) => exchangeMs === fromMs)!.seq;
    const past = walked(day, 30, { ...WANTED, fromMs, untilMs, seqFrom });
    expect(past.listed.at(-1)!.trade.exchangeMs).toBe(untilMs);
    expect(past.listed[0]!.trade.seq).toBeLessThanOrEqual(seqFrom);
    expect(past.requests).toBe(2);
  });

  it("takes a row that cannot be read for trades that are not shown", () => {
    const listing = new Listing(WANTED);
    const walk = new HourWalk(listing, null);
    const [first, , third] = dayOf([1, 1, 1]);
    walk.take([third, undefined, first], (row) => (row ? kstTime(row.exchangeMs) : NaN));
    const { listed } = listing.past(walk.isWhole, 1);
    expect(listed.map(({ trade, isCut }) => [trade.seq, isCut])).toEqual([
      [1, false],
      [3, true],
    ]);
  });

  it("whatever the day and the page: it ends, and between two neighbours that are not cut nothing is missing", () => {
    const perSecond = fc.array(fc.oneof(fc.nat(3), fc.nat(12)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(perSecond, fc.integer({ min: 1, max: 8 }), (counts, pageRows) => {
        const day = dayOf(counts);
        // The broker's page may be shorter than commonly seen.
        const { listed, isWhole } = walked(day, pageRows);
        for (let i = 1; i < listed.length; i++) {
          const step = listed[i]!.trade.seq - listed[i - 1]!.trade.seq;
          if (!listed[i]!.isCut) expect(step).toBe(1);
        }
        const busiest = Math.max(...counts);
        if (busiest < pageRows) expect(listed).toHaveLength(day.length);
        // A shorter page than commonly seen is only noticed where something older follows.
        const atFirst = counts.find((count) => count > 0) ?? 0;
        if (isWhole && atFirst < pageRows) expect(listed[0]?.trade.seq ?? 1).toBe(1);
      }),
      { numRuns: 2_000 },
    );
  });
});
