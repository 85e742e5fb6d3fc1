// COPY out of one connection into another, with what passes counted and held back to a rate. Neither side's
// backpressure is broken: what the target does not take, the source does not send.
import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import copy from "pg-copy-streams";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";

/** Lets through `bytesPerS` on average over all that take from it; a burst of a quarter second. */
export class Throttle {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** When all that was let through so far has had its time. */
  #paidMs = -Infinity;

  /** `bytesPerS` null: no limit. */
  constructor(clock: Clock, bytesPerS: number | null) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerS === null ? Infinity : bytesPerS / 1_000;
  }

  /** Books `bytes` and tells how long to wait before they may go. Pure but for the clock. */
  take(bytes: number): number {
    const nowMs = this.#clock.monoMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + bytes / this.#bytesPerMs;
    return Math.max(0, this.#paidMs - nowMs);
  }
}

const BURST_MS = 250;

export interface PipeOptions {
  out: string;
  in: string;
  clock: Clock;
  throttle: Throttle;
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
}

export interface Passed {
  bytes: number;
  /** As the target counted them. */
  rows: number;
}

/** Returns what passed. Rejects with the first side's error; both connections are then unusable. */
export async function copyThrough(
  source: pg.ClientBase,
  target: pg.ClientBase,
  options: PipeOptions,
): Promise<Passed> {
  const { clock, throttle, signal, onBytes } = options;
  let bytes = 0;
  const meter = new Transform({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      bytes += chunk.length;
      onBytes(chunk.length);
      const waitMs = throttle.take(chunk.length);
      if (waitMs === 0) done(null, chunk);
      else void sleep(clock, waitMs).then(() => done(null, chunk));
    },
  });
  const into = target.query(copy.from(options.in));
  await pipeline(source.query(copy.to(options.out)), meter, into, { signal });
  return { bytes, rows: into.rowCount };
}
