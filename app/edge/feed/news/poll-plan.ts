// When a feed is asked next. Pure: time and chance are arguments. Polls are spread, so that feeds do not go in
// step; after failures they become rarer; and whoever says how long to wait is believed.
import type { ErrorCode } from "../../../shared/errors.ts";
import { Backoff } from "../backoff.ts";

/** Of the period, to either side. */
const JITTER = 0.1;
const WAIT_MAX_MS = 3_600_000;
/** The least wait after failures that time alone does not heal. */
const WAIT_MIN_MS: Partial<Record<ErrorCode, number>> = {
  NEWS_KEY: 600_000,
  NEWS_ROBOTS: 3_600_000,
  NEWS_TOO_LARGE: 1_800_000,
  NEWS_REDIRECT: 1_800_000,
};

export class PollPlan {
  readonly #everyMs: number;
  /** One answer is enough for earlier failures to be forgotten. */
  readonly #backoff = new Backoff(0);

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#backoff.failures;
  }

  /** Milliseconds to the next poll after one that was answered. `random` is uniform in [0, 1). */
  answered(nowMs: number, random: number): number {
    this.#backoff.live(nowMs);
    return this.#everyMs * (1 - JITTER + 2 * JITTER * random);
  }

  /** The same after a failure; never sooner than the server asked for. */
  failed(nowMs: number, random: number, code: ErrorCode, retryAfterMs: number): number {
    const floorMs = Math.max(this.#everyMs, WAIT_MIN_MS[code] ?? 0);
    const ceilingMs = Math.max(floorMs, WAIT_MAX_MS);
    const waitMs = this.#backoff.failed(nowMs, random, { floorMs, baseMs: floorMs, ceilingMs });
    return Math.max(waitMs, retryAfterMs);
  }
}
