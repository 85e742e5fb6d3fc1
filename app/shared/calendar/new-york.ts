// The New York markets (NYSE, Nasdaq, NYSE American), which close on the same days. All but days of
// mourning follow from NYSE Rule 7.2, so there is a rule for each holiday and no list of years.
import { addDays, weekdayOf } from "../market-time.ts";
import type { Day, Market, SpecialClosure, TimetableRow } from "./market.ts";

const MONDAY = 1;
const THURSDAY = 4;

interface Holiday {
  name: string;
  /** First year in which the exchanges kept it, where that lies inside the horizon. */
  since?: number;
  dayOf: (year: number) => Day;
}

const HOLIDAYS: readonly Holiday[] = [
  { name: "New Year's Day", dayOf: (year) => sundayToMonday(year * 1_00_00 + 1_01) },
  { name: "Martin Luther King Jr. Day", dayOf: (year) => nthWeekday(year, 1, MONDAY, 3) },
  { name: "Washington's Birthday", dayOf: (year) => nthWeekday(year, 2, MONDAY, 3) },
  { name: "Good Friday", dayOf: (year) => addDays(easterSunday(year), -2) },
  { name: "Memorial Day", dayOf: (year) => addDays(nthWeekday(year, 6, MONDAY, 1), -7) },
  { name: "Juneteenth", since: 2022, dayOf: (year) => observed(year * 1_00_00 + 6_19) },
  { name: "Independence Day", dayOf: (year) => observed(year * 1_00_00 + 7_04) },
  { name: "Labor Day", dayOf: (year) => nthWeekday(year, 9, MONDAY, 1) },
  { name: "Thanksgiving Day", dayOf: thanksgiving },
  { name: "Christmas Day", dayOf: (year) => observed(year * 1_00_00 + 12_25) },
];

const SPECIAL_CLOSURES: readonly SpecialClosure[] = [
  { day: 20181205, name: "Mourning for George H. W. Bush", source: "NYSE and Nasdaq, 2018-12-01" },
  { day: 20250109, name: "Mourning for Jimmy Carter", source: "NYSE and Nasdaq, 2024-12-30" },
];

const FULL_DAY: readonly TimetableRow[] = [
  { kind: "pre", from: 4_00_00, to: 9_30_00, continuous: true },
  { kind: "regular", from: 9_30_00, to: 16_00_00, continuous: true },
  { kind: "after", from: 16_00_00, to: 20_00_00, continuous: true },
];
const SHORT_DAY: readonly TimetableRow[] = [
  { kind: "pre", from: 4_00_00, to: 9_30_00, continuous: true },
  { kind: "regular", from: 9_30_00, to: 13_00_00, continuous: true },
  { kind: "after", from: 13_00_00, to: 17_00_00, continuous: true },
];

export const NEW_YORK: Market = {
  // NYSE announces three years at a time; the newest notice (2025-12-23) ends with 2028.
  horizon: { fromDay: 20150101, untilDay: 20281231 },
  closure: newYorkClosure,
  timetable: (day) => (closesEarly(day) ? SHORT_DAY : FULL_DAY),
};

function newYorkClosure(day: Day): string | null {
  const year = Math.floor(day / 1_00_00);
  const special = SPECIAL_CLOSURES.find((closure) => closure.day === day);
  const holiday = HOLIDAYS.find(({ since = 0, dayOf }) => year >= since && dayOf(year) === day);
  return special?.name ?? holiday?.name ?? null;
}

/** At 13:00 before Independence Day and Christmas, and after Thanksgiving. For open days only. */
function closesEarly(day: Day): boolean {
  const year = Math.floor(day / 1_00_00);
  const monthDay = day % 1_00_00;
  return monthDay === 7_03 || monthDay === 12_24 || day === addDays(thanksgiving(year), 1);
}

/** The Friday before a Saturday holiday, the Monday after a Sunday one. */
function observed(day: Day): Day {
  return weekdayOf(day) === 6 ? addDays(day, -1) : sundayToMonday(day);
}

/** New Year's on a Saturday is not made up for: the Friday closes the books of the old year. */
function sundayToMonday(day: Day): Day {
  return weekdayOf(day) === 0 ? addDays(day, 1) : day;
}

function thanksgiving(year: number): Day {
  return nthWeekday(year, 11, THURSDAY, 4);
}

function nthWeekday(year: number, month: number, weekday: number, nth: number): Day {
  const first = year * 1_00_00 + month * 100 + 1;
  return first + ((weekday - weekdayOf(first) + 7) % 7) + (nth - 1) * 7;
}

/** Gregorian Easter by Oudin's algorithm (US Naval Observatory): days from March 28 to its Sunday. */
function easterSunday(year: number): Day {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const leapCenturies = century - Math.floor(century / 4);
  const moonShift = Math.floor((century - Math.floor((century - 17) / 25)) / 3);
  const epact = (leapCenturies - moonShift + 19 * golden + 15) % 30;
  const isLate = epact === 29 || (epact === 28 && golden > 10);
  const fullMoon = isLate ? epact - 1 : epact;
  const toSunday = (year + Math.floor(year / 4) + fullMoon + 2 - leapCenturies) % 7;
  return addDays(year * 1_00_00 + 3_28, fullMoon - toSunday);
}
