// A whole tickhub for an end-to-end test: real processes on a database of the test's own.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { Stack } from "../../app/cli/stack.ts";
import type { StackOptions } from "../../app/cli/stack.ts";
import { createDatabase } from "./database.ts";

export interface TestStack {
  stack: Stack;
  /** The stack's database, to look into it independently. */
  pool: pg.Pool;
  /** Logs of the processes. */
  stateDir: string;
  stop(): Promise<void>;
}

export async function startStack(options: Partial<StackOptions> = {}): Promise<TestStack> {
  const database = await createDatabase({ migrated: false });
  const stateDir = mkdtempSync(join(tmpdir(), "tickhub-stack-"));
  const stack = await Stack.start({
    stateDir,
    databaseUrl: database.url,
    port: 0,
    logLevel: "info",
    simArgs: ["--rate", "300", "--slot-hold-ms", "500"],
    uplink: "gateway",
    quietMs: 500,
    killGraceMs: 5_000,
    ...options,
  });
  return {
    stack,
    pool: database.pool,
    stateDir,
    async stop() {
      await stack.stop();
      await database.drop();
    },
  };
}

/** Polls until `holds` gives something other than null or false, at most `ms`. */
export async function eventually<T>(
  ms: number,
  what: string,
  holds: () => Promise<T>,
): Promise<NonNullable<T>> {
  const untilMs = performance.now() + ms;
  for (;;) {
    const value = await holds();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > untilMs) throw new Error(`${what} did not happen within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Rows as SQL counts them. */
export async function rowCount(pool: pg.Pool, source?: string): Promise<number> {
  const { rows } = await pool.query<{ rows: number }>(
    `select sum(n)::float8 as rows from (
       select count(*) as n from trade where $1::text is null or source = $1
       union all select count(*) from book where $1::text is null or source = $1
       union all select count(*) from status where $1::text is null or source = $1) t`,
    [source ?? null],
  );
  return rows[0]!.rows;
}
