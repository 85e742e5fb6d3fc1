// Percentiles of the last minute or two, in constant memory: what an edge tells of receive-to-ack and the
// hub of receive-to-commit.
import { createHistogram } from "node:perf_hooks";
import type { RecordableHistogram } from "node:perf_hooks";

export interface Percentiles {
  count: number;
  p50Ms: number | null;
  p99Ms: number | null;
  p999Ms: number | null;
}

export class RollingLatency {
  readonly #spanMs: number;
  #current = createHistogram();
  #previous: RecordableHistogram | null = null;
  #sinceMs: number;

  /** Percentiles cover the current span of `spanMs` and the one before. `nowMs` is monotonic throughout. */
  constructor(spanMs: number, nowMs: number) {
    this.#spanMs = spanMs;
    this.#sinceMs = nowMs;
  }

  record(delayMs: number, nowMs: number): void {
    this.#roll(nowMs);
    // In microseconds; a delay below one, or negative between two machines' clocks, counts as one.
    this.#current.record(Math.max(1, Math.round(delayMs * 1_000)));
  }

  percentiles(nowMs: number): Percentiles {
    this.#roll(nowMs);
    const sum = createHistogram();
    sum.add(this.#current);
    if (this.#previous) sum.add(this.#previous);
    if (sum.count === 0) return { count: 0, p50Ms: null, p99Ms: null, p999Ms: null };
    return {
      count: sum.count,
      p50Ms: sum.percentile(50) / 1_000,
      p99Ms: sum.percentile(99) / 1_000,
      p999Ms: sum.percentile(99.9) / 1_000,
    };
  }

  #roll(nowMs: number): void {
    const spans = Math.floor((nowMs - this.#sinceMs) / this.#spanMs);
    if (spans < 1) return;
    this.#previous = spans === 1 ? this.#current : null;
    this.#current = createHistogram();
    this.#sinceMs += spans * this.#spanMs;
  }
}
