// A database of its own for each test file: real PostgreSQL, dropped at the end, kept when a test failed.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterEach, inject } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { migrate } from "../../app/store/migrate.ts";
import { KEPT_MARK } from "./postgres-server.ts";

export interface TestDatabase {
  /** Of a superuser. */
  url: string;
  pool: pg.Pool;
  /** Call it in afterAll. Keeps the database, and says where, when a test of the file failed. */
  drop(): Promise<void>;
}

let failed = false;
afterEach(({ task }) => {
  failed ||= task.result?.state === "fail";
});

/** Makes an empty database, or one with every migration applied. */
export async function createDatabase(options: { migrated: boolean }): Promise<TestDatabase> {
  const serverUrl = inject("postgresUrl");
  const name = `test_${randomBytes(6).toString("hex")}`;
  await onServer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 10 });
  pool.on("error", () => undefined);
  if (options.migrated) await migrate(pool, { clock: systemClock });
  return { url: url.href, pool, drop: () => drop(serverUrl, name, pool) };
}

async function drop(serverUrl: string, name: string, pool: pg.Pool): Promise<void> {
  await pool.end();
  if (failed) {
    const directory = inject("postgresDirectory");
    if (directory) writeFileSync(join(directory, KEPT_MARK), "");
    console.error(`Kept database ${name}${directory ? ` in ${directory}` : ""}.`);
    return;
  }
  await onServer(serverUrl, `drop database ${name} with (force)`);
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
