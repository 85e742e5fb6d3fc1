// The calendar of the meters. A half day begins at 07:00 or 21:00 in Seoul: the first has Korea's sessions
// whole, the second New York's, in summer and winter time. So each has one market, and a rate of its own for
// days on which that market is open. A month is the half days that begin in it. Pure.
import { marketDay, sessionsOf } from "../../../shared/calendar.ts";
import { addDays } from "../../../shared/market-time.ts";

export interface HalfDay {
  /** YYYYMMDD of the day it began on in Seoul. */
  day: number;
  isNight: boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 07:00 in Seoul is 22:00 UTC of the day before. */
const SHIFT_MS = 2 * HOUR_MS;
const DAY_HOURS = 14;
/** What a whole regular session has, in ms: 09:00 to 15:20 in Seoul, 09:30 to 16:00 in New York. */
const REGULAR_MS = { KRX: 380 * 60_000, NAS: 390 * 60_000 };

export function halfDayAt(ms: number): HalfDay {
  const shiftedMs = ms + SHIFT_MS;
  const date = new Date(shiftedMs);
  const day = date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
  return { day, isNight: date.getUTCHours() >= DAY_HOURS };
}

export function spanOf({ day, isNight }: HalfDay): { fromMs: number; toMs: number } {
  const date = Date.UTC(Math.floor(day / 10_000), (Math.floor(day / 100) % 100) - 1, day % 100);
  const fromMs = date - SHIFT_MS + (isNight ? DAY_HOURS * HOUR_MS : 0);
  return { fromMs, toMs: isNight ? date - SHIFT_MS + DAY_MS : fromMs + DAY_HOURS * HOUR_MS };
}

/** All of a month, YYYYMM, in their order. */
export function halfDaysOf(month: number): HalfDay[] {
  const days: HalfDay[] = [];
  for (let day = month * 100 + 1; Math.floor(day / 100) === month; day = addDays(day, 1)) {
    days.push({ day, isNight: false }, { day, isNight: true });
  }
  return days;
}

export function monthOf({ day }: HalfDay): number {
  return Math.floor(day / 100);
}

export function monthBefore(month: number): number {
  return month % 100 === 1 ? month - 89 : month - 1;
}

export function keyOf({ day, isNight }: HalfDay): string {
  return `${day}${isNight ? "n" : "d"}`;
}

/** Asked of the same few months again and again, by every meter. */
const shares = new Map<string, number>();
const SHARES_MAX = 1_000;

/** How much of a regular session the half day's market holds: 0 closed, 1 whole, less where it opens late or ends early. */
export function openShareOf(half: HalfDay): number {
  const key = keyOf(half);
  let share = shares.get(key);
  if (share === undefined) {
    if (shares.size >= SHARES_MAX) shares.clear();
    shares.set(key, (share = findOpenShare(half)));
  }
  return share;
}

function findOpenShare({ day, isNight }: HalfDay): number {
  const venue = isNight ? "NAS" : "KRX";
  if (!marketDay(venue, day).isTrading) return 0;
  const regular = sessionsOf(venue, day).filter(({ kind }) => kind === "regular");
  const openMs = regular.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  return Math.min(1, openMs / REGULAR_MS[venue]);
}
