// The account a probe uses is the hub's to give: against a real hub and its leases.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { claimAccount } from "../../../app/edge/probe/account-lease.ts";
import { systemClock as clock } from "../../../app/shared/clock.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { claim, startTestHub, testTransport } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";

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

const claiming = (account = "kis:1", waitMs = 0) =>
  claimAccount({
    ...{ transport: testTransport(hub.gatewayUrl), account, edge: "kis", clock, waitMs },
    holder: randomUUID(),
  });

describe("the lease of a probe", () => {
  test("is refused while an edge holds the account, and granted once it gave it back", async () => {
    const edge = testTransport(hub.gatewayUrl);
    await edge.open();
    onTestFinished(() => edge.close());
    const holder = randomUUID();
    await claim(edge, holder);
    const status = { outbox: { bytes: 1, rows: 1, secondsLeft: 9, oldestMs: 5 } };
    await edge.ask({ account: "kis:1", holder, edge: "kis", wish: "hold", status });
    await expect(claiming()).rejects.toMatchObject({
      code: "LEASE_HELD",
      context: { account: "kis:1", edge: "kis" },
    });
    // The probe asked in the edge's name, and spoke of nothing but the account.
    expect((await hub.picture()).edges).toMatchObject([{ edge: "kis", status }]);
    const question = { account: "kis:1", holder, edge: "kis", status: {} } as const;
    await edge.ask({ ...question, wish: "release" });
    const held = await claiming();
    expect(held.epoch).toBeGreaterThan(1);
    // And now it is the edge that has to stand by.
    const { lease } = await edge.ask({ ...question, wish: "claim" });
    expect(lease.state).not.toBe("granted");
    await held.release();
    const again = await edge.ask({ ...question, wish: "claim" });
    expect(again.lease.state).toBe("granted");
    await edge.ask({ ...question, wish: "release" });
  });

  test("is not taken from a holder that has been silent for long, as the edge's next process may", async () => {
    await database.pool.query(
      `update lease set holder = $1, edge = 'kis', seen_at = now() - interval '1 hour'
        where account = 'kis:1'`,
      [randomUUID()],
    );
    await expect(claiming()).rejects.toMatchObject({ code: "LEASE_HELD" });
    await database.pool.query("update lease set holder = null where account = 'kis:1'");
  });

  test("is told to be lost when the hub gave the account to another", async () => {
    const held = await claiming();
    await database.pool.query(
      "update lease set holder = $1, epoch = epoch + 1 where account = 'kis:1'",
      [randomUUID()],
    );
    await held.lost;
    await held.release();
  });

  test("an account that the hub does not plan for is LEASE_UNKNOWN", async () => {
    await expect(claiming("kis:9")).rejects.toMatchObject({ code: "LEASE_UNKNOWN" });
  });

  test("waits for the broker's quiet time after the last holder", async () => {
    await database.pool.query(
      "update lease set holder = null, released_at = clock_timestamp(), seen_at = clock_timestamp(), quiet_ms = 1500 where account = 'kis:1'",
    );
    await expect(claiming()).rejects.toMatchObject({ code: "LEASE_HELD" });
    const held = await claiming("kis:1", 20_000);
    await held.release();
    await database.pool.query("update lease set quiet_ms = 0 where account = 'kis:1'");
  });

  test("leaves no connection behind when it is refused", async () => {
    await expect(claiming("kis:9")).rejects.toThrow();
    const picture = await hub.picture();
    expect(picture.edges.every(({ connections }) => connections === 0)).toBe(true);
  });
});
