import { randomBytes, randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { openPool } from "../../app/store/database.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { book, reject, status, TestStream, trade, trades } from "./batches.ts";

/** What tickhub_edge may call. */
const FUNCTIONS = ["ingest_begin", "ingest_merge", "where_am_i"];
/** The arguments of ingest_merge after the stream, when nothing goes to quarantine. */
const NO_REFUSALS = "'{}', '{}', '{}', '{}', '{}'";
/** What tickhub_edge may copy into. */
const TABLES = ["book", "edge_log", "news", "quarantine", "status", "trade"];

describe("a database user", () => {
  let database: TestDatabase;
  const names = {
    edge: `edge_${randomBytes(4).toString("hex")}`,
    read: `read_${randomBytes(4).toString("hex")}`,
  };
  const pools = new Map<string, pg.Pool>();
  const poolOf = (user: string) => {
    const url = new URL(database.url);
    [url.username, url.password] = [user, "secret"];
    const pool = pools.get(user) ?? openPool(url.href, { connectionsMax: 2, name: user });
    pools.set(user, pool);
    return pool;
  };

  beforeAll(async () => {
    database = await createDatabase({ migrated: true });
    for (const [role, name] of Object.entries(names)) {
      await database.pool.query(
        `create role ${name} login password 'secret' in role tickhub_${role}`,
      );
    }
    await database.pool.query("insert into lease (account) values ('kis:2')");
  });
  afterAll(async () => {
    for (const pool of pools.values()) await pool.end();
    for (const name of Object.values(names)) {
      await database.pool.query(`drop owned by ${name}; drop role ${name}`);
    }
    await database.drop();
  });

  /** Runs statements in one transaction that is rolled back; returns the first one's refusal, if any. */
  async function attempt(user: string, ...statements: string[]): Promise<unknown> {
    const client = await poolOf(user).connect();
    try {
      await client.query("begin");
      for (const sql of statements) await client.query(sql);
      return null;
    } catch (error) {
      return error;
    } finally {
      await client.query("rollback");
      client.release();
    }
  }
  const REFUSED = { code: "42501" };

  /** Names of what exists in the schema: for what no list in a test keeps up with. */
  async function namesOf(sql: string): Promise<string[]> {
    const { rows } = await database.pool.query<{ name: string }>(sql);
    expect(rows.length).toBeGreaterThan(0);
    return rows.map(({ name }) => name);
  }
  const relations = (kinds: string) =>
    namesOf(`select oid::regclass::text as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in (${kinds}) order by 1`);
  const functions = () =>
    namesOf(`select oid::regprocedure::text as name from pg_proc p
      where pronamespace = 'public'::regnamespace and not exists (
        select from pg_depend where objid = p.oid and deptype = 'e') order by 1`);

  describe("of an edge", () => {
    it("stores batches of every table, with duplicates and conflicts, through its functions", async () => {
      const writer = new BatchWriter({
        pool: poolOf(names.edge),
        clock: systemClock,
        connectionsMax: 2,
      });
      const stream = new TestStream();
      await writer.write(stream.next(trades(10)), stream.from);
      const mixed = [...trades(10, 5), trade(3, { price: 1 })];
      const verdict = await writer.write(stream.next(mixed), stream.from);
      expect(verdict).toMatchObject({ committed: 5, duplicate: 5, quarantined: 1 });
      for (const rows of [[book(0)], [status(0)], [reject(0)]]) {
        const other = new TestStream();
        const stored = await writer.write(other.next(rows), other.from);
        expect(stored.committed + stored.quarantined).toBe(1);
      }
    });

    it("asks for its lease", async () => {
      const { rows } = await poolOf(names.edge).query<{ standing: { lease: object } }>(
        "select public.where_am_i('kis:2', $1, 'edge-1', 'claim', '{}') as standing",
        [randomUUID()],
      );
      expect(rows[0]!.standing.lease).toMatchObject({ state: "granted" });
    });

    it("cannot store under an account's lease that it does not hold, whatever it claims", async () => {
      const pool = poolOf(names.edge);
      const writer = new BatchWriter({
        ...{ pool, clock: systemClock, connectionsMax: 1, unleased: true },
      });
      const stream = new TestStream("kis:2", 0);
      expect(await writer.write(stream.next(trades(3)), stream.from)).toMatchObject({
        quarantined: 3,
      });
    });

    it("may insert into six tables, and read one: whose ticks they hold", async () => {
      const rights = [];
      for (const table of await relations("'r', 'p', 'v', 'm', 'f'")) {
        const { rows } = await database.pool.query<{ right: string }>(
          `select r as right from unnest(array['select', 'insert', 'update', 'delete', 'truncate',
             'references', 'trigger']) r
           where has_table_privilege($1, $2, r) or (r not in ('delete', 'truncate', 'trigger')
             and has_any_column_privilege($1, $2, r))`,
          [names.edge, table],
        );
        rights.push(...rows.map(({ right }) => `${right} ${table}`));
      }
      const inserts = TABLES.map((table) => `insert ${table}`);
      expect(rights.sort()).toEqual([...inserts, "select hub_brokers"]);
    });

    it("may call three functions", async () => {
      const callable = [];
      for (const name of await functions()) {
        const { rows } = await database.pool.query<{ may: boolean }>(
          "select has_function_privilege($1, $2::regprocedure, 'execute') as may",
          [names.edge, name],
        );
        if (rows[0]!.may) callable.push(name.replace(/\(.*/, ""));
      }
      // ingest_merge in its present form, and in that of the release before.
      expect(callable).toHaveLength(FUNCTIONS.length + 1);
      expect([...new Set(callable)]).toEqual(FUNCTIONS);
    });

    it("may not use or set any sequence", async () => {
      for (const name of await relations("'S'")) {
        for (const sql of [
          `nextval('${name}')`,
          `setval('${name}', 1)`,
          `last_value from ${name}`,
        ]) {
          expect(await attempt(names.edge, `select ${sql}`), sql).toMatchObject(REFUSED);
        }
      }
    });

    it.each([
      "select * from public.trade",
      "select ts from public.trade",
      "copy public.trade to stdout",
      "copy (select * from public.stream) to stdout",
      "insert into public.status select * from public.status",
      "insert into public.trade select * from public.trade returning *",
      "update public.trade set price = 1",
      "merge into public.trade t using (select 1) s on false when not matched then do nothing",
      "delete from public.book",
      "truncate public.trade",
      "lock table public.trade in access exclusive mode",
      "drop table public.trade",
      "drop schema public cascade",
      "drop function public.ingest_begin",
      "alter table public.trade add column x int",
      "alter table public.trade disable trigger all",
      "alter function public.ingest_begin owner to current_user",
      "create or replace function public.account_lock(text) returns bigint language sql return 1",
      "create table public.mine (n int)",
      "create view public.mine as select 1",
      "create function public.mine() returns int language sql return 1",
      "create schema mine",
      "create index on public.trade (price)",
      "create trigger t before insert on public.trade for each row execute function suppress_redundant_updates_trigger()",
      "create policy p on public.trade using (true)",
      "create rule r as on insert to public.trade do nothing",
      "insert into public.stream (id, account, table_no, edge, holder) values (gen_random_uuid(), 'x', 1, 'x', gen_random_uuid())",
      "insert into public.lease (account) values ('kis:3')",
      "select public.positions_of('kis:1')",
      "select public.account_lock('kis:1')",
      "grant tickhub_edge to current_user",
      "create role mine",
      "alter role current_user superuser",
      "set log_statement = 'none'",
      "copy public.trade from program 'true'",
      "copy public.trade from '/etc/passwd'",
      "select pg_read_file('/etc/passwd')",
      "select pg_ls_dir('.')",
      "select lo_import('/etc/passwd')",
      "set session_replication_role = replica",
      "set session authorization pg_database_owner",
      "set role pg_database_owner",
      "set role tickhub_read",
    ])("may not: %s", async (sql) => {
      expect(await attempt(names.edge, sql)).toMatchObject(REFUSED);
    });

    it("shapes nothing for the functions with a search path or temporary objects of the same names", async () => {
      const before = await database.pool.query(
        "select no, received, last_number from stream order by no",
      );
      const stream = randomUUID();
      const failure = await attempt(
        names.edge,
        "create temporary table stream (like information_schema.tables)",
        "create temporary table lease (account text)",
        "create temporary table lease_epoch (account text, epoch bigint, holder uuid, ended_at timestamptz)",
        `create function pg_temp.account_lock(text) returns bigint language plpgsql as
           'begin raise exception ''mine''; end'`,
        `create function pg_temp.cardinality(anyarray) returns int language plpgsql as
           'begin raise exception ''mine''; end'`,
        "set search_path = pg_temp, public",
        `select * from public.ingest_begin('${stream}', 1::smallint, 'kis:2', 'e', '${randomUUID()}', 1,
           1, '{1}', '{0}', '{1}', '{0}', '{0}', '{0}', '{null}', false, false)`,
        "select public.where_am_i('kis:2', gen_random_uuid(), 'e', 'report', null)",
      );
      expect(failure).toBeNull();
      const after = await database.pool.query(
        "select no, received, last_number from stream order by no",
      );
      expect(after.rows).toEqual(before.rows);
    });

    it.each([
      ["a view", "create temporary view incoming_trade as select 1 where pg_temp.evil() = 1", "0"],
      ["a table", "create temporary table incoming_trade (ts timestamptz)", "0"],
      ["a table", "create temporary table incoming_trade (ts timestamptz)", NO_REFUSALS],
    ])(
      "cannot hand ingest_merge %s of its own to read as the owner",
      async (_kind, shape, values) => {
        const { rows } = await database.pool.query<{ no: number }>(
          "select no from stream where table_no = 1 limit 1",
        );
        const failure = await attempt(
          names.edge,
          `create function pg_temp.evil() returns int language plpgsql as
           'begin raise exception ''evil ran as %'', current_user using errcode = ''P0666''; end'`,
          shape,
          `select * from public.ingest_merge(${rows[0]!.no}, ${values})`,
        );
        expect(failure).toMatchObject(REFUSED);
      },
    );
  });

  describe("for reading", () => {
    it("reads every table and view, bars included", async () => {
      const pool = poolOf(names.read);
      expect((await pool.query("select count(*)::int as n from trade")).rows).toEqual([{ n: 15 }]);
      expect((await pool.query("select * from bar_1m")).rows.length).toBeGreaterThan(0);
      for (const name of await relations("'r', 'p', 'v', 'm'")) {
        expect(await attempt(names.read, `select * from ${name} limit 1`), name).toBeNull();
      }
    });

    it.each([
      "insert into lease (account) values ('x')",
      "copy trade from stdin",
      "update trade set price = 1",
      "delete from trade",
      "truncate trade",
      "select * from trade for update",
      "drop table trade",
      "alter table trade add column x int",
      "create table public.mine (n int)",
      "create or replace view public.bar_1m as select 1",
      "select public.where_am_i('kis:2', gen_random_uuid(), 'e', 'claim', '{}')",
      "select public.ingest_merge(1, 0)",
      "alter role current_user superuser",
      "copy trade to program 'true'",
    ])("may not: %s", async (sql) => {
      expect(await attempt(names.read, sql)).toMatchObject(REFUSED);
    });

    it("calls none of the functions and moves no sequence", async () => {
      for (const name of await functions()) {
        const { rows } = await database.pool.query<{ may: boolean }>(
          "select has_function_privilege($1, $2::regprocedure, 'execute') as may",
          [names.read, name],
        );
        expect(rows[0]!.may, name).toBe(false);
      }
      for (const name of await relations("'S'")) {
        expect(await attempt(names.read, `select nextval('${name}')`)).toMatchObject(REFUSED);
      }
    });
  });
});
