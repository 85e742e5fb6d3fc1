import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  expectsTrades,
  horizonOf,
  isTradingDay,
  marketDay,
  nextTradingDay,
  phaseAt,
  previousTradingDay,
  sessionsBetween,
  sessionsOf,
} from "../../app/shared/calendar.ts";
import { KOREAN_CLOSURES } from "../../app/shared/calendar/korea-days.ts";
import { addDays, isoAtVenue, venueDay, venueMs, weekdayOf } from "../../app/shared/market-time.ts";
import { dataFile } from "../support/data.ts";

const SEARCHED_DAYS = 31;
const DATA_TIMEOUT_MS = 60_000;
const VENUES = ["KRX", "NXT", "UN", "NAS", "NYS", "AMS"];

/** `regular 09:00:00-15:20:00`, by the venue's own wall clock; continuous ones carry a `~`. */
function shown(venue: string, day: number): string[] {
  const time = (ms: number): string => isoAtVenue(venue, ms).slice(11, 19);
  return sessionsOf(venue, day).map(
    ({ venue: market, kind, fromMs, toMs, continuous }) =>
      `${market} ${kind} ${time(fromMs)}${continuous ? "~" : "-"}${time(toMs)}`,
  );
}

function days(fromDay: number, untilDay: number): number[] {
  const all: number[] = [];
  for (let day = fromDay; day <= untilDay; day = addDays(day, 1)) all.push(day);
  return all;
}

describe("agrees with what was traded", () => {
  const wrongDays = (traded: Set<number>, fromDay: number, untilDay: number): number[] =>
    days(fromDay, untilDay).filter(
      (day) => isTradingDay("KRX", day) !== (traded.has(day) ? "yes" : "no"),
    );

  const largeCap = dataFile("krx-daily/rltrader-v1-005930.csv.gz");
  test.skipIf(largeCap === null)("on every day from 2015 to February 2018", () => {
    const lines = gunzipSync(readFileSync(largeCap!)).toString().trim().split("\n");
    const traded = new Set(lines.map((line) => Number(line.slice(0, 10).replaceAll("-", ""))));
    expect(traded.size).toBeGreaterThan(8_000);
    expect(wrongDays(traded, 20150101, 20180214)).toEqual([]);
  });

  const wholeMarket = dataFile("krx-daily/invest-KR-daily.csv.xz");
  test.skipIf(wholeMarket === null)(
    "on every day from December 2023 to June 2025",
    () => {
      const csv = execFileSync("xz", ["-dc", wholeMarket!], { maxBuffer: 2 ** 28 }).toString();
      const symbolsByDay = new Map<number, number>();
      for (const [, date] of csv.matchAll(/^\w+,(\d{4}-\d\d-\d\d),/gm)) {
        const day = Number(date!.replaceAll("-", ""));
        symbolsByDay.set(day, (symbolsByDay.get(day) ?? 0) + 1);
      }
      const traded = new Set([...symbolsByDay].filter(([, n]) => n > 1_000).map(([day]) => day));
      expect(traded.size).toBe(370);
      expect(wrongDays(traded, 20231205, 20250617)).toEqual([]);
    },
    DATA_TIMEOUT_MS,
  );
});

describe("a day", () => {
  test.each([
    ["KRX", 20260219, true, ""],
    ["KRX", 20260217, false, "설날"],
    ["KRX", 20250505, false, "어린이날, 부처님 오신 날"],
    ["KRX", 20250127, false, "임시공휴일"],
    ["KRX", 20260603, false, "전국동시지방선거"],
    ["KRX", 20240501, false, "근로자의 날"],
    ["KRX", 20260501, false, "노동절"],
    ["KRX", 20251231, false, "연말 휴장일"],
    ["KRX", 20161230, false, "연말 휴장일"],
    ["KRX", 20161229, true, ""],
    ["KRX", 20261122, false, "weekend"],
    ["NXT", 20250304, true, ""],
    ["NXT", 20250228, false, "NXT did not exist before 2025-03-04"],
    ["UN", 20250228, true, ""],
    ["NXT", 20251231, false, "연말 휴장일"],
    ["NAS", 20260403, false, "Good Friday"],
    ["NYS", 20210618, true, ""],
    ["NYS", 20220620, false, "Juneteenth"],
    ["NYS", 20270618, false, "Juneteenth"],
    ["AMS", 20260703, false, "Independence Day"],
    ["NAS", 20211224, false, "Christmas Day"],
    ["NAS", 20211231, true, ""],
    ["NAS", 20230102, false, "New Year's Day"],
    ["NAS", 20250109, false, "Mourning for Jimmy Carter"],
    ["NAS", 20181205, false, "Mourning for George H. W. Bush"],
    ["NAS", 20260217, true, ""],
  ])("%s on %d: trading %s (%s)", (venue, day, isTrading, reason) => {
    expect(marketDay(venue, day)).toEqual({ day, isTrading, isCertain: true, reason });
    expect(isTradingDay(venue, day)).toBe(isTrading ? "yes" : "no");
    expect(sessionsOf(venue, day).length > 0).toBe(isTrading);
  });

  test("New York closes on the days that NYSE announced for 2026 to 2028", () => {
    const weekdays = days(20260101, 20281231).filter((day) => weekdayOf(day) % 6 !== 0);
    expect(weekdays.filter((day) => isTradingDay("NYS", day) === "no")).toEqual([
      20260101, 20260119, 20260216, 20260403, 20260525, 20260619, 20260703, 20260907, 20261126,
      20261225, 20270101, 20270118, 20270215, 20270326, 20270531, 20270618, 20270705, 20270906,
      20271125, 20271224, 20280117, 20280221, 20280414, 20280529, 20280619, 20280704, 20280904,
      20281123, 20281225,
    ]);
  });

  test.each([20080321, 19810417, 20380423, 20490416])("Good Friday can be %d", (day) => {
    expect(marketDay("NYS", day)).toMatchObject({ isTrading: false, reason: "Good Friday" });
  });

  test("the table of Korean closures is in order and holds weekdays only", () => {
    const closed = KOREAN_CLOSURES.map(({ day }) => day);
    expect(closed).toEqual([...new Set(closed)].sort((one, other) => one - other));
    expect(closed.filter((day) => weekdayOf(day) % 6 === 0)).toEqual([]);
  });

  test.each(VENUES)("%s answers beyond its horizon, but never with certainty", (venue) => {
    const { fromDay, untilDay } = horizonOf(venue)!;
    for (const day of [addDays(fromDay, -1), addDays(untilDay, 1), 20991225]) {
      expect(marketDay(venue, day).isCertain).toBe(false);
      expect(marketDay(venue, day).reason).not.toBe("");
      expect(isTradingDay(venue, day)).toBe("unknown");
      expect(expectsTrades(venue, venueMs(venue, day, 110000))).toBe("unknown");
      expect(sessionsOf(venue, day).filter(({ isCertain }) => isCertain)).toEqual([]);
    }
    expect(isTradingDay(venue, fromDay)).not.toBe("unknown");
    expect(isTradingDay(venue, untilDay)).not.toBe("unknown");
  });

  test("a date that does not exist is no trading day, and not certain", () => {
    for (const day of [20260231, 0, Number.NaN]) {
      expect(marketDay("KRX", day)).toMatchObject({ isTrading: false, isCertain: false });
      expect(sessionsOf("NAS", day)).toEqual([]);
    }
    for (const venue of VENUES) expect(expectsTrades(venue, Number.NaN)).toBe("unknown");
  });

  test("a venue without a calendar is unknown, not closed", () => {
    expect(marketDay("TAPE", 20260219)).toMatchObject({ isTrading: false, isCertain: false });
    expect(expectsTrades("TAPE", 0)).toBe("unknown");
    expect(horizonOf("TAPE")).toBeNull();
    expect(nextTradingDay("TAPE", 20260219)).toBeNull();
  });
});

describe("the hours of KRX and NXT", () => {
  test("since the after-market of 2026-09-14", () => {
    expect(shown("KRX", 20260914)).toEqual([
      "KRX pre 08:30:00-08:40:00",
      "KRX opening_auction 08:30:00-09:00:00",
      "KRX regular 09:00:00~15:20:00",
      "KRX closing_auction 15:20:00-15:30:00",
      "KRX closing_price 15:40:00-16:00:00",
      "KRX after 16:00:00~20:00:00",
    ]);
    expect(shown("KRX", 20260911).at(-1)).toBe("KRX single_price 16:00:00-18:00:00");
  });

  test("before the short opening of 2019 and the longer day of 2016", () => {
    expect(shown("KRX", 20190429).slice(0, 2)).toEqual(shown("KRX", 20260914).slice(0, 2));
    expect(shown("KRX", 20190426).slice(0, 3)).toEqual([
      "KRX pre 07:30:00-08:30:00",
      "KRX opening_auction 08:00:00-09:00:00",
      "KRX regular 09:00:00~15:20:00",
    ]);
    expect(shown("KRX", 20160729).slice(2)).toEqual([
      "KRX regular 09:00:00~14:50:00",
      "KRX closing_auction 14:50:00-15:00:00",
      "KRX closing_price 15:10:00-15:30:00",
      "KRX single_price 15:30:00-18:00:00",
    ]);
  });

  test("NXT trades from eight to eight with two pauses", () => {
    expect(shown("NXT", 20260219)).toEqual([
      "NXT pre 08:00:00~08:50:00",
      "NXT regular 09:00:30~15:20:00",
      "NXT single_price 15:30:00-15:40:00",
      "NXT after 15:40:00~20:00:00",
    ]);
  });

  test("on the exam day all comes an hour later, but the evening's end, and NXT has no pre-market", () => {
    expect(shown("KRX", 20251113)).toEqual([
      "KRX pre 09:30:00-09:40:00",
      "KRX opening_auction 09:30:00-10:00:00",
      "KRX regular 10:00:00~16:20:00",
      "KRX closing_auction 16:20:00-16:30:00",
      "KRX closing_price 16:40:00-17:00:00",
      "KRX single_price 17:00:00-18:00:00",
    ]);
    expect(shown("NXT", 20251113)).toEqual([
      "NXT regular 10:00:30~16:20:00",
      "NXT single_price 16:30:00-16:40:00",
      "NXT after 16:40:00~20:00:00",
    ]);
    expect(shown("KRX", 20171116)).toEqual(shown("KRX", 20171123));
  });

  test("on the first trading day of a year the open comes an hour later, and nothing after it", () => {
    expect(shown("KRX", 20260102).slice(0, 4)).toEqual([
      "KRX pre 09:30:00-09:40:00",
      "KRX opening_auction 09:30:00-10:00:00",
      "KRX regular 10:00:00~15:20:00",
      "KRX closing_auction 15:20:00-15:30:00",
    ]);
    expect(shown("NXT", 20260102)[0]).toBe("NXT regular 10:00:30~15:20:00");
    expect(shown("KRX", 20210104)[2]).toBe("KRX regular 10:00:00~15:20:00");
    expect(shown("KRX", 20260105)[2]).toBe("KRX regular 09:00:00~15:20:00");
  });

  test("every year of the horizon has its late days", () => {
    const { fromDay, untilDay } = horizonOf("KRX")!;
    const lateDays = days(fromDay, untilDay).filter((day) =>
      shown("KRX", day).some((session) => session.startsWith("KRX regular 10:00")),
    );
    for (let year = Math.floor(fromDay / 10_000); year <= Math.floor(untilDay / 10_000); year++) {
      const expected = year === 2017 ? 3 : 2;
      expect(lateDays.filter((day) => Math.floor(day / 10_000) === year)).toHaveLength(expected);
    }
  });

  test("UN is both of them", () => {
    expect(shown("UN", 20260219).toSorted()).toEqual(
      [...shown("KRX", 20260219), ...shown("NXT", 20260219)].toSorted(),
    );
    expect(shown("UN", 20200604)).toEqual(shown("KRX", 20200604));
  });
});

describe("the hours of New York", () => {
  const utc = (venue: string, day: number): string[] =>
    sessionsOf(venue, day).map(({ fromMs }) => new Date(fromMs).toISOString().slice(11, 16));

  test.each([
    [20260306, ["09:00", "14:30", "21:00"]],
    [20260309, ["08:00", "13:30", "20:00"]],
    [20261030, ["08:00", "13:30", "20:00"]],
    [20261102, ["09:00", "14:30", "21:00"]],
  ])("follow the clock change of the weekend at %d", (day, startsUtc) => {
    expect(utc("NAS", day)).toEqual(startsUtc);
    expect(shown("NAS", day)).toEqual([
      "NAS pre 04:00:00~09:30:00",
      "NAS regular 09:30:00~16:00:00",
      "NAS after 16:00:00~20:00:00",
    ]);
  });

  test("end early around three holidays", () => {
    const earlyDays = days(20240101, 20281231).filter((day) =>
      shown("NYS", day).includes("NYS after 13:00:00~17:00:00"),
    );
    expect(earlyDays).toEqual([
      20240703, 20241129, 20241224, 20250703, 20251128, 20251224, 20261127, 20261224, 20271126,
      20280703, 20281124,
    ]);
  });
});

describe("an instant", () => {
  const at = (venue: string, day: number, time: number): number => venueMs(venue, day, time);

  test.each([
    ["KRX", 20260219, 83500, "pre", "no"],
    ["KRX", 20260219, 84000, "opening_auction", "no"],
    ["KRX", 20260219, 90000, "regular", "yes"],
    ["KRX", 20260219, 151959, "regular", "yes"],
    ["KRX", 20260219, 152000, "closing_auction", "no"],
    ["KRX", 20260219, 153500, null, "no"],
    ["KRX", 20260219, 170000, "single_price", "no"],
    ["KRX", 20261123, 170000, "after", "yes"],
    ["KRX", 20261123, 200000, null, "no"],
    ["KRX", 20260217, 100000, null, "no"],
    ["KRX", 20251113, 93000, "pre", "no"],
    ["NXT", 20260219, 85000, null, "no"],
    ["NXT", 20260219, 90029, null, "no"],
    ["NXT", 20260219, 90030, "regular", "yes"],
    ["UN", 20260219, 83500, "pre", "yes"],
    ["UN", 20260219, 155000, "after", "yes"],
    ["UN", 20260219, 152500, "closing_auction", "no"],
    ["NAS", 20261127, 125959, "regular", "yes"],
    ["NAS", 20261127, 130000, "after", "yes"],
    ["NAS", 20261127, 170000, null, "no"],
    ["NAS", 20261126, 110000, null, "no"],
  ])("%s on %d at %d: %s, trades due: %s", (venue, day, time, kind, due) => {
    const ms = at(venue, day, time);
    const phase = phaseAt(venue, ms);
    expect(phase.session?.kind ?? null).toBe(kind);
    expect(phase).toMatchObject(marketDay(venue, day));
    expect(expectsTrades(venue, ms)).toBe(due);
  });

  test("New York's day is its own: its evening is the next morning in Korea", () => {
    const ms = Date.parse("2026-11-24T08:30:00+09:00");
    expect(phaseAt("NAS", ms)).toMatchObject({ day: 20261123, session: { kind: "after" } });
    expect(phaseAt("KRX", ms)).toMatchObject({ day: 20261124, session: { kind: "pre" } });
  });

  test("an interval has the sessions it touches, over weekends and holidays", () => {
    const friday = at("KRX", 20260213, 193000);
    const kinds = (fromMs: number, toMs: number): string[] =>
      sessionsBetween("KRX", fromMs, toMs).map(
        ({ kind, fromMs: startMs }) => `${venueDay("KRX", startMs)} ${kind}`,
      );
    expect(kinds(friday, at("KRX", 20260219, 90000))).toEqual([
      "20260219 pre",
      "20260219 opening_auction",
    ]);
    expect(kinds(at("KRX", 20260219, 151959), at("KRX", 20260219, 152001))).toEqual([
      "20260219 regular",
      "20260219 closing_auction",
    ]);
    expect(kinds(friday, friday)).toEqual([]);
    expect(() => sessionsBetween("KRX", 0, Number.POSITIVE_INFINITY)).toThrow("two ends");
  });
});

describe("neighbours", () => {
  test.each([
    ["KRX", 20260213, 20260219],
    ["KRX", 20170929, 20171010],
    ["KRX", 20251230, 20260102],
    ["NAS", 20261125, 20261127],
    ["NAS", 20270702, 20270706],
  ])("%s: after %d comes %d", (venue, day, next) => {
    expect(nextTradingDay(venue, day)).toMatchObject({ day: next, isCertain: true });
    expect(previousTradingDay(venue, next)).toMatchObject({ day, isCertain: true });
  });

  test("across the horizon they are guesses", () => {
    const { fromDay, untilDay } = horizonOf("KRX")!;
    expect(nextTradingDay("KRX", untilDay)).toMatchObject({ isTrading: true, isCertain: false });
    expect(previousTradingDay("KRX", fromDay)).toMatchObject({ isCertain: false });
    expect(marketDay("KRX", 20150102).isCertain).toBe(true);
    expect(nextTradingDay("KRX", 20141230)).toMatchObject({ day: 20150102, isCertain: false });
  });

  test("before its first day NXT has none", () => {
    expect(previousTradingDay("NXT", 20250304)).toBeNull();
    expect(nextTradingDay("NXT", 20250228)).toMatchObject({ day: 20250304 });
  });
});

describe("for any day", () => {
  const anyDay = fc
    .date({ min: new Date("2000-01-01"), max: new Date("2040-12-31"), noInvalidDate: true })
    .map((date) => Number(date.toISOString().slice(0, 10).replaceAll("-", "")));

  test.each(VENUES)("%s's sessions are in order, inside their own day, and apart", (venue) => {
    const holds = fc.property(anyDay, (day) => {
      const sessions = sessionsOf(venue, day);
      for (const { fromMs, toMs, isCertain } of sessions) {
        expect(fromMs).toBeLessThan(toMs);
        expect([venueDay(venue, fromMs), venueDay(venue, toMs - 1)]).toEqual([day, day]);
        expect(isCertain).toBe(marketDay(venue, day).isCertain);
      }
      sessions.slice(1).forEach((session, at) => {
        const before = sessions[at]!;
        expect(session.fromMs).toBeGreaterThanOrEqual(before.fromMs);
        const mayOverlap = venue === "UN" || (before.kind === "pre" && venue === "KRX");
        if (!mayOverlap) expect(session.fromMs).toBeGreaterThanOrEqual(before.toMs);
      });
    });
    fc.assert(holds, { numRuns: 1_000 });
  });

  test.each(VENUES)("%s's phase is what its sessions say", (venue) => {
    const secondOfDay = fc.integer({ min: 0, max: 86_399 });
    const holds = fc.property(anyDay, secondOfDay, (day, second) => {
      const ms = venueMs(venue, day, 0) + second * 1_000;
      const today = venueDay(venue, ms);
      const running = sessionsOf(venue, today).filter((s) => s.fromMs <= ms && ms < s.toMs);
      const phase = phaseAt(venue, ms);
      expect(phase.session === null).toBe(running.length === 0);
      if (phase.isCertain)
        expect(expectsTrades(venue, ms)).toBe(running.some((s) => s.continuous) ? "yes" : "no");
      expect(sessionsBetween(venue, ms, ms + 1)).toEqual(running);
    });
    fc.assert(holds, { numRuns: 1_000 });
  });

  test.each(["KRX", "UN", "NAS"])("%s: the day before the next trading day leads back", (venue) => {
    const holds = fc.property(anyDay, (day) => {
      const next = nextTradingDay(venue, day)!;
      expect(next.isTrading).toBe(true);
      const skipped = days(addDays(day, 1), addDays(next.day, -1));
      expect(skipped.length).toBeLessThan(SEARCHED_DAYS);
      expect(skipped.filter((one) => marketDay(venue, one).isTrading)).toEqual([]);
      if (marketDay(venue, day).isTrading)
        expect(previousTradingDay(venue, next.day)!.day).toBe(day);
    });
    fc.assert(holds, { numRuns: 500 });
  });
});
