// The billing month: how much of it is over, and what a count will come to at its end. Months are those of UTC, as
// OCI bills; Google's begin eight hours later, which a projection over days does not notice.

const DAY_MS = 86_400_000;

export interface Month {
  startMs: number;
  endMs: number;
  nowMs: number;
}

export function monthOf(nowMs: number): Month {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1), nowMs };
}

/**
 * What `used` since the month's start comes to at its end, if every day is as those before. Undefined within the
 * first day, when it would be a guess. The meters of the running hub know trading days (docs/meters.md); this does not.
 */
export function atMonthEnd(used: number, { startMs, endMs, nowMs }: Month): number | undefined {
  const elapsedMs = nowMs - startMs;
  return elapsedMs < DAY_MS ? undefined : (used / elapsedMs) * (endMs - startMs);
}
