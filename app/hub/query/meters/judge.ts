// When a meter is an alarm, and what an edge over its budget is told to do without. Pure; both with
// hysteresis, so that a figure near its limit does not come and go.
import { SHEDDING } from "../../../shared/meters.ts";
import type { Shedding } from "../../../shared/meters.ts";

export type MeterState = "ok" | "warn" | "over";

/** The alarm that stands; none is ok. Days as YYYYMMDD. */
export interface Alarm {
  state: Exclude<MeterState, "ok">;
  toldOn: number;
}

export interface Reading {
  used: number;
  projected: number;
  limit: number;
  /** Whether an open half day was seen whole: before, only what is used counts. */
  isFounded: boolean;
}

/** Shares of the limit. An alarm ends below the second figure. */
const WARN = { from: 0.8, until: 0.75 };
const OVER = { from: 1, until: 0.95 };

/**
 * warn: the projection or the use is at 80 % of the limit. over: the use is at 100 %. `tell` is true once a
 * day, and when it gets worse.
 */
export function judge(
  standing: Alarm | null,
  { used, projected, limit, isFounded }: Reading,
  day: number,
): { alarm: Alarm | null; tell: boolean } {
  const before = standing?.state ?? "ok";
  const use = shareOf(used, limit);
  const warned = Math.max(use, isFounded ? shareOf(projected, limit) : 0);
  const isOver = use >= (before === "over" ? OVER.until : OVER.from);
  const isWarn = warned >= (before === "ok" ? WARN.from : WARN.until);
  if (!isOver && !isWarn) return { alarm: null, tell: false };
  const state = isOver ? "over" : "warn";
  const isWorse = before === "ok" || (before === "warn" && state === "over");
  const tell = isWorse || standing === null || standing.toldOn !== day;
  return { alarm: { state, toldOn: tell ? day : standing.toldOn }, tell };
}

/** Of a limit of nothing, anything is over. */
export function shareOf(amount: number, limit: number): number {
  if (limit > 0) return amount / limit;
  return amount > 0 ? Infinity : 0;
}

/** What an edge was told, and since when. */
export interface Told {
  level: Shedding;
  since: number;
}

/** A projection below this share of the budget allows a step back. */
const BACK = 0.85;

/**
 * One step at a time, and the next only after an open half day shows what the last one saved
 * (`openDaysSince`). With the budget used up, all of it at once.
 */
export function shed(
  told: Told | null,
  { used, projected, limit, isFounded }: Reading,
  openDaysSince: number,
  day: number,
): Told {
  const now = told ?? { level: "none", since: day };
  const step = SHEDDING.indexOf(now.level);
  const to = (next: number): Told => (next === step ? now : { level: SHEDDING[next]!, since: day });
  if (used >= limit) return to(SHEDDING.length - 1);
  if (!isFounded || (told !== null && openDaysSince === 0)) return now;
  if (projected > limit) return to(Math.min(step + 1, SHEDDING.length - 1));
  if (projected < BACK * limit) return to(Math.max(step - 1, 0));
  return now;
}
