// Virtual time: every step of a simulated run is an event here, run one by one in the order of its time.
// Between two events the promises of the real code get their turn, so a run is a function of its seed.
// Promises: the same seed runs the same events; `digest` is over every one of them and all they noted.
import { seeded, type Random } from "../../app/sim/market/random.ts";
import type { Timer } from "../../app/shared/clock.ts";

interface Entry {
  atMs: number;
  order: number;
  /** Null once cancelled. */
  run: (() => void) | null;
}

/** Lines kept for the report of a failed run. */
const KEPT_LINES = 60;

/** Wall clock at the run's beginning: 2026-11-23 10:00 KST, the market is open. */
export const BEGIN_MS = Date.UTC(2026, 10, 23, 1, 0, 0);

export class Timeline {
  /** True time since the beginning; no process sees it but through its host's clocks. */
  nowMs = 0;
  /** Events run so far. */
  events = 0;
  readonly random: Random;
  readonly #heap: Entry[] = [];
  #order = 0;
  #hashA = 0x811c9dc5;
  #hashB = 0x1b873593;
  readonly #lines: string[] = [];
  #failure: Error | null = null;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Runs `run` as an event of its own, `delayMs` from now. */
  after(delayMs: number, run: () => void): Timer {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run };
    push(this.#heap, entry);
    return { cancel: () => void (entry.run = null) };
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.random() * (to - from);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  /** Writes a line of the run: part of the digest, and of the report when it fails. */
  note(line: string): void {
    let [a, b] = [this.#hashA, this.#hashB];
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13);
    }
    [this.#hashA, this.#hashB] = [a, b];
    this.#lines.push(`${this.nowMs.toFixed(3)} ${line}`);
    if (this.#lines.length > 2 * KEPT_LINES) this.#lines.splice(0, KEPT_LINES);
  }

  /** What the run was: equal for equal runs. */
  digest(): string {
    const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0");
    return hex(this.#hashA) + hex(this.#hashB);
  }

  lastLines(): readonly string[] {
    return this.#lines.slice(-KEPT_LINES);
  }

  /** Ends the run: an invariant does not hold. The first one counts. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Throws what `fail` was given. */
  verify(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Runs events until `isOver` or nothing is left. Throws what `fail` was given. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const entry = pop(this.#heap);
      if (!entry) return;
      if (!entry.run) continue;
      this.nowMs = entry.atMs;
      this.events++;
      this.#mix(entry.atMs);
      entry.run();
      await new Promise(setImmediate);
      this.verify();
    }
  }

  #mix(atMs: number): void {
    const micros = Math.round(atMs * 1_000);
    this.#hashA = Math.imul(this.#hashA ^ micros, 0x01000193);
    this.#hashB = Math.imul(this.#hashB ^ this.events, 0x85ebca6b) ^ (this.#hashB >>> 13);
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(entry, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
