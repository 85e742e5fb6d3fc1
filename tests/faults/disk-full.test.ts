// The whole of a hub's disk is full: tables, indexes and WAL. Real processes, a real PostgreSQL on a disk of its
// own. Collecting goes on, nothing is lost, nothing is stored twice, and with room everything goes on by itself.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scene } from "../../app/cli/scene.ts";
import { BROKERS, Stack } from "../../app/cli/stack.ts";
import type { StackOptions } from "../../app/cli/stack.ts";
import { systemClock as clock } from "../../app/shared/clock.ts";
import { startEmbedded } from "../../app/store/embedded.ts";
import type { EmbeddedServer } from "../../app/store/embedded.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { eventually } from "../support/stack.ts";

const FULL_MS = 12_000;
const SETTINGS = { shared_buffers: "32MB", max_wal_size: "96MB", min_wal_size: "64MB" };

let disk: SmallDisk;
let stateDir: string;
let server: EmbeddedServer;
let stack: Stack | undefined;
let pool: pg.Pool;

async function startServer(port?: number): Promise<EmbeddedServer> {
  const directory = join(disk.directory, "postgres");
  return await startEmbedded({
    ...{ directory, clock, settings: SETTINGS },
    ...(port === undefined ? {} : { port }),
  });
}

beforeEach(async () => {
  disk = SmallDisk.mount(2 ** 30);
  stateDir = mkdtempSync(join(tmpdir(), "tickhub-full-"));
  server = await startServer();
  pool = new pg.Pool({ connectionString: server.url, max: 4 });
  pool.on("error", () => undefined);
});
afterEach(async () => {
  try {
    disk.free();
    await stack?.stop();
    await pool.end();
    await server.stop();
    rmSync(stateDir, { recursive: true, force: true });
  } finally {
    stack = undefined;
    disk.unmount();
  }
});

async function startStack(options: Partial<StackOptions> = {}): Promise<Scene> {
  stack = await Stack.start({
    ...{ stateDir, databaseUrl: server.url, port: 0, logLevel: "info", uplink: "gateway" },
    ...{ simArgs: ["--rate", "500", "--slot-hold-ms", "500"], quietMs: 500, killGraceMs: 5_000 },
    ...options,
  });
  const scene = new Scene(stack, pool);
  await scene.flow(1_000);
  return scene;
}

async function answers(): Promise<boolean> {
  return await pool.query("select 1").then(
    () => true,
    () => false,
  );
}

async function statusOf(scene: Scene, edge: string) {
  return (await scene.stack.edgeStatus(edge))!;
}

/** Both edges hear of it; then the disk stays full for so long, while `look` looks on. */
async function whileFull(scene: Scene, look: () => Promise<void>): Promise<void> {
  disk.fill();
  for (const broker of BROKERS) {
    await scene.until("a breaker that opens", async () =>
      (await statusOf(scene, broker)).uplink?.breaker === "open" ? true : null,
    );
  }
  for (const endMs = clock.monoMs() + FULL_MS; clock.monoMs() < endMs;) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  disk.free();
  // Where not even WAL could be written, the server has stopped itself: then a person starts it again.
  await eventually(10_000, "an answer", answers).catch(async () => {
    server = await startServer(Number(new URL(server.url).port));
  });
}

/** Three independent counts are one number. */
async function expectAllStored(scene: Scene): Promise<void> {
  const sent = await scene.settle();
  const ledger = await scene.ledger();
  expect(ledger).toMatchObject({ lost: 0, quarantined: 0, held: 0 });
  expect(ledger.received).toBe(sent.kis + sent.kiwoom);
  expect(await scene.rows()).toBe(ledger.received);
  expect((await scene.always()).filter(({ ok }) => !ok)).toEqual([]);
}

describe("a hub whose disk is full", () => {
  test.each(["gateway", "postgres"] as const)(
    "over a %s uplink refuses, loses nothing, and goes on by itself once there is room",
    async (uplink) => {
      const scene = await startStack({ uplink });
      const before = await scene.ledger();
      let heldMax = 0;
      await whileFull(scene, async () => {
        for (const broker of BROKERS) {
          const { accounts, balanced, ledger } = await statusOf(scene, broker);
          expect(accounts?.[`${broker}:1`]).toMatchObject({ lease: "holding" });
          expect(balanced).toBe(true);
          heldMax = Math.max(heldMax, ledger.held);
        }
      });
      expect(heldMax).toBeGreaterThan(1_000);
      await scene.until("a breaker that closes", async () =>
        (await statusOf(scene, "kis")).uplink?.breaker === "closed" ? true : null,
      );
      await expectAllStored(scene);
      console.log(
        `disk full for ${FULL_MS / 1_000} s, ${uplink}: ${heldMax} records held at most by one edge, ` +
          `${(await scene.ledger()).received - before.received} received in all, 0 lost`,
      );
    },
  );

  test("with no room for WAL either, stops its server; collecting goes on, and the rest follows", async () => {
    const scene = await startStack();
    let away = 0;
    await whileFull(scene, async () => {
      // Nothing but WAL: it takes what segments there are, and then PostgreSQL panics.
      const write =
        "select pg_logical_emit_message(false, 'full', repeat('x', 4000000)) from generate_series(1, 100)";
      await pool.query(write).catch(() => undefined);
      if (!(await answers())) away++;
      const status = await statusOf(scene, "kis");
      expect(status.accounts?.["kis:1"]).toMatchObject({ lease: "holding" });
    });
    expect(away).toBeGreaterThan(0);
    await expectAllStored(scene);
  });

  test("keeps a lease that is good for three seconds, as heartbeats find their room", async () => {
    const scene = await startStack({
      standbys: ["home"],
      killGraceMs: 1_000,
      hubEnv: { TICKHUB_PLACEMENT: "kis:1=kis|home", TICKHUB_LEASE_TTL_MS: "3000" },
    });
    await scene.stack.startEdge("kis", { name: "home" });
    let standing = 0;
    let looks = 0;
    await whileFull(scene, async () => {
      looks++;
      if ((await statusOf(scene, "kis")).accounts?.["kis:1"]?.lease === "holding") standing++;
    });
    expect(standing).toBe(looks);
    await scene.stack.edges.get("home")!.stop();
    await expectAllStored(scene);
  });
});
