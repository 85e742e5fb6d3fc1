// What a counter will have come to by the end of the month. Open and closed half days of either market have a
// rate each, from this month's own whole ones; last month's help while they are few and say the same. Pure.
// Promises: it never projects less than what is used, and says how far off it may be.
import { halfDayAt, halfDaysOf, keyOf, monthOf, openShareOf, spanOf } from "./half-day.ts";
import type { HalfDay } from "./half-day.ts";

/** What was used in one half day. */
export interface Sample extends HalfDay {
  amount: number;
  /** Share of the half day in which it was counted at all. */
  seen: number;
}

export interface Projection {
  /** This month so far. */
  used: number;
  /** At the month's end. */
  projected: number;
  /** Two standard errors of it. */
  plusMinus: number;
  /** Whole open half days it rests on, of this month and of the last. */
  openDays: number;
  openDaysBefore: number;
  /** Whole open half days since the change on purpose. */
  openDaysSince: number;
}

/** Less of a half day says too little of its rate. */
const WHOLE = 0.9;
/** A level that rose or fell by so much for two open days in a row is a new one: accounts moved. */
const MOVED_RATIO = 1.5;
const MOVED_DAYS = 2;
const COMPARED_DAYS = 5;
/** This month's own samples that can do without last month's. */
const OWN_ENOUGH = 3;
/** Spread of a rate that too few samples tell, and of one that only a guess does. */
const SPREAD_UNKNOWN = 0.25;
const SPREAD_GUESSED = 1;
/** Of an open half day's rate: a closed one's, before any was seen. */
const CLOSED_GUESS = 0.15;

interface Rate {
  mean: number;
  /** Of one half day around the mean. */
  spread: number;
  /** Of the mean itself. */
  error: number;
  own: number;
  before: number;
}

export interface ProjectOptions {
  /** Nothing will be added: the edge is no more. */
  isGone?: boolean;
  /** The day (YYYYMMDD) on which what is counted was made less or more on purpose. */
  changedOn?: number;
}

/** `samples`: of this month and the last, in any order, one a half day. */
export function project(
  samples: readonly Sample[],
  nowMs: number,
  { isGone = false, changedOn = 0 }: ProjectOptions = {},
): Projection {
  const now = halfDayAt(nowMs);
  const month = monthOf(now);
  const byKey = new Map(samples.map((sample) => [keyOf(sample), sample]));
  const used = samples.reduce((sum, one) => sum + (monthOf(one) === month ? one.amount : 0), 0);
  const { rates, openDaysSince } = ratesOf(samples, now, changedOn);
  let left = 0;
  let variance = 0;
  const errors = new Map<Rate, number>();
  for (const half of isGone ? [] : halfDaysOf(month)) {
    const { fromMs, toMs } = spanOf(half);
    if (toMs <= nowMs) continue;
    const open = openShareOf(half);
    const { closed, opened } = half.isNight ? rates.night : rates.day;
    const expected = closed.mean + open * (opened.mean - closed.mean);
    const isRunning = fromMs <= nowMs;
    // What came today already is part of what was expected of today.
    const ahead = isRunning
      ? remainder(expected, byKey.get(keyOf(half)), (nowMs - fromMs) / (toMs - fromMs))
      : expected;
    left += ahead;
    const share = expected > 0 ? ahead / expected : 0;
    for (const [rate, weight] of [
      [closed, 1 - open],
      [opened, open],
    ] as const) {
      errors.set(rate, (errors.get(rate) ?? 0) + share * weight);
      variance += (share * weight * rate.spread) ** 2;
    }
  }
  for (const [rate, weight] of errors) variance += (weight * rate.error) ** 2;
  const opened = [rates.day.opened, rates.night.opened];
  return {
    used,
    projected: used + left,
    plusMinus: 2 * Math.sqrt(variance),
    openDays: Math.max(...opened.map(({ own }) => own)),
    openDaysBefore: Math.max(...opened.map(({ before }) => before)),
    openDaysSince,
  };
}

function remainder(expected: number, sample: Sample | undefined, elapsed: number): number {
  const used = sample?.amount ?? 0;
  // A counter that began within the half day missed the part before.
  const seen = Math.min(1, elapsed > 0 ? (sample?.seen ?? 0) / elapsed : 1);
  return Math.max(0, seen * (expected - used) + (1 - seen) * expected * (1 - elapsed));
}

interface MarketRates {
  opened: Rate;
  closed: Rate;
}

interface FoundRates {
  opened: Rate;
  closed: Rate | null;
}

function ratesOf(samples: readonly Sample[], now: HalfDay, changedOn: number) {
  const whole = samples
    .filter((sample) => sample.seen >= WHOLE && keyOf(sample) !== keyOf(now))
    .sort((a, b) => a.day - b.day || Number(a.isNight) - Number(b.isNight));
  const sinceChange = whole.filter((one) => one.day > changedOn && openShareOf(one) > 0).length;
  const since = Math.max(movedOn(whole), sinceChange > 0 ? changedOn + 1 : 0);
  const place = { month: monthOf(now), since, fallback: perHalfDay(samples) };
  const of = (isNight: boolean) =>
    marketRates(
      whole.filter((sample) => sample.isNight === isNight),
      place,
    );
  const [day, night] = [of(false), of(true)];
  return {
    rates: { day: withClosed(day, night), night: withClosed(night, day) },
    openDaysSince: sinceChange,
  };
}

/** No closed half day seen: at most what the other market's half days have, whose own traffic may be none. */
function withClosed({ opened, closed }: FoundRates, other: FoundRates): MarketRates {
  if (closed) return { opened, closed };
  const idle = Math.min(other.closed?.mean ?? Infinity, other.opened.mean);
  return { opened, closed: guess(Math.min(opened.mean * CLOSED_GUESS, idle)) };
}

/** Of one market's half days. What was before `since` counts only where nothing came after. */
function marketRates(
  mine: readonly Sample[],
  { month, since, fallback }: { month: number; since: number; fallback: number },
): FoundRates {
  const rateSince = (kind: readonly Sample[]) =>
    rateOf(
      kind.filter(({ day }) => day >= since),
      month,
    ) ?? rateOf(kind, month);
  const closed = rateSince(mine.filter((sample) => openShareOf(sample) === 0));
  const idle = closed?.mean ?? 0;
  // A short session's amount as a whole one's.
  const opened = rateSince(
    mine.flatMap((sample) => {
      const open = openShareOf(sample);
      return open === 0 ? [] : [{ ...sample, amount: idle + (sample.amount - idle) / open }];
    }),
  );
  return { opened: opened ?? guess(fallback), closed };
}

function guess(mean: number): Rate {
  const off = Math.abs(mean) * SPREAD_GUESSED;
  return { mean, spread: off, error: off, own: 0, before: 0 };
}

/** Before any half day was seen whole: what was seen, spread over the time in which it was. */
function perHalfDay(samples: readonly Sample[]): number {
  const seen = samples.reduce((sum, sample) => sum + sample.seen, 0);
  const amount = samples.reduce((sum, sample) => sum + sample.amount, 0);
  return seen > 0.05 ? amount / seen : 0;
}

/** The rate of one kind of half day; null when none was seen. `samples` in their order. */
function rateOf(samples: readonly Sample[], month: number): Rate | null {
  const own = samples.filter((sample) => monthOf(sample) === month).map(({ amount }) => amount);
  const before = samples.filter((sample) => monthOf(sample) < month).map(({ amount }) => amount);
  if (own.length + before.length === 0) return null;
  if (before.length === 0) return rate(own, []);
  if (own.length === 0) return { ...rate([], before), error: errorOf(before, 1) };
  if (own.length < OWN_ENOUGH) return rate(own, before, OWN_ENOUGH - own.length);
  // As many of last month's as of this month's own, while both say the same.
  const spread = Math.max(spreadOf(own), spreadOf(before));
  const off = spread * Math.sqrt(1 / own.length + 1 / before.length);
  const isSame = Math.abs(meanOf(own) - meanOf(before)) <= 2 * off;
  return isSame ? rate(own, before, Math.min(own.length, before.length)) : rate(own, []);
}

/** The mean of `own`, and of `before` as if they were `weight` samples. */
function rate(own: readonly number[], before: readonly number[], weight = before.length): Rate {
  const count = own.length + weight;
  const mean = (own.length * meanOf(own) + weight * meanOf(before)) / count;
  const spread =
    own.length >= OWN_ENOUGH || before.length >= OWN_ENOUGH
      ? Math.max(
          own.length >= OWN_ENOUGH ? spreadOf(own) : 0,
          before.length >= OWN_ENOUGH ? spreadOf(before) : 0,
        )
      : Math.abs(mean) * SPREAD_UNKNOWN;
  const error = spread / Math.sqrt(count);
  return { mean, spread, error, own: own.length, before: weight > 0 ? before.length : 0 };
}

/** A month of its own has a level of its own: how far the last one's mean may be off as this one's. */
function errorOf(before: readonly number[], months: number): number {
  const mean = Math.abs(meanOf(before));
  return Math.hypot(spreadOf(before) / Math.sqrt(before.length), months * 0.1 * mean);
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spreadOf(values: readonly number[]): number {
  if (values.length < 2) return Math.abs(values[0] ?? 0) * SPREAD_UNKNOWN;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * The day since which the level is what it is now: an account came or went, and what was before says nothing.
 * Judged by the open half days of the market that uses more. 0: since ever.
 */
function movedOn(whole: readonly Sample[]): number {
  const opened = whole.filter((sample) => openShareOf(sample) === 1);
  const total = (isNight: boolean) =>
    opened.reduce((sum, one) => sum + (one.isNight === isNight ? one.amount : 0), 0);
  const isNight = total(true) > total(false);
  const mine = opened.filter((sample) => sample.isNight === isNight);
  for (let at = mine.length - MOVED_DAYS; at >= MOVED_DAYS; at--) {
    const before = mine.slice(Math.max(0, at - COMPARED_DAYS), at).map(({ amount }) => amount);
    const after = mine.slice(at, at + COMPARED_DAYS).map(({ amount }) => amount);
    const [low, high] = [meanOf(before), meanOf(after)];
    const rose = high > low * MOVED_RATIO && Math.min(...after) > Math.max(...before);
    const fell = high * MOVED_RATIO < low && Math.max(...after) < Math.min(...before);
    if (rose || fell) return mine[at]!.day;
  }
  return 0;
}
