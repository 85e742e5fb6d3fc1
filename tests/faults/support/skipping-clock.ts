// The machine's clock plus what was skipped: an hour of market passes in seconds, while sockets, timers
// and timeouts keep their real length. Wall and monotonic time skip together, as if the time had passed.
import type { Clock, Timer } from "../../../app/shared/clock.ts";
import { systemClock } from "../../../app/shared/clock.ts";

export class SkippingClock implements Clock {
  #wallAheadMs: number;
  #monoAheadMs = 0;

  /** Starts `behindMs` in the past, so that after skipping as much it is now. */
  constructor(behindMs: number) {
    this.#wallAheadMs = -behindMs;
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#wallAheadMs;
  }

  monoMs(): number {
    return systemClock.monoMs() + this.#monoAheadMs;
  }

  random(): number {
    return systemClock.random();
  }

  after(delayMs: number, run: () => void): Timer {
    return systemClock.after(delayMs, run);
  }

  skip(ms: number): void {
    this.#wallAheadMs += ms;
    this.#monoAheadMs += ms;
  }
}
