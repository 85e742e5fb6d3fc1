// The way to the tables for what people ask, on a real database.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Reader } from "../../../app/hub/query/reader.ts";
import type { ReaderLimits } from "../../../app/hub/query/reader.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  await database.pool.query("create table seen (n int)");
});
afterAll(() => database.drop());

function rig(limits: Partial<ReaderLimits> = {}) {
  const clock = new FakeClock();
  const reader = new Reader({ databaseUrl: database.url, clock, limits });
  onTestFinished(() => reader.stop());
  return { clock, reader };
}

describe("the reader", () => {
  test("answers a question that is asked again within a second from one reading", async () => {
    const { clock, reader } = rig();
    let readings = 0;
    const ask = (of = "a") =>
      reader.ask(["n", of], async (db) => {
        readings++;
        return (await db.query<{ n: number }>("select 1 as n")).rows;
      });
    expect(await Promise.all(Array.from({ length: 10 }, () => ask()))).toHaveLength(10);
    expect(await ask()).toEqual([{ n: 1 }]);
    expect(readings).toBe(1);
    await ask("b");
    expect(readings).toBe(2);
    clock.advance(1_000);
    await ask();
    expect(readings).toBe(3);
  });

  test("cannot write", async () => {
    const { reader } = rig();
    const writing = reader.ask(["write"], (db) => db.query("insert into seen values (1)"));
    await expect(writing).rejects.toThrow(/read-only transaction/);
  });

  test("ends a statement at its limit with DATABASE_SLOW, and a failure is nobody else's answer", async () => {
    const { reader } = rig({ statementMs: 100 });
    const asked = reader.ask(["slow"], (db) => db.query("select pg_sleep(5)"));
    await expect(asked).rejects.toMatchObject({ code: "DATABASE_SLOW" });
    await expect(reader.ask(["slow"], () => Promise.resolve("again"))).resolves.toBe("again");
  });

  test("turns away what would wait without end with DATABASE_BUSY", async () => {
    const { reader } = rig({ waitingMax: 2 });
    const held = Promise.withResolvers<null>();
    const waiting = [1, 2].map((n) => reader.ask([n], () => held.promise));
    await expect(reader.ask([3], () => held.promise)).rejects.toMatchObject({
      code: "DATABASE_BUSY",
    });
    const joined = reader.ask([1], () => Promise.reject(new Error("never")));
    held.resolve(null);
    await expect(Promise.all([...waiting, joined])).resolves.toEqual([null, null, null]);
    await expect(reader.ask([3], () => Promise.resolve(4))).resolves.toBe(4);
  });
});
