// Lets go of raw ticks older than the operator wants to keep; bars, gaps, coverage and the ledger stay. With
// TimescaleDB whole chunks are dropped, elsewhere rows are deleted in small pieces, so that no ingest
// waits. Once a day, in the hours when no market of ours is open. The default keeps everything. Lines of the
// central log always go: after their days, or earlier where they take more than their size.
import type pg from "pg";
import { every } from "../shared/clock.ts";
import type { Clock, Timer } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import { asDatabaseError } from "../store/database.ts";

type Queryable = Pick<pg.Pool, "query">;

export interface RetentionOptions {
  pool: Queryable;
  clock: Clock;
  emit: Emit;
  /** Of ticks; 0 keeps all. */
  retainDays: number;
  /** Of the central log; default: all is kept. */
  logs?: { retainDays: number; bytesMax: number } | undefined;
}

const LOOK_MS = 10 * 60_000;
const DAY_MS = 86_400_000;
const KST_MS = 9 * 3_600_000;
/** 07:00 to 08:00 in Seoul: New York's after-hours have just ended or are thin, NXT opens at 08:00. */
const HOUR_KST = 7;
const PIECE_ROWS = 20_000;
const TABLES = ["trade", "book"] as const;

/** The moment before which ticks go, or null when it is not the hour or was done that day. Pure. */
export function expiryAt(nowMs: number, retainDays: number, doneDay: number | null): Expiry | null {
  const kstMs = nowMs + KST_MS;
  const day = Math.floor(kstMs / DAY_MS);
  const hour = Math.floor((kstMs % DAY_MS) / 3_600_000);
  if (retainDays === 0 || hour !== HOUR_KST || day === doneDay) return null;
  return { day, beforeMs: (day - retainDays) * DAY_MS - KST_MS };
}

interface Expiry {
  /** Days since 1970-01-01 in Seoul. */
  day: number;
  beforeMs: number;
}

export class Retention {
  readonly #options: RetentionOptions;
  #doneDay: number | null = null;
  #logsDoneDay: number | null = null;
  #running: Promise<void> | null = null;
  #timer: Timer | null = null;
  #isStopping = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.retainDays === 0 && !this.#options.logs) return;
    this.#timer = every(this.#options.clock, LOOK_MS, () => void this.look());
  }

  /** Ends after the piece that is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Lets go when it is time. Never throws: what fails is tried again ten minutes later, within the hour. */
  look(): Promise<void> {
    const { clock, retainDays, logs } = this.#options;
    const nowMs = clock.nowMs();
    const ticks = expiryAt(nowMs, retainDays, this.#doneDay);
    const lines = expiryAt(nowMs, logs?.retainDays ?? 0, this.#logsDoneDay);
    if (ticks === null && lines === null) return Promise.resolve();
    this.#running ??= this.#expire(ticks, lines).finally(() => (this.#running = null));
    return this.#running;
  }

  async #expire(ticks: Expiry | null, lines: Expiry | null): Promise<void> {
    try {
      if (lines !== null) await this.#expireLogs(lines);
      if (ticks !== null) await this.#expireTicks(ticks);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const code = codeOf(asDatabaseError(error));
      this.#options.emit({ event: "database_failed", code, reason });
    }
  }

  async #expireTicks({ day, beforeMs }: Expiry): Promise<void> {
    const { pool, emit } = this.#options;
    for (const table of TABLES) {
      const gone = (await isHypertable(pool, table))
        ? await dropChunks(pool, table, beforeMs)
        : await this.#deleteRows(table, "ts", beforeMs);
      if (gone > 0) {
        emit({ event: "ticks_expired", table, before: new Date(beforeMs).toISOString(), gone });
      }
    }
    if (!this.#isStopping) this.#doneDay = day;
  }

  async #expireLogs({ day, beforeMs }: Expiry): Promise<void> {
    const { pool, emit, logs } = this.#options;
    const cut = { days: beforeMs, size: 0 };
    for (const reason of ["days", "size"] as const) {
      if (reason === "size")
        cut.size = await overflowMs(pool, logs?.bytesMax ?? Number.MAX_SAFE_INTEGER);
      const gone = await this.#deleteRows("edge_log", "at", cut[reason]);
      if (gone === 0) continue;
      emit({ event: "logs_expired", reason, before: new Date(cut[reason]).toISOString(), gone });
    }
    if (!this.#isStopping) this.#logsDoneDay = day;
  }

  /** Names are ours, never input. */
  async #deleteRows(table: string, column: string, beforeMs: number): Promise<number> {
    let gone = 0;
    while (!this.#isStopping) {
      const { rowCount } = await this.#options.pool.query(
        `delete from public.${table} where ctid = any(array(
           select ctid from public.${table} where ${column} < to_timestamp($1::float8 / 1000) limit ${PIECE_ROWS}))`,
        [beforeMs],
      );
      gone += rowCount ?? 0;
      if ((rowCount ?? 0) < PIECE_ROWS) break;
    }
    return gone;
  }
}

/** The moment before which lines go, so that the rest takes at most `bytesMax`; 0 where all of it fits. */
async function overflowMs(pool: Queryable, bytesMax: number): Promise<number> {
  const { rows } = await pool.query<{ cut: number | null }>(
    `select extract(epoch from max(at))::float8 * 1000 as cut
     from (select at, sum(pg_column_size(l.*)) over (order by at desc, id desc) as bytes
           from public.edge_log l) sized
     where bytes > $1`,
    [bytesMax],
  );
  // The line itself goes as well; times of the log are whole microseconds.
  return rows[0]?.cut ? rows[0].cut + 0.001 : 0;
}

async function isHypertable(pool: Queryable, table: string): Promise<boolean> {
  const { rows } = await pool.query<{ known: boolean }>(
    "select to_regclass('timescaledb_information.hypertables') is not null as known",
  );
  if (rows[0]?.known !== true) return false;
  const found = await pool.query(
    `select from timescaledb_information.hypertables
     where hypertable_schema = 'public' and hypertable_name = $1`,
    [table],
  );
  return found.rowCount === 1;
}

/** Chunks that lie before `beforeMs` as a whole. */
async function dropChunks(pool: Queryable, table: string, beforeMs: number): Promise<number> {
  const { rowCount } = await pool.query(
    `select drop_chunks('public.${table}', older_than => to_timestamp($1::float8 / 1000))`,
    [beforeMs],
  );
  return rowCount ?? 0;
}
