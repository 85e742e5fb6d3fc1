// The Korean markets: KRX and the alternative venue NXT. Both close on the same days. Public holidays
// come from the gazette's almanac (npm package), KRX's own closures by rule, the rest from a table.
// Hours are those of shares; docs/calendar.md names the source of each change.
import * as almanac from "@hyunbinseo/holidays-kr/all";

import { addDays, isWeekend } from "../market-time.ts";
import { EXAM_DAYS, KOREAN_CLOSURES } from "./korea-days.ts";
import type { Day, Horizon, Market, TimetableRow } from "./market.ts";

const HOUR = 1_00_00;
const NXT_FIRST_DAY = 20250304;

const almanacHolidays = Object.values<Readonly<Record<string, readonly string[]>>>(almanac)
  .flatMap((year) => Object.entries(year))
  .map(([date, names]): [Day, string] => [Number(date.replaceAll("-", "")), names.join(", ")]);
const publicHolidays = new Map<Day, string>([
  ...almanacHolidays,
  ...KOREAN_CLOSURES.map(({ day, name }): [Day, string] => [day, name]),
]);

/** Both the almanac and the exam table have to reach a year before the calendar vouches for it. */
const horizon: Horizon = {
  fromDay: 20150101,
  untilDay:
    Math.min(lastYear(almanacHolidays.map(([day]) => day)), lastYear(EXAM_DAYS)) * 1_00_00 + 12_31,
};

/** One set of hours, in force from `since` on. */
interface Era {
  since: Day;
  rows: readonly TimetableRow[];
}

const LONG_OPENING: readonly TimetableRow[] = [
  { kind: "pre", from: 7_30_00, to: 8_30_00, continuous: false },
  { kind: "opening_auction", from: 8_00_00, to: 9_00_00, continuous: false },
];
const SHORT_OPENING: readonly TimetableRow[] = [
  { kind: "pre", from: 8_30_00, to: 8_40_00, continuous: false },
  { kind: "opening_auction", from: 8_30_00, to: 9_00_00, continuous: false },
];
const DAY_UNTIL_1530: readonly TimetableRow[] = [
  { kind: "regular", from: 9_00_00, to: 15_20_00, continuous: true },
  { kind: "closing_auction", from: 15_20_00, to: 15_30_00, continuous: false },
  { kind: "closing_price", from: 15_40_00, to: 16_00_00, continuous: false },
];
const SINGLE_PRICE: TimetableRow = {
  kind: "single_price",
  from: 16_00_00,
  to: 18_00_00,
  continuous: false,
};

/** Newest first. */
const KRX_ERAS: readonly Era[] = [
  {
    since: 20260914,
    rows: [
      ...SHORT_OPENING,
      ...DAY_UNTIL_1530,
      { kind: "after", from: 16_00_00, to: 20_00_00, continuous: true },
    ],
  },
  { since: 20190429, rows: [...SHORT_OPENING, ...DAY_UNTIL_1530, SINGLE_PRICE] },
  { since: 20160801, rows: [...LONG_OPENING, ...DAY_UNTIL_1530, SINGLE_PRICE] },
  {
    since: 0,
    rows: [
      ...LONG_OPENING,
      { kind: "regular", from: 9_00_00, to: 14_50_00, continuous: true },
      { kind: "closing_auction", from: 14_50_00, to: 15_00_00, continuous: false },
      { kind: "closing_price", from: 15_10_00, to: 15_30_00, continuous: false },
      { ...SINGLE_PRICE, from: 15_30_00 },
    ],
  },
];

const NXT_ROWS: readonly TimetableRow[] = [
  { kind: "pre", from: 8_00_00, to: 8_50_00, continuous: true },
  { kind: "regular", from: 9_00_30, to: 15_20_00, continuous: true },
  { kind: "single_price", from: 15_30_00, to: 15_40_00, continuous: false },
  { kind: "after", from: 15_40_00, to: 20_00_00, continuous: true },
];

export const KRX: Market = {
  horizon,
  closure: koreanClosure,
  timetable: (day) => delayed(day, KRX_ERAS.find((era) => day >= era.since)!.rows),
};

export const NXT: Market = {
  horizon,
  closure: (day) =>
    day < NXT_FIRST_DAY ? "NXT did not exist before 2025-03-04" : koreanClosure(day),
  timetable: (day) =>
    delayed(day, startsLate(day) ? NXT_ROWS.filter((row) => row.kind !== "pre") : NXT_ROWS),
};

function koreanClosure(day: Day): string | null {
  const holiday = publicHolidays.get(day);
  if (holiday !== undefined) return holiday;
  if (day % 1_00_00 === 5_01) return "근로자의 날";
  return isYearEndClosing(day) ? "연말 휴장일" : null;
}

/** KRX closes on December 31, or on the last weekday before it that is no holiday. */
function isYearEndClosing(day: Day): boolean {
  if (Math.floor(day / 100) % 100 !== 12) return false;
  let last = Math.floor(day / 100) * 100 + 31;
  while (isWeekend(last) || publicHolidays.has(last)) last = addDays(last, -1);
  return day === last;
}

function startsLate(day: Day): boolean {
  return EXAM_DAYS.includes(day) || isFirstOfYear(day);
}

/** Whether the market opened on no earlier day of this January. */
function isFirstOfYear(day: Day): boolean {
  const newYear = Math.floor(day / 1_00_00) * 1_00_00 + 1_01;
  if (day > newYear + 10) return false;
  for (let earlier = newYear; earlier < day; earlier++)
    if (!isWeekend(earlier) && koreanClosure(earlier) === null) return false;
  return true;
}

/**
 * The day's rows with its delay. On an exam day everything comes an hour later, and only the evening's
 * end stays. On the year's first day the opening ceremony moves the open, and nothing after it.
 */
function delayed(day: Day, rows: readonly TimetableRow[]): readonly TimetableRow[] {
  if (!startsLate(day)) return rows;
  const isExam = EXAM_DAYS.includes(day);
  const open = rows.findIndex((row) => row.kind === "regular");
  return rows.map((row, at) => {
    const startMoves = isExam || at <= open;
    const endMoves = isExam ? at < rows.length - 1 : at < open;
    return {
      ...row,
      from: row.from + (startMoves ? HOUR : 0),
      to: row.to + (endMoves ? HOUR : 0),
    };
  });
}

function lastYear(days: readonly Day[]): number {
  return Math.floor(Math.max(...days) / 1_00_00);
}
