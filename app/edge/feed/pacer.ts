// When the next request to a broker's REST may go: spaced evenly, and slower for a while after the broker
// said that it was too fast. One for all that share a limit.
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";

export interface PacerOptions {
  clock: Clock;
  /** Between two requests. */
  spacingMs: number;
  /** After refusals the spacing doubles up to this; with each answer it shrinks again. */
  spacingMaxMs: number;
}

/** After a refusal the next request waits at least this: limits count by the second. */
const REFUSED_MS = 500;
/** What an answer leaves of a spacing that refusals have made longer. */
const SHRINK = 0.9;

export class Pacer {
  readonly #options: PacerOptions;
  #spacingMs: number;
  #nextMs = -Infinity;

  constructor(options: PacerOptions) {
    this.#options = options;
    this.#spacingMs = options.spacingMs;
  }

  /** Runs `request` when its turn has come, again after FEED_RATE_LIMITED unless `isOver`. Throws what it throws. */
  async ask<T>(request: () => Promise<T>, isOver: () => boolean): Promise<T> {
    for (;;) {
      await this.#turn();
      try {
        const answer = await request();
        this.#spacingMs = Math.max(this.#options.spacingMs, SHRINK * this.#spacingMs);
        return answer;
      } catch (error) {
        if (!isTooFast(error) || isOver()) throw error;
        this.#refused();
      }
    }
  }

  /** Places are given out in the order of asking. */
  async #turn(): Promise<void> {
    const { clock } = this.#options;
    const atMs = Math.max(clock.monoMs(), this.#nextMs);
    this.#nextMs = atMs + this.#spacingMs;
    if (atMs > clock.monoMs()) await sleep(clock, atMs - clock.monoMs());
  }

  #refused(): void {
    const { clock, spacingMaxMs } = this.#options;
    this.#spacingMs = Math.min(2 * this.#spacingMs, spacingMaxMs);
    this.#nextMs = Math.max(this.#nextMs, clock.monoMs() + Math.max(REFUSED_MS, this.#spacingMs));
  }
}

function isTooFast(error: unknown): boolean {
  return error instanceof TickhubError && error.code === "FEED_RATE_LIMITED";
}
