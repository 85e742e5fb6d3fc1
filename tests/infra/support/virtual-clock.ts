// A clock whose sleeps cost no time: waiting moves it. For code that only ever waits in one place at a time.
// It begins on a Saturday, when no market is open.
import type { Clock } from "../../../app/shared/clock.ts";

export class VirtualClock implements Clock {
  #nowMs = Date.parse("2026-11-21T00:00:00Z");
  #monoMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, run: () => void): { cancel(): void } {
    let isCancelled = false;
    setImmediate(() => {
      if (isCancelled) return;
      this.advance(delayMs);
      run();
    });
    return { cancel: () => void (isCancelled = true) };
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monoMs += ms;
  }
}
