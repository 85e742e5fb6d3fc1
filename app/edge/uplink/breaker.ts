/**
 * Decides whether the edge may talk to the hub right now, between outbox and uplink. Pure: no socket, no
 * timer; `nowMs` is the monotonic clock, so nothing has to fire for it to recover and nothing can stick.
 *
 *   closed --(failuresMax in a row)--> open --(cool-down over, someone asks)--> probing
 *   probing --success--> closed        probing --failure, or no answer in probeTimeoutMs--> open
 *
 * Promises: exactly one probe at a time; the cool-down doubles with each failed probe, up to a ceiling.
 */
export type BreakerState =
  | { name: "closed"; failures: number }
  | { name: "open"; reopenAtMs: number; trips: number }
  | { name: "probing"; sinceMs: number; trips: number };

export interface BreakerOptions {
  /** Failures in a row that open it. */
  failuresMax: number;
  /** First cool-down; doubles with each failed probe. */
  cooldownMs: number;
  cooldownMaxMs: number;
  /** A probe without an answer after this long has failed. */
  probeTimeoutMs: number;
  /** Uniform in [0, 1): a cool-down is shortened by up to half, so that edges do not come back as one. */
  random: () => number;
}

export const BREAKER_DEFAULTS = {
  failuresMax: 3,
  cooldownMs: 500,
  cooldownMaxMs: 30_000,
  probeTimeoutMs: 10_000,
} as const satisfies Omit<BreakerOptions, "random">;

export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = { name: "closed", failures: 0 };

  constructor(options: Partial<BreakerOptions> & Pick<BreakerOptions, "random">) {
    this.#options = { ...BREAKER_DEFAULTS, ...options };
  }

  state(): Readonly<BreakerState> {
    return this.#state;
  }

  /** True when a call may be made now. While not closed, the one `true` is the probe: make that call. */
  allows(nowMs: number): boolean {
    this.#expireProbe(nowMs);
    const state = this.#state;
    if (state.name === "closed") return true;
    if (state.name === "probing" || nowMs < state.reopenAtMs) return false;
    this.#state = { name: "probing", sinceMs: nowMs, trips: state.trips };
    return true;
  }

  /** Ms until `allows` may say true; 0 when it would now. */
  nextWake(nowMs: number): number {
    this.#expireProbe(nowMs);
    const state = this.#state;
    if (state.name === "closed") return 0;
    if (state.name === "open") return Math.max(0, state.reopenAtMs - nowMs);
    return state.sinceMs + this.#options.probeTimeoutMs - nowMs;
  }

  /** A call has succeeded. While open it is a late answer to an older call and proves nothing. */
  success(nowMs: number): void {
    this.#expireProbe(nowMs);
    if (this.#state.name !== "open") this.#state = { name: "closed", failures: 0 };
  }

  /** A call has failed. */
  failure(nowMs: number): void {
    this.#expireProbe(nowMs);
    const state = this.#state;
    if (state.name === "probing") {
      this.#open(nowMs, state.trips + 1);
    } else if (state.name === "closed") {
      if (state.failures + 1 >= this.#options.failuresMax) this.#open(nowMs, 1);
      else this.#state = { name: "closed", failures: state.failures + 1 };
    }
  }

  #expireProbe(nowMs: number): void {
    const state = this.#state;
    if (state.name !== "probing") return;
    const deadMs = state.sinceMs + this.#options.probeTimeoutMs;
    // Counted from when it died, not from when somebody looked.
    if (nowMs >= deadMs) this.#open(deadMs, state.trips + 1);
  }

  #open(atMs: number, trips: number): void {
    const { cooldownMs, cooldownMaxMs, random } = this.#options;
    const longestMs = Math.min(cooldownMs * 2 ** (trips - 1), cooldownMaxMs);
    this.#state = { name: "open", reopenAtMs: atMs + longestMs * (1 - random() / 2), trips };
  }
}
