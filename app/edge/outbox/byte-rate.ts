// How fast bytes come in: an average that forgets exponentially, exact from the first second on.

export class ByteRate {
  readonly #memoryMs: number;
  #startedMs: number | null = null;
  #atMs = 0;
  #bytes = 0;

  /** Half of what it says is younger than 0.7 `memoryMs`. */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  add(bytes: number, nowMs: number): void {
    this.#startedMs ??= nowMs;
    this.#bytes = this.#fadedBytes(nowMs) + bytes;
    this.#atMs = nowMs;
  }

  perSecond(nowMs: number): number {
    if (this.#startedMs === null) return 0;
    // An average over less than a second would be noise.
    const seenMs = Math.max(nowMs - this.#startedMs, 1000);
    const weightMs = this.#memoryMs * (1 - Math.exp(-seenMs / this.#memoryMs));
    return (1000 * this.#fadedBytes(nowMs)) / weightMs;
  }

  #fadedBytes(nowMs: number): number {
    return this.#bytes * Math.exp((this.#atMs - nowMs) / this.#memoryMs);
  }
}
