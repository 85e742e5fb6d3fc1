// Two edges may hold one account. The one that holds it loses its link for longer than its lease is good
// for: it ends its collection by itself, the other takes over, and what the first captured while its lease
// was good is stored once, when its link is back. Then the second is ended in order, and the first goes on.
import { afterAll, beforeAll, expect, it } from "vitest";
import { fetchJson } from "../../app/cli/http.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { eventually, rowCount, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

const TTL_MS = 3_000;
const QUIET_MS = 1_000;

let test: TestStack;
let proxy: FaultProxy;

beforeAll(async () => {
  test = await startStack({
    standbys: ["home"],
    quietMs: QUIET_MS,
    killGraceMs: 1_000,
    hubEnv: { TICKHUB_PLACEMENT: "kis:1=home|kis", TICKHUB_LEASE_TTL_MS: String(TTL_MS) },
  });
});
afterAll(async () => {
  await test.stop();
  await proxy.close();
});

const reportOf = async (name: string) => {
  const report = await test.stack.edgeStatus(name);
  return report && { ...report, lease: report.accounts!["kis:1"]!.lease };
};
const committedBy = async (name: string) => (await reportOf(name))?.ledger.committed ?? 0;
const healthOf = async (name: string) => {
  const { url } = await test.stack.edges.get(name)!.announced("edge_listening");
  return await fetchJson(`${String(url)}/healthz`);
};

it(
  "an edge that is cut off ends by itself, another takes over, and each record is stored once",
  { timeout: 240_000 },
  async () => {
    const { stack, pool } = test;
    const through = await FaultProxy.before(stack.hubUrl.replace("http", "ws"));
    proxy = through.proxy;
    // `kis` has the account; released, it goes to `home`, whose link can be cut.
    await stack.edges.get("kis")!.stop();
    await stack.startEdge("kis", { name: "home", hubUrl: `${through.url}edge` });
    await eventually(60_000, "home's first rows", async () => (await committedBy("home")) > 500);
    await stack.startEdge("kis");
    expect(await healthOf("home")).toMatchObject({ ok: true, standby: false });
    expect(await healthOf("kis")).toMatchObject({ ok: true, standby: true });

    const cutMs = performance.now();
    // Half-open: nobody is told that the link is gone.
    proxy.stall();
    const alone = await eventually(20_000, "home's own end", async () => {
      const now = await reportOf("home");
      return now && now.lease !== "holding" ? now : null;
    });
    const endedMs = performance.now() - cutMs;
    expect(endedMs).toBeGreaterThan(TTL_MS - 1_500);
    expect(endedMs).toBeLessThan(TTL_MS + 1_500);
    expect(alone.ledger.held).toBeGreaterThan(100);
    expect((await reportOf("kis"))!.lease).toBe("claiming");
    await eventually(60_000, "the take-over", async () => (await committedBy("kis")) > 500);

    await proxy.heal();
    const back = await eventually(60_000, "home's empty outbox", async () => {
      const now = await reportOf("home");
      return now?.ledger.held === 0 && now.lease === "claiming" ? now.ledger : null;
    });
    expect(back.committed + back.quarantined).toBe(alone.ledger.received);
    expect(back).toMatchObject({ duplicate: 0, lost: 0 });
    expect(await healthOf("home")).toMatchObject({ ok: true, standby: true });

    const kis = stack.edges.get("kis")!;
    await kis.stop();
    await eventually(
      60_000,
      "home again",
      async () => (await committedBy("home")) > back.committed,
    );
    expect((await stack.simCounts())!.doubleSockets).toBe(0);
    await stack.stopMarket();
    const last = await eventually(60_000, "an empty outbox", async () => {
      const now = await reportOf("home");
      return now?.ledger.held === 0 ? now.ledger : null;
    });
    expect(last).toMatchObject({ duplicate: 0, lost: 0 });
    const { rows } = await pool.query<{ edge: string; committed: number; duplicate: number }>(
      `select edge, sum(committed)::float8 as committed, sum(duplicate)::float8 as duplicate
       from stream where account = 'kis:1' group by edge order by edge`,
    );
    expect(rows.map(({ edge, duplicate }) => [edge, duplicate])).toEqual([
      ["home", 0],
      ["kis", 0],
    ]);
    expect(rows[0]!.committed).toBe(last.committed);
    expect(await rowCount(pool, "kis:1")).toBe(rows[0]!.committed + rows[1]!.committed);
  },
);
