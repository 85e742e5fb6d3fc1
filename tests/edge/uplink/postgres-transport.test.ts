// The direct link against a real PostgreSQL, as a role that may do nothing but store.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { claim, StreamOfTrades, testTransport } from "../../support/hub.ts";

const ROLE = `edge_${randomUUID().slice(0, 8)}`;
let database: TestDatabase;
let edgeUrl = "";

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  await database.pool.query("insert into lease (account) values ('kis:1')");
  await database.pool.query(`create role ${ROLE} login password 'right' in role tickhub_edge`);
  const url = new URL(database.url);
  url.username = ROLE;
  url.password = "right";
  edgeUrl = url.href;
});
afterAll(async () => {
  await database.pool.query(`drop owned by ${ROLE}; drop role ${ROLE}`);
  await database.drop();
});

describe("the direct link", () => {
  test("opens as tickhub_edge, claims, stores once and says who answered", async () => {
    const transport = testTransport(edgeUrl);
    const { system, hub, hubMs } = await transport.open();
    expect(system).toMatch(/^\d{15,20}$/);
    expect(hub).toMatch(/^postgres 1\d/);
    expect(Math.abs(hubMs - Date.now())).toBeLessThan(5_000);
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claim(transport, stream.holder);
    const batch = stream.next(epoch, 25);
    expect(await transport.send(batch, stream.holder)).toMatchObject({
      committed: 25,
      duplicate: 0,
    });
    expect(await transport.send(batch, stream.holder)).toMatchObject({
      committed: 25,
      duplicate: 0,
    });
    stream.next(epoch);
    const behindHole = transport.send(stream.next(epoch), stream.holder);
    await expect(behindHole).rejects.toMatchObject({
      code: "STREAM_HOLE",
      context: { expected: 2 },
    });
    await transport.close();
    await expect(transport.send(batch, stream.holder)).rejects.toMatchObject({
      code: "UPLINK_CLOSED",
    });
  });

  test("never shows the password", () => {
    const transport = testTransport(edgeUrl);
    expect(transport.url).not.toContain("right");
    expect(transport.url).toContain(new URL(edgeUrl).host);
  });

  test.each([
    ["nobody listens", { port: "9" }, "UPLINK_UNREACHABLE"],
    ["a wrong password", { password: "wrong" }, "EDGE_TOKEN"],
    ["no such database", { pathname: "/nowhere" }, "UPLINK_URL"],
    ["a database without tickhub's schema", { pathname: "/postgres" }, "DATABASE_SCHEMA_MISSING"],
  ])("%s: %s ends in %s", async (_name, change, code) => {
    const url = Object.assign(new URL(edgeUrl), change);
    const error: unknown = await testTransport(url.href)
      .open()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify(error)).not.toContain("wrong");
  });
});
