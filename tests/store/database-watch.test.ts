import { expect, onTestFinished, test } from "vitest";
import pg from "pg";
import { DatabaseWatch } from "../../app/store/database-watch.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { createDatabase } from "../support/database.ts";

test("a superuser sees the server's sums, its host and a commit of its own", async () => {
  const database = await createDatabase({ migrated: false });
  onTestFinished(() => database.drop());
  const watch = new DatabaseWatch(database.pool, systemClock);
  const place = await watch.place();
  expect(place.isLocal).toBe(true);
  expect(place.postmaster).toBeGreaterThan(1);
  const before = await watch.look();
  await database.pool.query("create table filler as select generate_series(1, 20000) as n");
  await database.pool.query("select pg_stat_force_next_flush()");
  const after = await watch.look();
  expect(after.cpu!.total).toBeGreaterThanOrEqual(before.cpu!.total);
  expect(after.commitMs).toBeGreaterThan(0);
  expect(after.connections).toBeGreaterThan(0);
  expect(after.locksWaiting).toBe(0);
  expect(after.walBytes).toBeGreaterThanOrEqual(before.walBytes!);
  expect(Object.keys(watch.refusals())).toEqual([]);
});

test("a role that may not look at the host is told what it cannot see, once, and sees the rest", async () => {
  const database = await createDatabase({ migrated: false });
  const role = `watcher_${process.pid}`;
  await database.pool.query(`create role ${role} login password 'watching'`);
  const url = new URL(database.url);
  Object.assign(url, { username: role, password: "watching" });
  const pool = new pg.Pool({ connectionString: url.href, max: 2 });
  onTestFinished(async () => {
    await pool.end();
    await database.pool.query(`drop role ${role}`);
    await database.drop();
  });
  const watch = new DatabaseWatch(pool, systemClock);
  expect(await watch.place()).toEqual({ isLocal: false, postmaster: null });
  expect(await watch.look()).toMatchObject({ cpu: null, ioStallMs: null });
  const look = await watch.look();
  expect(look.connections).toBeGreaterThan(0);
  expect(look.commitMs).not.toBeNull();
  expect(watch.refusals()).toMatchObject({ stat: "42501", pressure: "42501" });
});
