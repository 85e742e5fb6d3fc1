// At most so many a second, per name: how both brokers limit REST calls.
import type { Clock } from "../shared/clock.ts";

export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #second = Number.NaN;
  readonly #used = new Map<string, number>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Takes one of this second's calls; false when they are used up. */
  take(name: string): boolean {
    const second = Math.floor(this.#clock.monoMs() / 1000);
    if (second !== this.#second) this.#used.clear();
    this.#second = second;
    const used = (this.#used.get(name) ?? 0) + 1;
    this.#used.set(name, used);
    return used <= this.#perSecond;
  }
}
