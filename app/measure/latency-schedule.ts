// When samples begin, and from when they count. Open loop: sample n is due at n periods from the start,
// whatever became of those before it, and its delay counts from then. So a server that stands still for three
// seconds shows as three seconds' worth of slow samples, not as a gap (coordinated omission).
// Promises: as many samples as were asked for, each settled once; one without an answer ends with the patience.
import type { Clock } from "../shared/clock.ts";

export interface Schedule {
  ratePerS: number;
  count: number;
  /** Longest wait for one answer, counted from when the sample was due. */
  patienceMs: number;
  clock: Clock;
}

export interface Sample {
  number: number;
  /** From when it was due to its answer; the whole patience when there was none. */
  delayMs: number;
  /** Null when it was answered; else why not. */
  error: unknown;
  /** This machine began it late. */
  isLate: boolean;
}

/**
 * A timer fires up to this much after its time. That is this machine's, not the server's, so a sample begun
 * within it counts from when it began; one begun later counts from when it was due.
 */
export const TIMER_SLACK_MS = 2;

/** Runs `once` for each sample when it is due, and resolves when all have settled. */
export function runSchedule(
  schedule: Schedule,
  once: (number: number) => Promise<unknown>,
  onSample: (sample: Sample) => void,
): Promise<undefined> {
  const { ratePerS, count, clock } = schedule;
  const periodMs = 1_000 / ratePerS;
  const startMs = clock.monoMs();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let [begun, settled] = [0, 0];
  const settle = (sample: Sample) => {
    onSample(sample);
    if (++settled === count) resolve(undefined);
  };
  const beginDue = () => {
    for (; begun < count; begun++) {
      const dueMs = startMs + begun * periodMs;
      const nowMs = clock.monoMs();
      if (dueMs > nowMs) {
        clock.after(dueMs - nowMs, beginDue);
        return;
      }
      begin(schedule, { number: begun, dueMs, nowMs }, once, settle);
    }
  };
  if (count === 0) resolve(undefined);
  else beginDue();
  return promise;
}

function begin(
  { patienceMs, clock }: Schedule,
  { number, dueMs, nowMs }: { number: number; dueMs: number; nowMs: number },
  once: (number: number) => Promise<unknown>,
  settle: (sample: Sample) => void,
): void {
  const isLate = nowMs - dueMs > TIMER_SLACK_MS;
  const fromMs = isLate ? dueMs : nowMs;
  let isSettled = false;
  const end = (error: unknown) => {
    if (isSettled) return;
    isSettled = true;
    timer.cancel();
    const delayMs = error === null ? clock.monoMs() - fromMs : patienceMs;
    settle({ number, delayMs, error, isLate });
  };
  const timer = clock.after(patienceMs - (nowMs - fromMs), () => end(new Error("no answer")));
  once(number).then(
    () => end(null),
    (error: unknown) => end(error ?? new Error("failed")),
  );
}

/**
 * The rate at which `lanes` exchanges under way at once are busy half of the time, at most `wantedPerS`: a
 * rate beyond what the path carries would measure the queue it builds.
 */
export function sustainableRate(wantedPerS: number, lanes: number, medianMs: number): number {
  const halfPerS = (lanes * 1_000) / (2 * Math.max(medianMs, 0.001));
  return Math.max(0.1, Math.min(wantedPerS, halfPerS));
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
