// Months of an edge's traffic, made up from the real calendar: a rate for each market's open half days, one for
// what is there anyway, and chance around both. What the projection is measured against.
import {
  halfDaysOf,
  monthBefore,
  openShareOf,
  spanOf,
} from "../../../app/hub/query/meters/half-day.ts";
import type { HalfDay } from "../../../app/hub/query/meters/half-day.ts";
import { project } from "../../../app/hub/query/meters/projection.ts";
import type { Projection, Sample } from "../../../app/hub/query/meters/projection.ts";

export interface Traffic {
  /** YYYYMM. */
  month: number;
  /** GB a whole open half day: Korea's, New York's. */
  krx: number;
  us: number;
  /** GB a half day, whatever the market does. */
  idle: number;
  /** How far a half day may be off its rate, both ways, evenly spread. */
  noise: number;
  /** Last month's level, this month's being 1; null: the edge is new. */
  lastMonth: number | null;
  /** From this day of the month on the level is another: accounts came or went. */
  moved?: { onDay: number; level: number };
  /** The edge sends nothing before this day of the month: it was moved here. */
  fromDay?: number;
}

export function trafficOf(traffic: Traffic, random: () => number): Sample[] {
  const { month, krx, us, idle, noise, lastMonth, moved, fromDay = 1 } = traffic;
  const halves = [
    ...(lastMonth === null ? [] : halfDaysOf(monthBefore(month))),
    ...halfDaysOf(month),
  ];
  return halves.flatMap((half): Sample[] => {
    const isThis = Math.floor(half.day / 100) === month;
    const ofMonth = half.day % 100;
    if (isThis ? ofMonth < fromDay : fromDay > 1) return [];
    const level = isThis ? (moved && ofMonth >= moved.onDay ? moved.level : 1) : (lastMonth ?? 0);
    const rate = idle + openShareOf(half) * (half.isNight ? us : krx);
    const amount = level * rate * (1 + noise * (2 * random() - 1));
    return [{ ...half, amount, seen: 1 }];
  });
}

export interface Look {
  nowMs: number;
  /** Open half days of the market that uses more, whole by then. */
  openDays: number;
  /** The projection's error as a share of what the month came to. */
  error: number;
  /** The same share of what the projection itself says it may be off. */
  plusMinus: number;
  projection: Projection;
}

/** Every look at a month as it passes: at the end of each half day, and in the middle of it. */
export function looksAt(month: number, samples: readonly Sample[]): Look[] {
  const ofMonth = samples.filter(({ day }) => Math.floor(day / 100) === month);
  const truth = ofMonth.reduce((sum, { amount }) => sum + amount, 0);
  const usesNight = heavierAtNight(ofMonth);
  const first = ofMonth[0]!;
  return halfDaysOf(month).flatMap((half) => {
    const { fromMs, toMs } = spanOf(half);
    if (fromMs < spanOf(first).fromMs) return [];
    return [0.5, 1].map((share) => {
      const nowMs = fromMs + share * (toMs - fromMs) - (share === 1 ? 1 : 0);
      const projection = project(seenBy(samples, half, share), nowMs);
      const openDays = ofMonth.filter(
        (one) => one.isNight === usesNight && openShareOf(one) > 0 && spanOf(one).toMs <= nowMs + 1,
      ).length;
      const error = Math.abs(projection.projected - truth) / truth;
      return { nowMs, openDays, error, plusMinus: projection.plusMinus / truth, projection };
    });
  });
}

/** What had been counted when `share` of `now` was over; half of a day's traffic comes in its first third. */
function seenBy(samples: readonly Sample[], now: HalfDay, share: number): Sample[] {
  const startMs = spanOf(now).fromMs;
  return samples.flatMap((sample) => {
    const { fromMs } = spanOf(sample);
    if (fromMs > startMs) return [];
    if (fromMs < startMs) return [sample];
    return [{ ...sample, amount: sample.amount * share ** 0.63, seen: share }];
  });
}

function heavierAtNight(samples: readonly Sample[]): boolean {
  const sum = (isNight: boolean) =>
    samples.reduce((all, one) => all + (one.isNight === isNight ? one.amount : 0), 0);
  return sum(true) > sum(false);
}

/** Months of the calendar, YYYYMM, both included. */
export function monthsBetween(first: number, last: number): number[] {
  const months: number[] = [];
  for (let month = first; month <= last; month += month % 100 === 12 ? 89 : 1) months.push(month);
  return months;
}
