// The market calendar: when a venue has which session, and whether trades are due right now. It stands
// beside the tick's path: coverage asks it what was not to be expected, the watchdog whether silence
// means anything. Pure: the instant is an argument. It never guesses unmarked: outside the days that
// its tables cover, every answer carries `isCertain: false`, and the short questions say "unknown".
// docs/calendar.md has the hours, their sources, and how to extend the tables.
import assert from "node:assert/strict";

import { KRX, NXT } from "./calendar/korea.ts";
import type { Day, Horizon, Market, SessionKind } from "./calendar/market.ts";
import { NEW_YORK } from "./calendar/new-york.ts";
import { addDays, isWeekend, venueDay, venueMs, weekdayOf } from "./market-time.ts";
import type { Venue } from "./tick.ts";

/** One session of one day; `toMs` is the first instant after it. Epoch ms. */
export interface TradingSession {
  /** The market that holds it: for UN either KRX or NXT, else the venue asked for. */
  venue: Venue;
  kind: SessionKind;
  fromMs: number;
  toMs: number;
  /** Orders are matched as they come, so trades may happen at any moment. */
  continuous: boolean;
  isCertain: boolean;
}

/** What the calendar knows of one day at one venue. */
export interface MarketDay {
  day: Day;
  isTrading: boolean;
  /** False where the tables do not reach: then `isTrading` only says "a weekday". */
  isCertain: boolean;
  /** Why it does not trade (a holiday's own name), or why that is not known; empty on a trading day. */
  reason: string;
}

/** What is going on at one instant. */
export interface Phase extends MarketDay {
  /** Where two run at once, the continuous one, else the one listed first; null between sessions. */
  session: TradingSession | null;
}

/** Three answers, so that nobody takes "not known" for yes or for no. */
export type Answer = "yes" | "no" | "unknown";

/** Longest search for the next trading day; the longest closure so far, in 2017, had ten days. */
const SEARCH_DAYS_MAX = 31;

/** The markets behind a venue; UN is what KRX and NXT do together. */
const MARKETS: ReadonlyMap<Venue, readonly (readonly [Venue, Market])[]> = new Map([
  ["KRX", [["KRX", KRX]]],
  ["NXT", [["NXT", NXT]]],
  [
    "UN",
    [
      ["KRX", KRX],
      ["NXT", NXT],
    ],
  ],
  ["NAS", [["NAS", NEW_YORK]]],
  ["NYS", [["NYS", NEW_YORK]]],
  ["AMS", [["AMS", NEW_YORK]]],
]);

/**
 * The days a venue's tables cover, both included, or null for a venue without a calendar. Worth a
 * warning some weeks before `untilDay`.
 */
export function horizonOf(venue: Venue): Horizon | null {
  return MARKETS.get(venue)?.[0]?.[1].horizon ?? null;
}

/** Whether `venue` trades on `day` (YYYYMMDD), how sure that is, and why not. */
export function marketDay(venue: Venue, day: Day): MarketDay {
  const markets = MARKETS.get(venue) ?? [];
  const days = markets.map(([, market]) => dayOf(market, day));
  return (
    days.find((one) => one.isTrading) ??
    days[0] ?? { day, isTrading: false, isCertain: false, reason: `no calendar for ${venue}` }
  );
}

/** The short form of {@link marketDay}. */
export function isTradingDay(venue: Venue, day: Day): Answer {
  const { isTrading, isCertain } = marketDay(venue, day);
  return answer(isTrading, isCertain);
}

/**
 * The sessions of `day` in the order of their starts; none on a closed day. They do not overlap, but
 * for KRX's `pre` inside its `opening_auction`, and for UN, which lists both markets'.
 */
export function sessionsOf(venue: Venue, day: Day): TradingSession[] {
  const sessions: TradingSession[] = [];
  for (const [name, market] of MARKETS.get(venue) ?? []) {
    const { isTrading, isCertain } = dayOf(market, day);
    if (!isTrading) continue;
    for (const { kind, from, to, continuous } of market.timetable(day)) {
      const fromMs = venueMs(name, day, from);
      const toMs = venueMs(name, day, to);
      sessions.push({ venue: name, kind, fromMs, toMs, continuous, isCertain });
    }
  }
  return sessions.sort((one, other) => one.fromMs - other.fromMs);
}

/** Day and session of `venue` at `ms` (epoch ms). */
export function phaseAt(venue: Venue, ms: number): Phase {
  const day = marketDay(venue, venueDay(venue, ms));
  const running = sessionsOf(venue, day.day).filter(
    ({ fromMs, toMs }) => fromMs <= ms && ms < toMs,
  );
  const session = running.find(({ continuous }) => continuous) ?? running[0] ?? null;
  return { ...day, session };
}

/**
 * Whether the venue as a whole is in continuous trading at `ms`, so that silence is suspicious. Says
 * nothing of one symbol: halts, VI and what is left out of a session (ETFs after hours) are not here.
 */
export function expectsTrades(venue: Venue, ms: number): Answer {
  const { session, isCertain } = phaseAt(venue, ms);
  return answer(session?.continuous ?? false, isCertain);
}

/** The first trading day after `day`; null when there is none within a month (no such venue yet). */
export function nextTradingDay(venue: Venue, day: Day): MarketDay | null {
  return searchTradingDay(venue, day, 1);
}

/** The last trading day before `day`; null when there is none within a month. */
export function previousTradingDay(venue: Venue, day: Day): MarketDay | null {
  return searchTradingDay(venue, day, -1);
}

/** The sessions that share an instant with [fromMs, toMs), whole, in the order of their starts. */
export function sessionsBetween(venue: Venue, fromMs: number, toMs: number): TradingSession[] {
  assert(Number.isFinite(fromMs) && Number.isFinite(toMs), "an interval has two ends");
  const sessions: TradingSession[] = [];
  const lastDay = venueDay(venue, toMs);
  for (let day = venueDay(venue, fromMs); day <= lastDay; day = addDays(day, 1))
    sessions.push(
      ...sessionsOf(venue, day).filter((session) => session.fromMs < toMs && fromMs < session.toMs),
    );
  return sessions;
}

function dayOf(market: Market, day: Day): MarketDay {
  if (Number.isNaN(weekdayOf(day)))
    return { day, isTrading: false, isCertain: false, reason: "no such day" };
  const { fromDay, untilDay } = market.horizon;
  const isCertain = fromDay <= day && day <= untilDay;
  const closure = isWeekend(day) ? "weekend" : market.closure(day);
  if (closure !== null) return { day, isTrading: false, isCertain, reason: closure };
  const reason = isCertain ? "" : `the calendar covers ${fromDay} to ${untilDay}`;
  return { day, isTrading: true, isCertain, reason };
}

function searchTradingDay(venue: Venue, from: Day, step: 1 | -1): MarketDay | null {
  let isCertain = true;
  for (let count = 1; count <= SEARCH_DAYS_MAX; count++) {
    const day = marketDay(venue, addDays(from, step * count));
    isCertain &&= day.isCertain;
    if (day.isTrading) return { ...day, isCertain };
  }
  return null;
}

function answer(yes: boolean, isCertain: boolean): Answer {
  if (!isCertain) return "unknown";
  return yes ? "yes" : "no";
}
