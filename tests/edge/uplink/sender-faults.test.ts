// Outbox and sender against a real hub and a real PostgreSQL, with real faults in between. Whatever
// breaks, in the end every row that was pushed is in the table once.
import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Outbox, OUTBOX_DEFAULTS } from "../../../app/edge/outbox/outbox.ts";
import { Sender } from "../../../app/edge/uplink/sender.ts";
import { systemClock as clock } from "../../../app/shared/clock.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { Wish } from "../../../app/shared/gateway-protocol.ts";
import { startEmbedded } from "../../../app/store/embedded.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { startTestHub, TOKEN, trades, until } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";

/** An edge that holds kis:1 and pushes 50 trades every 5 ms until told to stop. */
async function startPusher(url: string) {
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 64e6, mintStream: randomUUID });
  const events: Event[] = [];
  const sender = new Sender({
    ...{ url, edge: "kis", token: TOKEN, version: "t", bootId: "b", outbox, clock },
    emit: (event) => events.push(event),
  });
  const holder = randomUUID();
  const symbol = `P${holder.slice(0, 8)}`;
  sender.addHolder("kis:1", holder);
  sender.start();
  const ask = (wish: Wish) =>
    sender.ask({ account: "kis:1", holder, edge: "kis", wish, status: {} });
  let epoch = 0;
  await until(async () => {
    const standing = await ask("claim").catch(() => null);
    if (standing?.lease.state === "granted") epoch = standing.lease.epoch!;
    return epoch > 0;
  }, "a lease");
  let pushed = 0;
  const timer = setInterval(() => {
    for (const row of trades(50, pushed * 10, { symbol }))
      outbox.push("kis:1", epoch, row, clock.monoMs());
    pushed += 50;
  }, 5);
  onTestFinished(() => clearInterval(timer));
  return {
    ...{ outbox, events, sender, symbol },
    /** Lets some rows go through. */
    async someRows() {
      const { committed } = outbox.ledger();
      await until(() => outbox.ledger().committed > committed + 300, "rows to flow");
    },
    /** Ends the market and sends what is left. Returns how many rows were pushed. */
    async finish() {
      clearInterval(timer);
      await sender.drain(clock.monoMs() + 30_000);
      await ask("release");
      await sender.stop();
      return pushed;
    },
  };
}

async function expectOnce(url: string, symbol: string, pushed: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number; seqs: number; quarantined: number }>(
    `select count(*)::int as n, count(distinct seq)::int as seqs,
            (select count(*)::int from quarantine) as quarantined from trade where symbol = $1`,
    [symbol],
  );
  await client.end();
  expect(rows[0]).toEqual({ n: pushed, seqs: pushed, quarantined: 0 });
}

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
         where application_name = 'tickhub-edge kis' and datname = current_database()`,
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
