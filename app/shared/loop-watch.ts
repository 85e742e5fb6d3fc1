// How long a process's event loop makes its callers wait: what an edge and the hub tell in their status.
// Node measures; this file cuts the measure into seconds.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "./clock.ts";
import { every } from "./clock.ts";

/** Of the last whole second; zero before the first. */
export interface LoopDelay {
  p99Ms: number;
  maxMs: number;
}

/** Node samples by a timer of this period, and counts the period itself as delay. */
const RESOLUTION_MS = 10;
const SECOND_MS = 1_000;

export class LoopWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #last: LoopDelay = { p99Ms: 0, maxMs: 0 };
  readonly #beat: { cancel(): void };

  constructor(clock: Clock) {
    this.#histogram.enable();
    this.#beat = every(clock, SECOND_MS, () => this.#cut());
  }

  read(): LoopDelay {
    return this.#last;
  }

  stop(): void {
    this.#beat.cancel();
    this.#histogram.disable();
  }

  #cut(): void {
    const { count, max } = this.#histogram;
    this.#last =
      count === 0
        ? { p99Ms: 0, maxMs: 0 }
        : { p99Ms: delayMs(this.#histogram.percentile(99)), maxMs: delayMs(max) };
    this.#histogram.reset();
  }
}

function delayMs(ns: number): number {
  return Math.max(0, ns / 1e6 - RESOLUTION_MS);
}
