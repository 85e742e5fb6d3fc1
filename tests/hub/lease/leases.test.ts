// Accounts, plan and learned caps, as edges and the database see them.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EdgeStatus, Wish } from "../../../app/shared/gateway-protocol.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startTestHub, testTransport } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";
import type { HubOptions } from "../../../app/hub/hub.ts";

const TEN = Array.from({ length: 10 }, (_, i) => ({ venue: "KRX", symbol: `00000${i}` }));
const TWO_KEYS: Partial<HubOptions> = {
  symbols: TEN,
  accounts: [
    { account: "kis:1", broker: "kis", cap: 20 },
    { account: "kis:2", broker: "kis", cap: 20 },
  ],
};

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, TWO_KEYS);
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

/** An edge's questions about one account. */
async function edgeOf(account: string) {
  const transport = testTransport(hub.gatewayUrl);
  await transport.open();
  const holder = randomUUID();
  return {
    ask: (wish: Wish, told: EdgeStatus["accounts"] = {}) =>
      transport.ask({ account, holder, edge: "kis", wish, status: { accounts: told } }),
    close: () => transport.close(),
  };
}

const registrationsOf = async (account: string) => {
  const { rows } = await database.pool.query<{ n: number; epoch: number }>(
    "select count(*)::int as n, max(epoch)::int as epoch from assignment where account = $1",
    [account],
  );
  return rows[0]!;
};

describe("the hub's accounts", () => {
  test("a grant carries the assignment and its epoch; a hold repeats it only when the edge runs another", async () => {
    const edge = await edgeOf("kis:1");
    const granted = await edge.ask("claim");
    expect(granted.lease.state).toBe("granted");
    expect(granted.assignment).toHaveLength(20);
    const assignmentEpoch = granted.assignmentEpoch!;
    const same = await edge.ask("hold", { "kis:1": { feed: "live", assignmentEpoch } });
    expect(same.assignment).toBeUndefined();
    expect(same.assignmentEpoch).toBe(assignmentEpoch);
    const older = await edge.ask("hold", { "kis:1": { feed: "live", assignmentEpoch: 0 } });
    expect(older.assignment).toHaveLength(20);
    await edge.ask("release");
    await edge.close();
  });

  test("an account the hub does not know is unknown", async () => {
    const edge = await edgeOf("kis:9");
    expect((await edge.ask("claim")).lease.state).toBe("unknown");
    await edge.close();
  });

  test("a cap learned from the broker is kept, replanned and told with the answer, under new epochs", async () => {
    const edge = await edgeOf("kis:1");
    const before = await edge.ask("claim");
    const told = { feed: "live", assignmentEpoch: before.assignmentEpoch!, cap: 10 };
    const answer = await edge.ask("hold", { "kis:1": told });
    // Ten symbols with trade and book need 20; kis:2 has 20 slots and takes what no longer fits.
    expect(answer.assignment).toHaveLength(10);
    expect(answer.assignmentEpoch).toBeGreaterThan(before.assignmentEpoch!);
    expect(answer.lease.epoch).toBeGreaterThan(before.lease.epoch!);
    expect((await registrationsOf("kis:1")).n).toBe(10);
    const { rows } = await database.pool.query("select cap from lease where account = 'kis:1'");
    expect(rows).toEqual([{ cap: 10 }]);
    const { assignmentEpoch } = answer;
    const again = await edge.ask("hold", {
      "kis:1": { ...told, assignmentEpoch: assignmentEpoch! },
    });
    expect(again.assignment).toBeUndefined();
    expect(again.lease.epoch).toBe(answer.lease.epoch);
    await edge.ask("release");
    await edge.close();
  });

  test("a hub that starts again keeps the plan and its epochs", async () => {
    const before = [await registrationsOf("kis:1"), await registrationsOf("kis:2")];
    await hub.stop();
    hub = await startTestHub(database.url, TWO_KEYS);
    expect([await registrationsOf("kis:1"), await registrationsOf("kis:2")]).toEqual(before);
  });

  test("a cap too small for everything is alarmed by name, and the rest goes on", async () => {
    for (const account of ["kis:1", "kis:2"]) {
      const edge = await edgeOf(account);
      await edge.ask("hold", { [account]: { feed: "live", cap: 6 } });
      await edge.close();
    }
    expect((await registrationsOf("kis:1")).n + (await registrationsOf("kis:2")).n).toBe(12);
    const alarm = hub.events.find((event) => event.event === "feed_alarmed");
    expect(alarm).toMatchObject({ code: "CAP_TOO_SMALL" });
    expect(JSON.stringify(alarm)).toMatch(/KRX:00000\d/);
  });

  test("a configuration that cannot hold its symbols does not start, and says how many keys are missing", async () => {
    const accounts = [{ account: "kis:1", broker: "kis", cap: 6 } as const];
    await expect(startTestHub(database.url, { symbols: TEN, accounts })).rejects.toMatchObject({
      code: "CAP_TOO_SMALL",
      context: { keysMissing: 3 },
    });
  });
});
