// How fast an edge may talk, and how often an address may guess. Pure: `nowMs` (monotonic) is an argument.
// Promises: what an edge sent is never refused for being too fast, only the next read waits; an address that
// was wrong too often waits before its token is looked at; memory is bounded.

/** What a bucket lets through: `perSecond` in the long run, `burst` at once. */
export interface Rate {
  perSecond: number;
  burst: number;
}

/** A token bucket that can go into debt: what has arrived is counted, and the debt is waited off. */
export class TokenBucket {
  readonly #rate: Rate;
  #level: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#atMs = nowMs;
  }

  take(amount: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#level -= amount;
  }

  /** Milliseconds until the debt is paid; 0 without one. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#level >= 0 ? 0 : Math.ceil((-this.#level / this.#rate.perSecond) * 1_000);
  }

  #fill(nowMs: number): void {
    const { perSecond, burst } = this.#rate;
    this.#level = Math.min(burst, this.#level + ((nowMs - this.#atMs) / 1_000) * perSecond);
    this.#atMs = nowMs;
  }
}

export interface EdgeRateLimits {
  /** Questions and every other message that is no batch. */
  asks: Rate;
  batches: Rate;
  bytes: Rate;
}

/** One edge's rates, over all its connections. */
export class EdgeRate {
  readonly #buckets: Record<keyof EdgeRateLimits, TokenBucket>;

  constructor({ asks, batches, bytes }: EdgeRateLimits, nowMs: number) {
    this.#buckets = {
      asks: new TokenBucket(asks, nowMs),
      batches: new TokenBucket(batches, nowMs),
      bytes: new TokenBucket(bytes, nowMs),
    };
  }

  took(kind: "asks" | "batches", bytes: number, nowMs: number): void {
    this.#buckets[kind].take(1, nowMs);
    this.#buckets.bytes.take(bytes, nowMs);
  }

  /** Milliseconds the edge's sockets are not to be read. */
  waitMs(nowMs: number): number {
    const { asks, batches, bytes } = this.#buckets;
    return Math.max(asks.waitMs(nowMs), batches.waitMs(nowMs), bytes.waitMs(nowMs));
  }
}

export interface GuessLimits {
  /** Wrong tokens an address may show without being slowed. */
  wrong: Rate;
  /** Longest wait before a token is looked at. */
  waitMaxMs: number;
  /** Attempts of one address that may wait at once; further ones are turned away unseen. */
  waitingMax: number;
  /** Addresses remembered; the one that was wrong longest ago is forgotten first. */
  addressesMax: number;
}

interface Guesser {
  bucket: TokenBucket;
  waiting: number;
}

/** Addresses that showed wrong tokens. One without debt never waits. */
export class Guesses {
  readonly #limits: GuessLimits;
  readonly #guessers = new Map<string, Guesser>();

  constructor(limits: GuessLimits) {
    this.#limits = limits;
  }

  /** How long an attempt of `address` has to wait; null when too many wait already. */
  waitMs(address: string, nowMs: number): number | null {
    const guesser = this.#guessers.get(address);
    const waitMs = guesser?.bucket.waitMs(nowMs) ?? 0;
    if (waitMs === 0) return 0;
    const { waitMaxMs, waitingMax } = this.#limits;
    return guesser!.waiting >= waitingMax ? null : Math.min(waitMs, waitMaxMs);
  }

  /** An attempt of `address` begins to wait (1) or has waited (-1). */
  waits(address: string, change: 1 | -1): void {
    const guesser = this.#guessers.get(address);
    if (guesser) guesser.waiting = Math.max(0, guesser.waiting + change);
  }

  wrong(address: string, nowMs: number): void {
    const known = this.#guessers.get(address);
    const guesser = known ?? { bucket: new TokenBucket(this.#limits.wrong, nowMs), waiting: 0 };
    guesser.bucket.take(1, nowMs);
    this.#guessers.delete(address);
    this.#guessers.set(address, guesser);
    if (this.#guessers.size <= this.#limits.addressesMax) return;
    for (const oldest of this.#guessers.keys()) {
      this.#guessers.delete(oldest);
      return;
    }
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#guessers.size;
  }
}
