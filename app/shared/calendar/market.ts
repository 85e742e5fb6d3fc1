// What one market tells the calendar: which weekdays it is closed, and its timetable by the wall
// clock. Korea's and New York's tables have this shape; app/shared/calendar.ts turns it into instants.

/** A calendar day, YYYYMMDD as a number. */
export type Day = number;

/**
 * `pre` and `after` are what the venue calls so: at KRX, `pre` trades at the previous close.
 * `closing_price` trades at the day's close; `single_price` gathers orders for auctions.
 */
export type SessionKind =
  | "pre"
  | "opening_auction"
  | "regular"
  | "closing_auction"
  | "closing_price"
  | "after"
  | "single_price";

/** One row of a timetable; `from` and `to` are HHMMSS by the venue's wall clock, `to` excluded. */
export interface TimetableRow {
  kind: SessionKind;
  from: number;
  to: number;
  /** Orders are matched as they come, so trades may happen at any moment. */
  continuous: boolean;
}

/** The days, both included, for which a market's tables are complete. */
export interface Horizon {
  fromDay: Day;
  untilDay: Day;
}

export interface Market {
  horizon: Horizon;
  /** Why the market stays closed on this weekday, null when it opens. Weekends are closed anyway. */
  closure: (day: Day) => string | null;
  /** The sessions of a day on which the market opens, in the order of their starts. */
  timetable: (day: Day) => readonly TimetableRow[];
}

/** A day on which a market was closed outside every rule, and who says so. */
export interface SpecialClosure {
  day: Day;
  name: string;
  source: string;
}
