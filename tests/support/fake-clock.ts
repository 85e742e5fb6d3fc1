// A clock that moves only when a test says so. Timers fire inside `advance`, in the order they are due.
import type { Clock, Timer } from "../../app/shared/clock.ts";

interface Pending {
  dueMs: number;
  order: number;
  run: () => void;
}

export class FakeClock implements Clock {
  /** What `random` answers: a number, or a list that is gone through again and again. */
  chance: number | readonly number[] = 0.5;
  #wallMs: number;
  #monoMs = 0;
  #order = 0;
  #draws = 0;
  readonly #timers = new Set<Pending>();

  constructor(wallMs = Date.parse("2026-11-23T09:00:00+09:00")) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  random(): number {
    if (typeof this.chance === "number") return this.chance;
    return this.chance[this.#draws++ % this.chance.length] ?? 0;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#monoMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Moves both clocks by `ms` and fires what comes due on the way, timers set meanwhile included. */
  advance(ms: number): void {
    const endMs = this.#monoMs + ms;
    for (let next = this.#next(); next && next.dueMs <= endMs; next = this.#next()) {
      this.#move(next.dueMs - this.#monoMs);
      this.#timers.delete(next);
      next.run();
    }
    this.#move(endMs - this.#monoMs);
  }

  /** Advances in steps and lets promises and sockets have their turn after each. */
  async advanceSlowly(ms: number, stepMs: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      this.advance(Math.min(stepMs, leftMs));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The process is stopped for `ms`: time passes, no timer fires before it goes on. */
  stop(ms: number): void {
    this.#move(ms);
  }

  /** The wall clock is set to another time; durations do not notice. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** Timers set and not yet fired. */
  pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer; undefined when none is set. */
  nextMs(): number | undefined {
    const next = this.#next();
    return next && next.dueMs - this.#monoMs;
  }

  #move(ms: number): void {
    this.#monoMs += ms;
    this.#wallMs += ms;
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const timer of this.#timers) {
      const earlier =
        !first ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order);
      if (earlier) first = timer;
    }
    return first;
  }
}
