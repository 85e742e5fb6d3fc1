import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  isoAtVenue,
  kstDay,
  kstMs,
  newYorkDay,
  newYorkMs,
  stampDomestic,
  stampNewYork,
  venueDay,
  zoneOf,
} from "../../app/shared/market-time.ts";

const utc = (text: string): number => Date.parse(text);

describe("Korean time", () => {
  test("a stamp is nine hours ahead of UTC", () => {
    expect(kstMs(20260922, 140610)).toBe(utc("2026-09-22T05:06:10Z"));
    expect(kstMs(20260101, 0)).toBe(utc("2025-12-31T15:00:00Z"));
    expect(kstDay(utc("2025-12-31T15:00:00Z"))).toBe(20260101);
    expect(kstDay(utc("2025-12-31T14:59:59.999Z"))).toBe(20251231);
  });

  test.each([
    [20260922, 256199],
    [20260922, 240000],
    [20260922, 126000],
    [20260922, 120060],
    [20260922, -1],
    [20260231, 120000],
    [20261301, 120000],
    [20260900, 120000],
    [20250229, 120000],
    [0, 120000],
    [Number.NaN, 120000],
    [20260922, Number.NaN],
  ])("%d %d is no time", (day, time) => {
    expect(kstMs(day, time)).toBeNaN();
    expect(newYorkMs(day, time)).toBeNaN();
  });

  test("day and time lead back to the second they came from", () => {
    const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
    const leadsBack = fc.property(seconds, (second) => {
      const ms = second * 1_000;
      const local = new Date(ms + 9 * 3_600_000).toISOString();
      const time = Number(local.slice(11, 19).replaceAll(":", ""));
      expect(kstMs(kstDay(ms), time)).toBe(ms);
    });
    fc.assert(leadsBack, { numRuns: 2_000 });
  });
});

describe("New York time", () => {
  test("follows daylight saving", () => {
    expect(newYorkMs(20230502, 91912)).toBe(utc("2023-05-02T13:19:12Z"));
    expect(newYorkMs(20241227, 70229)).toBe(utc("2024-12-27T12:02:29Z"));
  });

  test("changes its clocks at two in the morning", () => {
    expect(newYorkMs(20260308, 15959)).toBe(utc("2026-03-08T06:59:59Z"));
    expect(newYorkMs(20260308, 30000)).toBe(utc("2026-03-08T07:00:00Z"));
    expect(newYorkMs(20261101, 5959)).toBe(utc("2026-11-01T04:59:59Z"));
    expect(newYorkMs(20261101, 13000)).toBe(utc("2026-11-01T05:30:00Z"));
    expect(newYorkMs(20261101, 20000)).toBe(utc("2026-11-01T07:00:00Z"));
  });

  test("turns the day at its own midnight", () => {
    expect(newYorkDay(utc("2026-07-01T03:59:59Z"))).toBe(20260630);
    expect(newYorkDay(utc("2026-07-01T04:00:00Z"))).toBe(20260701);
    expect(newYorkDay(utc("2026-01-02T04:59:59Z"))).toBe(20260101);
    expect(newYorkDay(utc("2026-03-09T03:59:59Z"))).toBe(20260308);
    expect(newYorkDay(utc("2026-11-02T05:00:00Z"))).toBe(20261102);
  });

  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: "America/New_York",
    dateStyle: "short",
    timeStyle: "medium",
    hourCycle: "h23",
  });
  test("agrees with the time zone database at any second", () => {
    const seconds = fc.integer({ min: 1_200_000_000, max: 2_000_000_000 });
    const agrees = fc.property(seconds, (second) => {
      const [date, time] = format.format(second * 1_000).split(", ");
      const day = Number(date!.replaceAll("-", ""));
      expect(newYorkDay(second * 1_000)).toBe(day);
      const ms = newYorkMs(day, Number(time!.replaceAll(":", "")));
      // The hour that comes twice is read as its first pass.
      expect([0, 3_600_000]).toContain(second * 1_000 - ms);
    });
    fc.assert(agrees, { numRuns: 2_000 });
  });
});

describe("a stamp without a date", () => {
  const at = (text: string) => utc(`${text}+09:00`);

  test("is of today", () => {
    const stamp = stampDomestic(90_001, at("2026-09-22T09:00:02"));
    expect(stamp).toEqual({ exchangeMs: at("2026-09-22T09:00:01"), day: 20260922 });
  });

  test("from just before midnight, read just after, is of yesterday", () => {
    const stamp = stampDomestic(235_958, at("2026-09-23T00:00:01"));
    expect(stamp).toEqual({ exchangeMs: at("2026-09-22T23:59:58"), day: 20260922 });
  });

  test("from just after midnight, read just before, is of tomorrow", () => {
    const stamp = stampDomestic(1, at("2026-09-30T23:59:59"));
    expect(stamp).toEqual({ exchangeMs: at("2026-10-01T00:00:01"), day: 20261001 });
  });

  test("five minutes are the limit on both sides", () => {
    expect(stampDomestic(235_459, at("2026-09-23T00:00:01")).day).toBe(20260923);
    expect(stampDomestic(235_959, at("2026-09-23T00:05:00")).day).toBe(20260923);
    expect(stampDomestic(500, at("2026-09-22T23:59:59")).day).toBe(20260922);
  });

  test("is dated in New York for US venues", () => {
    const stamp = stampNewYork(235_959, utc("2026-07-01T04:00:01Z"));
    expect(stamp).toEqual({ exchangeMs: utc("2026-07-01T03:59:59Z"), day: 20260630 });
  });

  test("that is no time stays none", () => {
    expect(stampDomestic(256_199, at("2026-09-22T09:00:02")).exchangeMs).toBeNaN();
  });
});

describe("venues", () => {
  test("have a zone, a day and an offset of their own", () => {
    const ms = utc("2026-07-20T02:27:55Z");
    expect(["KRX", "NXT", "UN"].map(zoneOf)).toEqual(Array(3).fill("Asia/Seoul"));
    expect(["NAS", "NYS", "AMS"].map(zoneOf)).toEqual(Array(3).fill("America/New_York"));
    expect([venueDay("KRX", ms), venueDay("NAS", ms)]).toEqual([20260720, 20260719]);
    expect(isoAtVenue("KRX", ms)).toBe("2026-07-20T11:27:55+09:00");
    expect(isoAtVenue("NYS", ms)).toBe("2026-07-19T22:27:55-04:00");
    expect(isoAtVenue("TAPE", ms + 5)).toBe("2026-07-20T02:27:55.005+00:00");
  });
});
