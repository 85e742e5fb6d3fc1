// One request at a time to each host, and a pause after each: what many feeds of one publisher cost it.
import { sleep } from "../../../shared/clock.ts";
import type { Clock } from "../../../shared/clock.ts";

/** Hosts remembered; one that is forgotten was not asked for long. */
const HOSTS_MAX = 1_000;

export class HostTurns {
  readonly #clock: Clock;
  readonly #pauseMs: number;
  /** By host: ends when the next may go. */
  readonly #tails = new Map<string, Promise<undefined>>();

  constructor(clock: Clock, pauseMs: number) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  /** Runs `request` when its turn has come. Throws what it throws. `delayMs` is what the host itself wants. */
  async take<T>(host: string, request: () => Promise<T>, delayMs: () => number): Promise<T> {
    const before = this.#tails.get(host);
    const { promise: tail, resolve: end } = Promise.withResolvers<undefined>();
    this.#tails.delete(host);
    this.#tails.set(host, tail);
    await before;
    try {
      return await request();
    } finally {
      const pauseMs = Math.max(this.#pauseMs, delayMs());
      void sleep(this.#clock, pauseMs).then(() => {
        end(undefined);
        if (this.#tails.size > HOSTS_MAX && this.#tails.get(host) === tail)
          this.#tails.delete(host);
      });
    }
  }
}
