// Brings a database to this release's schema. Files are append-only and checksummed; a database is
// refused only when one of its migrations says that code as old as this would damage it, so the
// release before still starts after a migration. Files marked as needing TimescaleDB wait until the
// server has it.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import { asDatabaseError } from "./database.ts";

/** What this code understands. Raise it together with a migration that carries `-- tickhub: min_code N`. */
export const CODE_LEVEL = 1;

/** The folder `migrations/` of this release. */
export const MIGRATIONS_DIRECTORY = fileURLToPath(new URL("../../migrations", import.meta.url));

/** "tickhub" in ASCII: one migration at a time per database. */
const MIGRATION_LOCK = "32769079069898082";

/** The little of a `pg.Pool` that migrating needs, so that tests can bring another PostgreSQL. */
export interface MigrationPool {
  connect(): Promise<MigrationSession>;
}
export interface MigrationSession {
  /** Without values, `sql` may hold several statements. */
  query(sql: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  release(broken?: boolean): void;
}

export interface MigrateOptions {
  clock: Clock;
  /** Default MIGRATIONS_DIRECTORY. */
  directory?: string;
  /** Default CODE_LEVEL. */
  codeLevel?: number;
  onEvent?: Emit;
}

interface MigrationFile {
  name: string;
  sql: string;
  checksum: string;
  minCode: number;
  needsTimescale: boolean;
}
interface Applied {
  name: string;
  checksum: string;
  min_code: number;
  skipped: boolean;
}

/**
 * Applies what is missing, each file in a transaction of its own.
 * @returns names of the files applied now.
 * @throws TickhubError DATABASE_SCHEMA_NEWER, DATABASE_SCHEMA_CHANGED, DATABASE_UNREACHABLE.
 */
export async function migrate(pool: MigrationPool, options: MigrateOptions): Promise<string[]> {
  const files = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  let session: MigrationSession | undefined;
  try {
    session = await pool.connect();
    await session.query(`select pg_advisory_lock(${MIGRATION_LOCK})`);
    const done = await applyMissing(session, files, options);
    await session.query(`select pg_advisory_unlock(${MIGRATION_LOCK})`);
    session.release();
    return done;
  } catch (error) {
    session?.release(true); // Ends the connection, and with it the lock.
    throw asDatabaseError(error);
  }
}

/**
 * Refuses a database this code must not touch; applies nothing. For processes that do not own the schema.
 * @throws TickhubError DATABASE_SCHEMA_MISSING, DATABASE_SCHEMA_NEWER, DATABASE_UNREACHABLE.
 */
export async function checkSchema(pool: MigrationPool): Promise<void> {
  let session: MigrationSession | undefined;
  try {
    session = await pool.connect();
    const { rows } = await session.query("select to_regclass('public.schema_migration') as found");
    if ((rows[0] as { found: unknown }).found === null) {
      throw new TickhubError("DATABASE_SCHEMA_MISSING");
    }
    refuseNewer(await readApplied(session), CODE_LEVEL);
  } catch (error) {
    throw asDatabaseError(error);
  } finally {
    session?.release();
  }
}

async function applyMissing(
  session: MigrationSession,
  files: MigrationFile[],
  options: MigrateOptions,
): Promise<string[]> {
  await session.query(`create table if not exists public.schema_migration (
    name text primary key, checksum text not null, min_code int not null default 0,
    applied_at timestamptz not null default clock_timestamp(), skipped boolean not null default false)`);
  const applied = await readApplied(session);
  refuseNewer(applied, options.codeLevel ?? CODE_LEVEL);
  refuseChanged(applied, files);
  const hasTimescale = await isTimescaleAvailable(session);
  const before = new Map(applied.map((row) => [row.name, row]));
  const done: string[] = [];
  for (const file of files) {
    const known = before.get(file.name);
    if (known && !known.skipped) continue;
    const skipped = file.needsTimescale && !hasTimescale;
    if (known && skipped) continue;
    const startedMs = options.clock.monoMs();
    await applyOne(session, file, skipped);
    if (skipped) {
      options.onEvent?.({ event: "migration_skipped", name: file.name, reason: "no timescaledb" });
    } else {
      const tookMs = options.clock.monoMs() - startedMs;
      options.onEvent?.({ event: "migration_applied", name: file.name, tookMs });
      done.push(file.name);
    }
  }
  return done;
}

async function applyOne(session: MigrationSession, file: MigrationFile, skipped: boolean) {
  await session.query("begin");
  if (!skipped) await session.query(file.sql);
  await session.query(
    `insert into public.schema_migration (name, checksum, min_code, skipped)
     values ($1, $2, $3, $4)
     on conflict (name) do update set skipped = excluded.skipped, applied_at = clock_timestamp()`,
    // A skipped file changed nothing yet, so it cannot make older code unfit.
    [file.name, file.checksum, skipped ? 0 : file.minCode, skipped],
  );
  await session.query("commit");
}

async function readApplied(session: MigrationSession): Promise<Applied[]> {
  const { rows } = await session.query(
    "select name, checksum, min_code, skipped from public.schema_migration order by name",
  );
  return rows as Applied[];
}

async function isTimescaleAvailable(session: MigrationSession): Promise<boolean> {
  const { rows } = await session.query(
    "select 1 from pg_available_extensions where name = 'timescaledb'",
  );
  return rows.length > 0;
}

function refuseNewer(applied: Applied[], codeLevel: number): void {
  const newest = applied.reduce((a, b) => (b.min_code > a.min_code ? b : a), {
    name: "",
    min_code: 0,
  });
  if (newest.min_code > codeLevel) {
    const context = { migration: newest.name, needs: newest.min_code, have: codeLevel };
    throw new TickhubError("DATABASE_SCHEMA_NEWER", context);
  }
}

/** A migration this release does not have is fine: a newer one applied it, and min_code allowed us. */
function refuseChanged(applied: Applied[], files: MigrationFile[]): void {
  const byName = new Map(files.map((file) => [file.name, file]));
  for (const row of applied) {
    const file = byName.get(row.name);
    if (file && file.checksum !== row.checksum) {
      throw new TickhubError("DATABASE_SCHEMA_CHANGED", { migration: row.name });
    }
  }
}

async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => /^\d{4}-.+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(directory, name), "utf8");
      return {
        name,
        sql,
        checksum: createHash("sha256").update(sql).digest("hex"),
        minCode: Number(/^-- tickhub: min_code (\d+)$/m.exec(sql)?.[1] ?? 0),
        needsTimescale: /^-- tickhub: requires timescaledb$/m.test(sql),
      };
    }),
  );
}
