// The way to the tables for what people ask. Promises: it reads and never writes; it has connections of its own,
// so that nothing on the way in waits for a question, however many pages are open; a question that is asked
// again within a moment costs nothing; no question takes the database longer than its limit; what waits is bounded.
import type pg from "pg";
import type { Clock } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import { asDatabaseError, openPool } from "../../store/database.ts";

/** All that a question needs of the pool. */
export type Queryable = Pick<pg.Pool, "query">;

export interface ReaderOptions {
  databaseUrl: string;
  clock: Clock;
  limits?: Partial<ReaderLimits>;
}

export interface ReaderLimits {
  connectionsMax: number;
  /** A statement that takes longer is cancelled by the server. */
  statementMs: number;
  /** An answer is good for so long. */
  freshMs: number;
  /** Different questions under way or waiting; beyond, DATABASE_BUSY. */
  waitingMax: number;
  /** Answers kept. */
  answersMax: number;
}

const LIMITS: ReaderLimits = {
  connectionsMax: 2,
  statementMs: 5_000,
  freshMs: 1_000,
  waitingMax: 64,
  answersMax: 256,
};

interface Answer {
  promise: Promise<unknown>;
  /** Null while it is under way. */
  readMs: number | null;
}

export class Reader {
  readonly #clock: Clock;
  readonly #limits: ReaderLimits;
  readonly #pool: pg.Pool;
  readonly #answers = new Map<string, Answer>();
  #underway = 0;

  constructor({ databaseUrl, clock, limits }: ReaderOptions) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
    this.#pool = openPool(databaseUrl, {
      connectionsMax: this.#limits.connectionsMax,
      name: "tickhub-page",
      statementTimeoutMs: this.#limits.statementMs,
      settings: { default_transaction_read_only: "on" },
    });
  }

  /**
   * The answer of `read`, or the one to the same `question` of a moment ago.
   * @throws TickhubError DATABASE_UNREACHABLE, DATABASE_SLOW, DATABASE_BUSY.
   */
  async ask<T>(question: readonly unknown[], read: (db: Queryable) => Promise<T>): Promise<T> {
    const key = JSON.stringify(question);
    const known = this.#answers.get(key);
    if (known && this.#isFresh(known)) return (await known.promise) as T;
    const { waitingMax } = this.#limits;
    if (this.#underway >= waitingMax) {
      throw new TickhubError("DATABASE_BUSY", { waiting: this.#underway, waitingMax });
    }
    const answer: Answer = { promise: this.#read(read), readMs: null };
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    try {
      const value = (await answer.promise) as T;
      answer.readMs = this.#clock.monoMs();
      return value;
    } catch (error) {
      // A failure is nobody else's answer.
      if (this.#answers.get(key) === answer) this.#answers.delete(key);
      throw this.#isCrowded(error) ? new TickhubError("DATABASE_BUSY", {}) : asDatabaseError(error);
    } finally {
      this.#forget();
    }
  }

  async stop(): Promise<void> {
    await this.#pool.end();
  }

  async #read<T>(read: (db: Queryable) => Promise<T>): Promise<T> {
    this.#underway++;
    try {
      return await read(this.#pool);
    } finally {
      this.#underway--;
    }
  }

  /** Waited in vain for one of our own connections: others ask too much, and the server is well. */
  #isCrowded(error: unknown): boolean {
    const isWait = error instanceof Error && /exceeded when trying to connect/.test(error.message);
    return isWait && this.#pool.totalCount === this.#limits.connectionsMax;
  }

  #isFresh({ readMs }: Answer): boolean {
    return readMs === null || this.#clock.monoMs() - readMs < this.#limits.freshMs;
  }

  /** Oldest first; what is under way is somebody's. */
  #forget(): void {
    for (const [key, answer] of this.#answers) {
      if (this.#answers.size <= this.#limits.answersMax && this.#isFresh(answer)) return;
      if (answer.readMs !== null) this.#answers.delete(key);
    }
  }
}
