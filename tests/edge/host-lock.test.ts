// Proof of death by the kernel's own word, with processes that really are stopped and killed.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { lockName, startEdge } from "../../app/edge/edge.ts";
import { HostLock } from "../../app/edge/host-lock.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import {
  claim,
  recordingReporter,
  startTestHub,
  testTransport,
  TOKEN,
  until,
} from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

const MODULE = resolve("app/edge/host-lock.ts");
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that takes the lock and makes a holder, then does nothing. */
async function owner(name: string): Promise<{ child: ChildProcess; holder: string }> {
  const script = `import { HostLock } from ${JSON.stringify(MODULE)};
    const lock = await HostLock.take(${JSON.stringify(name)});
    process.stdout.write((lock?.mint() ?? "none") + "\\n");
    setInterval(() => undefined, 60_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  children.push(child);
  const holder = await new Promise<string>((told) => {
    child.stdout.once("data", (line: Buffer) => told(line.toString().trim()));
  });
  return { child, holder };
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await gone;
}

describe.skipIf(!existsSync("/proc/self/ns/net"))("a lock of this host", () => {
  test("is one process's until that ends, and a process that is stopped has not ended", async () => {
    const name = randomUUID();
    const { child, holder } = await owner(name);
    expect(holder).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await owner(name)).holder).toBe("none");
    child.kill("SIGSTOP");
    expect(await HostLock.take(name)).toBeNull();
    await killed(child);
    const lock = await HostLock.take(name);
    expect(lock!.hasMade(holder)).toBe(true);
    await lock!.release();
  });

  test("knows the holders it made, and no other", async () => {
    const [lock, other] = [await HostLock.take(randomUUID()), await HostLock.take(randomUUID())];
    const holders = new Set(Array.from({ length: 100 }, () => lock!.mint()));
    expect(holders.size).toBe(100);
    for (const holder of holders) {
      expect([lock!.hasMade(holder), other!.hasMade(holder)]).toEqual([true, false]);
      expect(lock!.hasMade(holder.toUpperCase())).toBe(true);
    }
    for (let i = 0; i < 100; i++) expect(lock!.hasMade(randomUUID())).toBe(false);
    expect(lock!.hasMade("")).toBe(false);
    await lock!.release();
    await other!.release();
  });
});

describe.skipIf(!existsSync("/proc/self/ns/net"))(
  "an edge whose predecessor died on its host",
  () => {
    const KILL_GRACE_MS = 60_000;
    let database: TestDatabase;
    let hub: TestHub;
    beforeAll(async () => {
      database = await createDatabase({ migrated: false });
      const leaseTimings = { quietMs: 500, killGraceMs: KILL_GRACE_MS };
      hub = await startTestHub(database.url, { leaseTimings });
    });
    afterAll(async () => {
      await hub.stop();
      await database.drop();
    });

    test("waits for the quiet time only, and as long as the other lives, for all of it", async () => {
      const hubUrl = `ws://127.0.0.1:${hub.port}`;
      const { child, holder } = await owner(lockName("kis:1", hubUrl));
      const transport = testTransport(hubUrl);
      await transport.open();
      await claim(transport, holder);
      const start = async () => {
        const reporter = recordingReporter();
        const edge = await startEdge({
          ...{
            edge: "kis",
            version: "t",
            broker: "kis",
            hubUrl,
            token: TOKEN,
            outboxBytes: 1 << 20,
          },
          accounts: [{ account: "kis:1", appKey: "key", secret: "secret" }],
          ...{ restUrl: "http://127.0.0.1:9", wsUrl: "ws://127.0.0.1:9", statusPort: 0 },
          ...{ clock: systemClock, market: (wallMs) => wallMs, reporter },
        });
        const states = () =>
          reporter.events.flatMap((one) => (one.event === "lease_moved" ? [one.state] : []));
        return { edge, states };
      };
      const beside = await start();
      await until(() => beside.states().includes("waiting"), "the lease to be waited for");
      await beside.edge.stop(100);
      expect(beside.states()).toEqual(["waiting"]);
      await killed(child);
      const startMs = performance.now();
      const successor = await start();
      await until(() => successor.states().includes("granted"), "the lease");
      expect(performance.now() - startMs).toBeLessThan(KILL_GRACE_MS / 4);
      expect(successor.states()).toEqual(["waiting", "buried", "granted"]);
      await successor.edge.stop(100);
      await transport.close();
    });
  },
);
