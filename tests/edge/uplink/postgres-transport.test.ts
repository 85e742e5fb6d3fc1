// The direct link against a real PostgreSQL, as a role that may do nothing but store.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { claim, StreamOfTrades, testTransport, until } from "../../support/hub.ts";

const ROLE = `edge_${randomUUID().slice(0, 8)}`;
let database: TestDatabase;
let edgeUrl = "";

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  await database.pool.query("insert into lease (account) values ('kis:1'), ('kis:2'), ('kis:3')");
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

describe("a direct link that is half-open", () => {
  test("is found within five seconds, and nobody goes on waiting for it", async () => {
    const { proxy, url } = await FaultProxy.before(edgeUrl);
    onTestFinished(() => proxy.close());
    const transport = testTransport(url);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claim(transport, stream.holder, "kis:2");
    await transport.send(stream.next(epoch, 10, "kis:2"), stream.holder);
    const closed = new Promise<string>((resolve) =>
      transport.onClosed(({ code }) => resolve(code)),
    );
    proxy.stall();
    const startMs = performance.now();
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => "answered",
        (error: unknown) => (error as { code: string }).code,
      );
    const waiting = [
      codeOf(transport.send(stream.next(epoch, 10, "kis:2"), stream.holder)),
      codeOf(claim(transport, stream.holder, "kis:2")),
    ];
    expect(await closed).toBe("UPLINK_CLOSED");
    expect(await Promise.all(waiting)).toEqual(["DATABASE_UNREACHABLE", "DATABASE_UNREACHABLE"]);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await transport.close();
    await proxy.heal();
    await until(() => proxy.open === 0, "all its sockets to be gone");
  });

  test("is found on an idle link as well", async () => {
    const { proxy, url } = await FaultProxy.before(edgeUrl);
    onTestFinished(() => proxy.close());
    const transport = testTransport(url);
    await transport.open();
    const closed = new Promise((resolve) => transport.onClosed(resolve));
    proxy.stall();
    const startMs = performance.now();
    await closed;
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  test("is another matter than a commit that takes its time", async () => {
    const transport = testTransport(edgeUrl);
    await transport.open();
    let isClosed = false;
    transport.onClosed(() => (isClosed = true));
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claim(transport, stream.holder, "kis:3");
    const lock = await database.pool.connect();
    await lock.query("begin; select pg_advisory_xact_lock(account_lock('kis:3'))");
    const sent = transport.send(stream.next(epoch, 7, "kis:3"), stream.holder);
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(isClosed).toBe(false);
    await lock.query("rollback");
    lock.release();
    expect(await sent).toMatchObject({ committed: 7 });
    await transport.close();
  });
});
