// Weekly and daily windows in Korean time in which people work on the system and alerts are held back. Pure.
import { kstDay, weekdayOf } from "./market-time.ts";

/** `day` counts from Sunday, 0; null: every day. Minutes of the day; a window over midnight ends the day after. */
export interface MaintenanceWindow {
  day: number | null;
  fromMinute: number;
  toMinute: number;
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FORM =
  /^(daily|sun|mon|tue|wed|thu|fri|sat) ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/i;
const DAY_MINUTES = 1_440;
const KST_MS = 9 * 3_600_000;
const MINUTE_MS = 60_000;

/** `sun 02:00-04:00`, `daily 23:50-00:10`; null for anything else, and for a window without length. */
export function parseWindow(text: string): MaintenanceWindow | null {
  const [, day, fromHour, fromMinutes, toHour, toMinutes] = FORM.exec(text) ?? [];
  if (day === undefined) return null;
  const fromMinute = Number(fromHour) * 60 + Number(fromMinutes);
  const toMinute = Number(toHour) * 60 + Number(toMinutes);
  if (fromMinute === toMinute) return null;
  const index = DAYS.indexOf(day.toLowerCase());
  return { day: index < 0 ? null : index, fromMinute, toMinute };
}

/** Whether one of the windows is open at `nowMs`. */
export function isInWindow(windows: readonly MaintenanceWindow[], nowMs: number): boolean {
  const minute = Math.floor((nowMs + KST_MS) / MINUTE_MS) % DAY_MINUTES;
  const today = weekdayOf(kstDay(nowMs));
  return windows.some(({ day, fromMinute, toMinute }) => {
    const isDay = (which: number) => day === null || day === which;
    if (fromMinute < toMinute) return isDay(today) && fromMinute <= minute && minute < toMinute;
    const yesterday = (today + 6) % 7;
    return (isDay(today) && minute >= fromMinute) || (isDay(yesterday) && minute < toMinute);
  });
}
