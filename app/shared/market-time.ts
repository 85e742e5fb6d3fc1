// Exchange time: what HHMMSS on a broker's wire means in epoch milliseconds. Brokers send local wall
// time in whole seconds, some with a date and most without. Pure: the market clock is an argument,
// nothing here reads a clock. Days are YYYYMMDD and times HHMMSS, both as plain numbers.
// What is no date or no time gives NaN, never an exception.
import type { Venue } from "./tick.ts";

export type Zone = "Asia/Seoul" | "America/New_York" | "UTC";

/** An exchange time together with the trading day it falls on. */
export interface MarketStamp {
  exchangeMs: number;
  day: number;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const KST_OFFSET_MS = 9 * HOUR_MS;
/** How far a stamp may lie on the other side of midnight from the market clock. */
const MIDNIGHT_SLACK_MS = 300_000;
const OFFSET_DAYS_MAX = 512;

/** The zone whose wall clock a venue's stamps show. A tape's own venue counts in UTC. */
export function zoneOf(venue: Venue): Zone {
  switch (venue) {
    case "KRX":
    case "NXT":
    case "UN":
      return "Asia/Seoul";
    case "NAS":
    case "NYS":
    case "AMS":
      return "America/New_York";
    default:
      return "UTC";
  }
}

/** Epoch ms of `hhmmss` on `day` in Korea; NaN when either is impossible (256199, 20260231). */
export function kstMs(day: number, hhmmss: number): number {
  return utcMidnight(day) + timeOfDayMs(hhmmss) - KST_OFFSET_MS;
}

/** The Korean calendar day at `ms`, YYYYMMDD. */
export function kstDay(ms: number): number {
  return utcDay(ms + KST_OFFSET_MS);
}

/** The Korean time of day at `ms`, HHMMSS. */
export function kstTime(ms: number): number {
  const localS = Math.floor((ms + KST_OFFSET_MS) / SECOND_MS);
  const ofDayS = localS - Math.floor((localS * SECOND_MS) / DAY_MS) * (DAY_MS / SECOND_MS);
  return Math.floor(ofDayS / 3_600) * 10_000 + (Math.floor(ofDayS / 60) % 60) * 100 + (ofDayS % 60);
}

/**
 * Epoch ms of `hhmmss` on `day` in New York, with its daylight saving. The hour that comes twice in
 * autumn is its first pass, the hour left out in spring counts as an hour earlier.
 */
export function newYorkMs(day: number, hhmmss: number): number {
  const midnightMs = utcMidnight(day);
  const timeMs = timeOfDayMs(hhmmss);
  if (Number.isNaN(midnightMs + timeMs)) return Number.NaN;
  const { morningMs, eveningMs } = newYorkOffsets(midnightMs);
  return midnightMs + timeMs - (timeMs < 2 * HOUR_MS ? morningMs : eveningMs);
}

/** The calendar day in New York at `ms`, YYYYMMDD. */
export function newYorkDay(ms: number): number {
  return utcDay(ms + newYorkOffsetMs(ms));
}

/** Epoch ms of `hhmmss` on `day` by the venue's wall clock; NaN when either is impossible. */
export function venueMs(venue: Venue, day: number, hhmmss: number): number {
  const zone = zoneOf(venue);
  if (zone === "Asia/Seoul") return kstMs(day, hhmmss);
  if (zone === "America/New_York") return newYorkMs(day, hhmmss);
  return utcMidnight(day) + timeOfDayMs(hhmmss);
}

/** The trading day of `venue` at `ms`, YYYYMMDD: the calendar day in the venue's zone. */
export function venueDay(venue: Venue, ms: number): number {
  return utcDay(ms + offsetMs(zoneOf(venue), ms));
}

/** The day `count` calendar days after `day` (before it when negative); NaN when there is no such day. */
export function addDays(day: number, count: number): number {
  return utcDay(utcMidnight(day) + count * DAY_MS);
}

/** Day of the week, 0 Sunday to 6 Saturday; NaN when there is no such day. */
export function weekdayOf(day: number): number {
  return (4 + utcMidnight(day) / DAY_MS) % 7;
}

/** Saturday or Sunday. */
export function isWeekend(day: number): boolean {
  return weekdayOf(day) % 6 === 0;
}

/**
 * Dates a Korean time of day that came without a date (KIS books, all of Kiwoom's domestic types):
 * today by the market clock, unless clock and stamp stand within five minutes of midnight on
 * different sides of it.
 */
export function stampDomestic(hhmmss: number, marketMs: number): MarketStamp {
  return nearMidnight(hhmmss, marketMs, KST_OFFSET_MS, kstMs);
}

/** As {@link stampDomestic}, for a New York time of day. */
export function stampNewYork(hhmmss: number, marketMs: number): MarketStamp {
  return nearMidnight(hhmmss, marketMs, newYorkOffsetMs(marketMs), newYorkMs);
}

/** ISO 8601 with the venue's own offset: `2026-07-20T10:27:55+09:00`. For people and for JSON. */
export function isoAtVenue(venue: Venue, ms: number): string {
  const shiftMs = offsetMs(zoneOf(venue), ms);
  const local = new Date(ms + shiftMs).toISOString();
  const minutes = Math.abs(shiftMs) / 60_000;
  const sign = shiftMs < 0 ? "-" : "+";
  const offset = `${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
  return (local.endsWith(".000Z") ? local.slice(0, 19) : local.slice(0, 23)) + offset;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

function nearMidnight(
  hhmmss: number,
  marketMs: number,
  shiftMs: number,
  toMs: (day: number, hhmmss: number) => number,
): MarketStamp {
  const localMs = marketMs + shiftMs;
  const clockMs = localMs - Math.floor(localMs / DAY_MS) * DAY_MS;
  const timeMs = timeOfDayMs(hhmmss);
  let dayMs = localMs;
  if (clockMs < MIDNIGHT_SLACK_MS && timeMs >= DAY_MS - MIDNIGHT_SLACK_MS) dayMs -= DAY_MS;
  if (clockMs >= DAY_MS - MIDNIGHT_SLACK_MS && timeMs < MIDNIGHT_SLACK_MS) dayMs += DAY_MS;
  const day = utcDay(dayMs);
  return { exchangeMs: toMs(day, hhmmss), day };
}

function timeOfDayMs(hhmmss: number): number {
  const hours = Math.floor(hhmmss / 10_000);
  const minutes = Math.floor(hhmmss / 100) % 100;
  const seconds = hhmmss % 100;
  const possible = hours >= 0 && hours < 24 && minutes < 60 && seconds < 60;
  return possible ? (hours * 3_600 + minutes * 60 + seconds) * SECOND_MS : Number.NaN;
}

// Every tick asks for the same day: the last answer of both directions is kept.
let midnightDay = 19_700_101;
let midnightMs = 0;
let dayNumber = 0;
let dayOfNumber = 19_700_101;

/** Midnight UTC of a calendar day; NaN when there is no such day. */
function utcMidnight(day: number): number {
  if (day === midnightDay) return midnightMs;
  const year = Math.floor(day / 10_000);
  const month = Math.floor(day / 100) % 100;
  const ms = Date.UTC(year, month - 1, day % 100);
  if (year < 1900 || utcDay(ms) !== day) return Number.NaN;
  midnightDay = day;
  midnightMs = ms;
  return ms;
}

function utcDay(ms: number): number {
  const number = Math.floor(ms / DAY_MS);
  if (number !== dayNumber) {
    const date = new Date(number * DAY_MS);
    dayNumber = number;
    dayOfNumber =
      date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
  }
  return dayOfNumber;
}

interface DayOffsets {
  /** Before 02:00 local, the hour at which New York changes its clocks. */
  morningMs: number;
  eveningMs: number;
}

const newYorkFormat = new Intl.DateTimeFormat("en-US", {
  timeZone: "America/New_York",
  timeZoneName: "longOffset",
});
const offsetsByDay = new Map<number, DayOffsets>();

function newYorkOffsets(dayMidnightMs: number): DayOffsets {
  let offsets = offsetsByDay.get(dayMidnightMs);
  if (!offsets) {
    if (offsetsByDay.size >= OFFSET_DAYS_MAX) offsetsByDay.clear();
    offsets = {
      // 05:00 UTC is 00:00 or 01:00 in New York, 24:00 UTC its evening.
      morningMs: lookUpOffset(dayMidnightMs + 5 * HOUR_MS),
      eveningMs: lookUpOffset(dayMidnightMs + 24 * HOUR_MS),
    };
    offsetsByDay.set(dayMidnightMs, offsets);
  }
  return offsets;
}

function lookUpOffset(ms: number): number {
  if (Number.isNaN(ms)) return ms;
  const parts = newYorkFormat.formatToParts(ms);
  const name = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  const match = /GMT([+-])(\d\d):(\d\d)/.exec(name);
  if (!match) return 0;
  return (match[1] === "-" ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) * 60_000;
}

function newYorkOffsetMs(ms: number): number {
  // Winter time places every instant on its day, or just before midnight on the day before, whose
  // evening offset then is the same.
  const dayMidnightMs = Math.floor((ms - 5 * HOUR_MS) / DAY_MS) * DAY_MS;
  const { morningMs, eveningMs } = newYorkOffsets(dayMidnightMs);
  return ms < dayMidnightMs + 2 * HOUR_MS - morningMs ? morningMs : eveningMs;
}

function offsetMs(zone: Zone, ms: number): number {
  if (zone === "Asia/Seoul") return KST_OFFSET_MS;
  return zone === "America/New_York" ? newYorkOffsetMs(ms) : 0;
}

/** `2026-11-23` as YYYYMMDD; NaN when it is no day of the calendar. */
export function dayIn(date: string): number {
  const day = /^\d{4}-\d\d-\d\d$/.test(date) ? Number(date.replaceAll("-", "")) : Number.NaN;
  return Number.isNaN(weekdayOf(day)) ? Number.NaN : day;
}
