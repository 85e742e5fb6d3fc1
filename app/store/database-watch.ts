// The database and its host as a run sees them, once a second: WAL, checkpoints, connections, locks, a commit
// of its own, and the host's /proc through the server's own file functions. What the role or the platform
// does not show is null: unknown, which is never taken for good or for bad.
import type pg from "pg";
import type { Clock } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import type { CpuTicks } from "./host.ts";
import { ownFile, processCpu, readCpuTicks, readIoStallMs } from "./host.ts";

type Queryable = Pick<pg.Pool, "query">;

/** Sums since some moment of the server's; only differences mean something. */
export interface DatabaseSums {
  walBytes: number;
  /** Times WAL was flushed to disk, and how long that took; the time is null unless the server tracks it. */
  walSyncs: number;
  walSyncMs: number | null;
  /** Checkpoints by time, and because there was too much WAL or somebody asked. */
  checkpointsTimed: number;
  checkpointsRequested: number;
  checkpointSyncMs: number;
}

export interface DatabaseLook extends Partial<DatabaseSums> {
  connections: number | null;
  locksWaiting: number | null;
  /** From begin to the answer of a commit that writes a little WAL. */
  commitMs: number | null;
  cpu: CpuTicks | null;
  ioStallMs: number | null;
}

/** Where the database runs, seen from here. */
export interface DatabasePlace {
  /** On this machine: its processes can be counted. */
  isLocal: boolean;
  /** Pid of its first process, where it is local. */
  postmaster: number | null;
}

/** 25P02, 42501 and the like: the role may not, the platform has not; asked once, then left alone. */
type Part = "sums" | "activity" | "locks" | "commit" | "stat" | "pressure";

export class DatabaseWatch {
  readonly #pool: Queryable;
  readonly #clock: Clock;
  readonly #refused = new Map<Part, string>();

  constructor(pool: Queryable, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Why something is unknown: part and SQLSTATE or code. */
  refusals(): Record<string, string> {
    return Object.fromEntries(this.#refused);
  }

  async place(): Promise<DatabasePlace> {
    const boot = await this.#ask("stat", () => hostFile(this.#pool, BOOT_ID));
    const isLocal = boot !== null && boot.trim() === ownFile(BOOT_ID)?.trim();
    if (!isLocal) return { isLocal, postmaster: null };
    const { rows } = await this.#pool.query<{ pid: number }>("select pg_backend_pid() as pid");
    return { isLocal, postmaster: processCpu(rows[0]!.pid)?.parent ?? null };
  }

  async look(): Promise<DatabaseLook> {
    const [sums, connections, locksWaiting, commitMs, stat, pressure] = await Promise.all([
      this.#ask("sums", () => readSums(this.#pool)),
      this.#ask("activity", () => countConnections(this.#pool)),
      this.#ask("locks", () => countWaiting(this.#pool)),
      this.#ask("commit", () => this.#commit()),
      this.#ask("stat", () => hostFile(this.#pool, "/proc/stat")),
      this.#ask("pressure", () => hostFile(this.#pool, "/proc/pressure/io")),
    ]);
    return {
      ...sums,
      ...{ connections, locksWaiting, commitMs },
      cpu: stat === null ? null : readCpuTicks(stat),
      ioStallMs: pressure === null ? null : readIoStallMs(pressure),
    };
  }

  async #commit(): Promise<number> {
    const startedMs = this.#clock.monoMs();
    await this.#pool.query("select pg_logical_emit_message(true, 'tickhub-stress', '')");
    return this.#clock.monoMs() - startedMs;
  }

  /** Null where it failed. What is refused for good is not asked for again. */
  async #ask<T>(part: Part, ask: () => Promise<T>): Promise<T | null> {
    if (this.#refused.has(part)) return null;
    try {
      return await ask();
    } catch (error) {
      const code = codeOf(error);
      // Class 42: no such function or column, or not for this role; 58: no such file; 22, 25: not here.
      if (/^(42|58|22|25)/.test(code)) this.#refused.set(part, code);
      return null;
    }
  }
}

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Of the database's host. Takes a superuser, or a member of pg_read_server_files with execute on it. */
async function hostFile(pool: Queryable, path: string): Promise<string> {
  const { rows } = await pool.query<{ text: string }>("select pg_read_file($1) as text", [path]);
  return rows[0]!.text;
}

/** https://www.postgresql.org/docs/17/monitoring-stats.html, pg_stat_wal and pg_stat_checkpointer. */
async function readSums(pool: Queryable): Promise<DatabaseSums> {
  const { rows } = await pool.query<Omit<DatabaseSums, "walSyncMs"> & { walSyncMs: number }>(
    `select w.wal_bytes::float8 as "walBytes", w.wal_sync::float8 as "walSyncs", w.wal_sync_time as "walSyncMs",
       c.num_timed::float8 as "checkpointsTimed", c.num_requested::float8 as "checkpointsRequested",
       c.sync_time as "checkpointSyncMs"
     from pg_stat_wal w, pg_stat_checkpointer c`,
  );
  const sums = rows[0]!;
  return { ...sums, walSyncMs: sums.walSyncMs === 0 ? null : sums.walSyncMs };
}

async function countConnections(pool: Queryable): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "select count(*)::int as count from pg_stat_activity where backend_type = 'client backend'",
  );
  return rows[0]!.count;
}

async function countWaiting(pool: Queryable): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "select count(*)::int as count from pg_locks where not granted",
  );
  return rows[0]!.count;
}
