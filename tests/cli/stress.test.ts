// What `tickhub stress` refuses before anything is started. The runs themselves: tests/faults/stress.test.ts.
import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";

const COMMAND = ["stress", "--json", "--profile"];

test("a threshold that does not exist is wrong use, and the known ones are named", async () => {
  const { code, json } = await tickhub([...COMMAND, "krx-open", "--limit", "speed=3"]);
  expect(code).toBe(2);
  expect(json).toMatchObject({ ok: false, code: "USAGE" });
  expect(JSON.stringify(json)).toContain("commit99");
});

test("a profile that is not there is refused by its path", async () => {
  const { code, json } = await tickhub([...COMMAND, "nowhere.json"]);
  expect(code).toBe(1);
  expect(json).toMatchObject({ code: "PROFILE_UNREADABLE" });
});

test("a server whose hub is collecting is left alone: by a lease, and by a batch of late", async () => {
  const database = await createDatabase({ migrated: true });
  onTestFinished(() => database.drop());
  const refused = async () => {
    const env = { TICKHUB_DATABASE_URL: database.url };
    const { code, json } = await tickhub([...COMMAND, "krx-open"], env);
    expect(code).toBe(1);
    return json;
  };
  await database.pool.query(
    "insert into lease (account, epoch, holder, edge, seen_at) values ('kis:1', 1, $1, 'kis', now())",
    [randomUUID()],
  );
  expect(await refused()).toMatchObject({
    code: "STRESS_TARGET_IN_USE",
    context: { leases: 1, batches: 0 },
  });
  await database.pool.query("update lease set holder = null");
  await database.pool.query(
    "insert into ingest_batch (stream, number, crc, rows, bytes, committed) values (1, 1, 0, 1, 1, 1)",
  );
  expect(await refused()).toMatchObject({
    code: "STRESS_TARGET_IN_USE",
    context: { leases: 0, batches: 1 },
  });
});
