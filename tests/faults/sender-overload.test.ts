// Outbox and sender against a real hub and a real PostgreSQL that has no room, or no time. The batches stay in
// the outbox, the lease stays, the hub is not hammered, and with room everything goes on by itself.
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { expectOnce, startPusher } from "../support/pusher.ts";
import { SmallDisk } from "../support/small-disk.ts";

type Pusher = Awaited<ReturnType<typeof startPusher>>;

let database: TestDatabase;
let disk: SmallDisk;
const TABLESPACE = `small_${process.pid}`;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  disk = SmallDisk.mount(512 * 2 ** 20);
  const { rows } = await database.pool.query<{ data_directory: string }>("show data_directory");
  const data = disk.folderFor(statSync(rows[0]!.data_directory));
  await database.pool.query(`create tablespace ${TABLESPACE} location '${data}'`);
  for (const table of ["trade", "book", "edge_status"]) {
    await database.pool.query(`alter table ${table} set tablespace ${TABLESPACE}`);
    // Nor is room made behind the test's back.
    const off = "autovacuum_enabled = off, toast.autovacuum_enabled = off";
    await database.pool.query(`alter table ${table} set (${off})`);
  }
  await database.pool.query(`alter index trade_key set tablespace ${TABLESPACE}`);
});
afterAll(async () => {
  try {
    await database.drop();
    // A database that is kept after a failure keeps its tablespace, and loses its disk all the same.
    await dropTablespace().catch(() => undefined);
  } finally {
    disk.unmount();
  }
});

async function dropTablespace(): Promise<void> {
  const url = new URL(database.url);
  url.pathname = "/postgres";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(`drop tablespace ${TABLESPACE}`);
  await client.end();
}

describe.each(["gateway", "postgres"] as const)("over a %s uplink", (uplink) => {
  let hub: TestHub;
  let pusher: Pusher;
  beforeEach(async () => {
    hub = await startTestHub(database.url, { leaseTimings: { quietMs: 0, killGraceMs: 1_000 } });
    pusher = await startPusher(uplink === "gateway" ? hub.gatewayUrl : database.url);
  });
  afterEach(async () => {
    disk.free();
    await pusher.sender.stop();
    await hub.stop();
  });

  /** Everything that was pushed is there once, over a link that never broke. */
  async function expectAllStored(): Promise<void> {
    await pusher.someRows();
    const pushed = await pusher.finish();
    expect(pusher.outbox.ledger()).toMatchObject({ received: pushed, held: 0, lost: 0 });
    expect(pusher.events.filter(({ event }) => event === "uplink_closed")).toEqual([]);
    await expectOnce(database.url, pusher.symbol, pushed);
  }
  const code = () =>
    pusher.events.filter((event) => event.event === "breaker_moved").at(-1)?.code ?? "";
  const refused = () => hub.events.filter(({ event }) => event === "batch_refused").length;

  test("a full disk is refused as DATABASE_FULL; the lease and all records stay, and room ends it", async () => {
    await pusher.someRows();
    disk.fill();
    await until(() => code() === "DATABASE_FULL", "the refusal to be heard");
    const { committed } = pusher.outbox.ledger();
    const before = refused();
    const fullMs = 6_000;
    const endMs = performance.now() + fullMs;
    while (performance.now() < endMs) {
      const { lease } = await pusher.ask("hold");
      expect(lease.state).toBe("granted");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // One batch a cool-down of at least a quarter of a second, not one a heartbeat.
    if (uplink === "gateway") expect(refused() - before).toBeLessThan(10);
    const full = pusher.outbox.ledger();
    expect(full.held).toBeGreaterThan(5_000);
    // What found room in pages that stand half empty.
    expect(full.committed - committed).toBeLessThan(full.held);
    disk.free();
    await until(() => pusher.sender.status().breaker === "closed", "the breaker to close", 6_000);
    await expectAllStored();
  });

  test("a heartbeat whose status finds no room on a full disk keeps the lease without it", async () => {
    await pusher.someRows();
    // One is there before: where no later one found room, there would be nothing to compare with.
    await pusher.ask("hold", { noise: "first" });
    // Old versions of the status cannot make room while somebody may still read them.
    const reader = await database.pool.connect();
    await reader.query("begin isolation level repeatable read; select count(*) from edge_status");
    disk.fill();
    const seen = async () => {
      const { rows } = await database.pool.query<{ lease: string; status: string }>(
        "select (select seen_at from lease where account = 'kis:1')::text as lease, max(seen_at)::text as status from edge_status",
      );
      return rows[0]!;
    };
    let before = await seen();
    let withoutStatus = 0;
    // Pages that are there already have room for some.
    for (let i = 0; i < 60; i++) {
      const noise = randomBytes(1_000).toString("hex");
      expect((await pusher.ask("hold", { noise })).lease.state).toBe("granted");
      const now = await seen();
      expect(now.lease > before.lease).toBe(true);
      if (now.status === before.status) withoutStatus++;
      before = now;
    }
    expect(withoutStatus).toBeGreaterThan(20);
    await reader.query("rollback");
    reader.release();
    disk.free();
    await pusher.ask("hold", { noise: "back" });
    expect((await seen()).status > before.status).toBe(true);
    await expectAllStored();
  });

  test("a lock that is held makes it wait, not break", async () => {
    await pusher.someRows();
    const blocker = await database.pool.connect();
    await blocker.query("begin; lock table trade in exclusive mode");
    const held = pusher.outbox.ledger().held;
    await until(() => pusher.outbox.ledger().held > held + 20_000, "rows to pile up");
    expect((await pusher.ask("hold")).lease.state).toBe("granted");
    await blocker.query("rollback");
    blocker.release();
    await expectAllStored();
  });
});
