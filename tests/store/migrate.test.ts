import { cp, mkdtemp, rm, writeFile, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import {
  checkSchema,
  migrate,
  type MigrateOptions,
  MIGRATIONS_DIRECTORY,
} from "../../app/store/migrate.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

describe("migrations", () => {
  let database: TestDatabase;
  let directory = "";
  let events: Event[] = [];
  const file = (name: string, sql: string) => writeFile(join(directory, name), sql);
  const run = (over: Partial<MigrateOptions> = {}) =>
    migrate(database.pool, {
      directory,
      clock: systemClock,
      onEvent: (event) => events.push(event),
      ...over,
    });

  beforeEach(async () => {
    database = await createDatabase({ migrated: false });
    directory = await mkdtemp(join(tmpdir(), "tickhub-migrations-"));
    events = [];
    await file(
      "0001-a.sql",
      "-- tickhub: min_code 1\ncreate table a (n int);\ninsert into a values (1);",
    );
    await file("0002-b.sql", "create table b (n int);");
  });
  afterEach(async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  });

  it("are applied once, in order, each with its checksum", async () => {
    expect(await run()).toEqual(["0001-a.sql", "0002-b.sql"]);
    expect(await run()).toEqual([]);
    const { rows } = await database.pool.query<{ checksum: string }>(
      "select checksum from schema_migration",
    );
    expect(rows.every(({ checksum }) => /^[0-9a-f]{64}$/.test(checksum))).toBe(true);
    expect((await database.pool.query("select count(*)::int as n from a")).rows).toEqual([
      { n: 1 },
    ]);
  });

  it("are applied once when several processes start together", async () => {
    const done = await Promise.all([run(), run(), run()]);
    expect(done.flat().sort()).toEqual(["0001-a.sql", "0002-b.sql"]);
  });

  it("refuse a database where an applied file was edited", async () => {
    await run();
    await appendFile(join(directory, "0001-a.sql"), "-- later thoughts");
    await expect(run()).rejects.toMatchObject({
      ...{ code: "DATABASE_SCHEMA_CHANGED", context: { migration: "0001-a.sql" } },
    });
  });

  it("leave nothing of a file that fails, and go on from there once it is mended", async () => {
    await file("0003-c.sql", "create table c (n int); select 1 / 0;");
    await expect(run()).rejects.toThrow("division by zero");
    expect((await database.pool.query("select to_regclass('c') as c")).rows).toEqual([{ c: null }]);
    await file("0003-c.sql", "create table c (n int);");
    expect(await run()).toEqual(["0003-c.sql"]);
  });

  it("let an older release start on a database that a newer one only expanded", async () => {
    await file("0003-c.sql", "create table c (n int);");
    await run();
    await rm(join(directory, "0003-c.sql"));
    expect(await run()).toEqual([]);
  });

  it("refuse a database that needs newer code, before they touch it", async () => {
    await file("0003-c.sql", "-- tickhub: min_code 2\ndrop table b;");
    await run({ codeLevel: 2 });
    await file("0004-d.sql", "create table d (n int);");
    await expect(run({ codeLevel: 1 })).rejects.toMatchObject({
      ...{ code: "DATABASE_SCHEMA_NEWER", context: { migration: "0003-c.sql", needs: 2, have: 1 } },
    });
    expect((await database.pool.query("select to_regclass('d') as d")).rows).toEqual([{ d: null }]);
  });

  it("skip files for TimescaleDB where it is missing, and apply them when it appears", async () => {
    const marked = "-- tickhub: requires timescaledb\ncreate table hyper (n int);";
    await file("0002-b.sql", marked);
    await file("0003-c.sql", "create table c (n int);");
    expect(await run()).toEqual(["0001-a.sql", "0003-c.sql"]);
    expect(events).toContainEqual({
      event: "migration_skipped",
      name: "0002-b.sql",
      reason: "no timescaledb",
    });
    expect(await run()).toEqual([]);
    // A server that has it, as far as migrating can tell.
    const withTimescale = {
      async connect() {
        const client = await database.pool.connect();
        return {
          query: (sql: string, values?: unknown[]) =>
            sql.includes("pg_available_extensions")
              ? Promise.resolve({ rows: [{}] })
              : (client.query(sql, values) as Promise<{ rows: unknown[] }>),
          release: () => client.release(),
        };
      },
    };
    expect(await migrate(withTimescale, { directory, clock: systemClock })).toEqual(["0002-b.sql"]);
    expect(await run()).toEqual([]);
  });

  it("are checked, not applied, by a process that does not own the schema", async () => {
    await expect(checkSchema(database.pool)).rejects.toMatchObject({
      code: "DATABASE_SCHEMA_MISSING",
    });
    await cp(MIGRATIONS_DIRECTORY, directory, { recursive: true, force: true });
    await run();
    await checkSchema(database.pool);
  });

  it("answer DATABASE_UNREACHABLE where there is no server", async () => {
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ connectionString: "postgres://x:x@127.0.0.1:9/x" });
    await expect(migrate(pool, { clock: systemClock })).rejects.toMatchObject({
      ...{ code: "DATABASE_UNREACHABLE", retry: true },
    });
    await pool.end();
  });
});
