// How long a feed waits before it connects again. Pure: time and chance are arguments. Waits double
// with every failure in a row, with full jitter, between a floor and a ceiling; only a connection that
// stayed live for a while makes them short again, because brokers lock out clients that connect and
// drop in a loop (KIS notices of 2026-01-15 and 2026-02-24).

/** One kind of wait: uniform in [floor, floor + base × 2^failures), never above the ceiling. */
export interface Wait {
  floorMs: number;
  baseMs: number;
  ceilingMs: number;
}

export class Backoff {
  readonly #stableMs: number;
  #failures = 0;
  #liveSinceMs: number | undefined;

  /** `stableMs`: a connection has to be live this long before earlier failures are forgotten. */
  constructor(stableMs: number) {
    this.#stableMs = stableMs;
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#failures;
  }

  /** The connection does what it is for. `nowMs` is monotonic. */
  live(nowMs: number): void {
    this.#liveSinceMs ??= nowMs;
  }

  /** The connection is gone. Returns the milliseconds to wait; `random` is uniform in [0, 1). */
  failed(nowMs: number, random: number, wait: Wait): number {
    const stable = this.#liveSinceMs !== undefined && nowMs - this.#liveSinceMs >= this.#stableMs;
    if (stable) this.#failures = 0;
    this.#liveSinceMs = undefined;
    const spreadMs = Math.min(wait.baseMs * 2 ** this.#failures, wait.ceilingMs - wait.floorMs);
    this.#failures++;
    return wait.floorMs + random * spreadMs;
  }
}
