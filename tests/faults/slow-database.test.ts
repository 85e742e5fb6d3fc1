// Somebody holds a lock on the tables for longer than any time limit: the database refuses, batch after batch,
// but the links stay, the lease stays, and everything is stored once when the lock is gone.
import { expect, onTestFinished, test } from "vitest";
import { createDatabase } from "../support/database.ts";
import { startTestHub, until } from "../support/hub.ts";
import { expectOnce, startPusher } from "../support/pusher.ts";

/** Longer than a verdict may take (60 s), and than two statements' time limits. */
const LOCKED_MS = 75_000;

async function lockedFor(ms: number, uplink: "gateway" | "postgres"): Promise<string> {
  const database = await createDatabase({ migrated: true });
  const hub = await startTestHub(database.url, {
    leaseTimings: { quietMs: 0, killGraceMs: 1_000 },
  });
  onTestFinished(async () => {
    await hub.stop();
    await database.drop();
  });
  const pusher = await startPusher(uplink === "gateway" ? hub.gatewayUrl : database.url);
  await pusher.someRows();
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table trade in exclusive mode");
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    expect((await pusher.ask("hold")).lease.state).toBe("granted");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  const refusals = hub.events.flatMap((event) =>
    event.event === "batch_refused" ? [event.code] : [],
  );
  if (uplink === "gateway") expect(refusals[0]).toBe("DATABASE_SLOW");
  await blocker.query("rollback");
  blocker.release();
  const { committed } = pusher.outbox.ledger();
  await until(() => pusher.outbox.ledger().committed > committed + 100_000, "rows to flow", 60_000);
  const pushed = await pusher.finish();
  expect(pusher.outbox.ledger()).toMatchObject({ received: pushed, held: 0, lost: 0 });
  expect(pusher.events.filter(({ event }) => event === "uplink_closed")).toEqual([]);
  await expectOnce(database.url, pusher.symbol, pushed);
  return `${pushed} rows, ${refusals.length} refusals`;
}

test("a table locked for 75 s is DATABASE_SLOW over either uplink, and no reason to hang up", async () => {
  const said = await Promise.all([
    lockedFor(LOCKED_MS, "gateway"),
    lockedFor(LOCKED_MS, "postgres"),
  ]);
  console.log(`locked for ${LOCKED_MS / 1_000} s: gateway ${said[0]}; postgres ${said[1]}`);
});
