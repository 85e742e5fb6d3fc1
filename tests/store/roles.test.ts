import { randomBytes, randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { openPool } from "../../app/store/database.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { book, reject, status, TestStream, trade, trades } from "./batches.ts";

describe("a database user", () => {
  let database: TestDatabase;
  const names = {
    edge: `edge_${randomBytes(4).toString("hex")}`,
    read: `read_${randomBytes(4).toString("hex")}`,
  };
  const pools: pg.Pool[] = [];
  const poolOf = (user: string) => {
    const url = new URL(database.url);
    [url.username, url.password] = [user, "secret"];
    const pool = openPool(url.href, { connectionsMax: 2, name: user });
    pools.push(pool);
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
    for (const pool of pools) await pool.end();
    for (const name of Object.values(names)) await database.pool.query(`drop role ${name}`);
    await database.drop();
  });

  it("of an edge stores batches of every table, with duplicates and conflicts, through its functions", async () => {
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

  it("of an edge asks for its lease", async () => {
    const { rows } = await poolOf(names.edge).query<{ standing: { lease: object } }>(
      "select public.where_am_i('kis:2', $1, 'edge-1', 'claim', '{}') as standing",
      [randomUUID()],
    );
    expect(rows[0]!.standing.lease).toMatchObject({ state: "granted", epoch: 1 });
  });

  it.each([
    "select * from public.trade",
    "select * from public.stream",
    "select * from public.lease",
    "select * from public.quarantine",
    "update public.trade set price = 1",
    "delete from public.book",
    "truncate public.trade",
    "drop table public.trade",
    "alter table public.trade add column x int",
    "create table public.mine (n int)",
    "insert into public.stream (id, account, table_no, edge, holder) values (gen_random_uuid(), 'x', 1, 'x', gen_random_uuid())",
    "insert into public.lease (account) values ('kis:3')",
    "select public.positions_of('kis:1')",
    "select public.account_lock('kis:1')",
    "copy public.trade to stdout",
  ])("of an edge may not: %s", async (sql) => {
    await expect(poolOf(names.edge).query(sql)).rejects.toMatchObject({ code: "42501" });
  });

  it("of an edge cannot store under an account's lease that it does not hold, whatever it claims", async () => {
    const pool = poolOf(names.edge);
    const writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 1, unleased: true });
    const stream = new TestStream("kis:2", 0);
    expect(await writer.write(stream.next(trades(3)), stream.from)).toMatchObject({
      quarantined: 3,
    });
  });

  it("for reading reads everything, bars included, and changes nothing", async () => {
    const pool = poolOf(names.read);
    expect((await pool.query("select count(*)::int as n from trade")).rows).toEqual([{ n: 15 }]);
    expect((await pool.query("select * from bar_1m")).rows.length).toBeGreaterThan(0);
    for (const sql of ["delete from trade", "insert into lease (account) values ('x')"]) {
      await expect(pool.query(sql)).rejects.toMatchObject({ code: "42501" });
    }
  });
});
