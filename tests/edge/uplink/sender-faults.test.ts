// Outbox and sender against a real hub and a real PostgreSQL, with real faults in between. Whatever
// breaks, in the end every row that was pushed is in the table once.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock as clock } from "../../../app/shared/clock.ts";
import { startEmbedded } from "../../../app/store/embedded.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { startTestHub, until } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";
import { expectOnce, startPusher } from "../../support/pusher.ts";

describe("through the gateway", () => {
  let database: TestDatabase;
  let hub: TestHub;
  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    hub = await startTestHub(database.url);
  });
  afterAll(async () => {
    await hub.stop();
    await database.drop();
  });

  test("a link that is cut and reset again and again loses nothing and stores nothing twice", async () => {
    const { proxy, url } = await FaultProxy.before(hub.gatewayUrl);
    onTestFinished(() => proxy.close());
    const pusher = await startPusher(url);
    for (let i = 0; i < 4; i++) {
      await pusher.someRows();
      proxy.cut();
      await pusher.someRows();
      proxy.reset();
    }
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({
      received: pushed,
      held: 0,
      lost: 0,
      quarantined: 0,
    });
    expect(proxy.accepted).toBeGreaterThan(8);
    await expectOnce(database.url, pusher.symbol, pushed);
  });

  test("a half-open link is left within five seconds, and everything arrives once", async () => {
    const { proxy, url } = await FaultProxy.before(hub.gatewayUrl);
    onTestFinished(() => proxy.close());
    const pusher = await startPusher(url);
    await pusher.someRows();
    proxy.stall();
    const startMs = performance.now();
    await until(
      () => pusher.events.some(({ event }) => event === "uplink_closed"),
      "the link to be left",
    );
    expect(performance.now() - startMs).toBeLessThan(5_000);
    proxy.cut();
    await proxy.heal();
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({ received: pushed, held: 0, lost: 0 });
    await expectOnce(database.url, pusher.symbol, pushed);
  });

  test("a hub that stops and one that starts in its place: everything arrives once", async () => {
    const pusher = await startPusher(hub.gatewayUrl);
    for (let i = 0; i < 2; i++) {
      await pusher.someRows();
      await hub.stop();
      hub = await startTestHub(database.url, { port: hub.port });
    }
    await pusher.someRows();
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({
      received: pushed,
      held: 0,
      lost: 0,
      quarantined: 0,
    });
    await expectOnce(database.url, pusher.symbol, pushed);
  });
});

describe("with a database of its own", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "tickhub-faults-"));
    await chmod(directory, 0o755);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test("a database restart: the edge's link stays, /healthz says so, everything arrives once", async () => {
    const settings = { shared_buffers: "16MB" };
    let server = await startEmbedded({ directory, clock, settings });
    const port = Number(new URL(server.url).port);
    const hub = await startTestHub(server.url);
    const pusher = await startPusher(hub.gatewayUrl);
    const health = async () => (await fetch(`${hub.url}/healthz`)).status;
    await pusher.someRows();
    expect(await health()).toBe(200);
    await server.stop();
    await until(async () => (await health()) === 503, "/healthz to tell");
    await until(() => pusher.sender.status().breaker === "open", "the breaker to open");
    expect(pusher.events.filter(({ event }) => event === "uplink_closed")).toEqual([]);
    server = await startEmbedded({ directory, clock, settings, port });
    await until(async () => (await health()) === 200, "/healthz to recover");
    await pusher.someRows();
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({
      received: pushed,
      held: 0,
      lost: 0,
      quarantined: 0,
    });
    await expectOnce(server.url, pusher.symbol, pushed);
    await hub.stop();
    await server.stop();
  });
});

describe("straight into the database", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ migrated: true });
    await database.pool.query("insert into lease (account, kill_grace_ms) values ('kis:1', 1000)");
  });
  afterAll(() => database.drop());

  test("connections that are terminated and cut lose nothing and store nothing twice", async () => {
    const { proxy, url } = await FaultProxy.before(database.url);
    onTestFinished(() => proxy.close());
    const pusher = await startPusher(url);
    for (let i = 0; i < 3; i++) {
      await pusher.someRows();
      await database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'tickhub-edge kis'`,
      );
      await pusher.someRows();
      proxy.reset();
    }
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({
      received: pushed,
      held: 0,
      lost: 0,
      quarantined: 0,
    });
    await expectOnce(database.url, pusher.symbol, pushed);
  });

  test("a half-open link is left within five seconds, and everything arrives once", async () => {
    const { proxy, url } = await FaultProxy.before(database.url);
    onTestFinished(() => proxy.close());
    const pusher = await startPusher(url);
    await pusher.someRows();
    proxy.stall();
    const startMs = performance.now();
    await until(
      () => pusher.events.some(({ event }) => event === "uplink_closed"),
      "the link to be left",
    );
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await proxy.heal();
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({ received: pushed, held: 0, lost: 0 });
    await expectOnce(database.url, pusher.symbol, pushed);
  });
});
