// The seam: the only file where wall time, monotonic time, timers and chance come from outside.
// Everything else takes a Clock, so that tests and simulations own time. Lint refuses Date.now,
// Math.random and setTimeout anywhere else in app/.
import { setTimeout as nodeSetTimeout, clearTimeout as nodeClearTimeout } from "node:timers";

/** A pending call. Cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time and chance, as one argument. */
export interface Clock {
  /** Wall clock in epoch milliseconds, to the microsecond. Jumps when the host's clock is set. */
  nowMs(): number;
  /** Milliseconds that never run backwards and say nothing about the date. For every duration. */
  monoMs(): number;
  /** Uniform in [0, 1). For jitter, never for identity. */
  random(): number;
  /** Calls `run` once after at least `delayMs`. */
  after(delayMs: number, run: () => void): Timer;
}

/** Wall clock at `performance.now()` = 0. Beyond this difference the host's clock was set, or it slept. */
let originMs = performance.timeOrigin;
const JUMP_MS = 5;

/** `performance.now()` has the microseconds, but notices neither a clock that is set nor a host that sleeps. */
function wallMs(): number {
  const sinceMs = performance.now();
  const coarseMs = Date.now();
  if (Math.abs(originMs + sinceMs - coarseMs) > JUMP_MS) originMs = coarseMs - sinceMs;
  return Math.round((originMs + sinceMs) * 1_000) / 1_000;
}

/** The machine's own clock. Timers do not keep the process alive by themselves. */
export const systemClock: Clock = {
  nowMs: wallMs,
  monoMs: () => performance.now(),
  random: () => Math.random(),
  after(delayMs, run) {
    const timer = nodeSetTimeout(run, delayMs);
    return { cancel: () => nodeClearTimeout(timer) };
  },
};

/** Resolves after at least `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** Calls `run` every `periodMs`, counted from the end of the call before. */
export function every(clock: Clock, periodMs: number, run: () => void): Timer {
  let cancelled = false;
  let timer = clock.after(periodMs, fire);
  function fire() {
    run();
    // `run` itself may have cancelled.
    if (!cancelled) timer = clock.after(periodMs, fire);
  }
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}
