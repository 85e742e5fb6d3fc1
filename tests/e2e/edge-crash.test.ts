// An edge is killed and started again: everything it had an ack for is there, once, and its successor's
// batches are not taken for the old ones.
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, rowCount, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

let test: TestStack;

beforeAll(async () => {
  test = await startStack();
});
afterAll(async () => {
  await test.stop();
});

it(
  "a killed edge's acked rows are stored once, and its successor's are new",
  { timeout: 180_000 },
  async () => {
    const { stack, pool } = test;
    const before = await eventually(60_000, "a thousand rows of kis", async () => {
      const report = await stack.edgeStatus("kis");
      return (report?.ledger.committed ?? 0) > 1_000 ? report : null;
    });
    const edge = stack.edges.get("kis")!;
    edge.process.kill("SIGKILL");
    await edge.exited;
    const stored = await eventually(
      10_000,
      "the hub's last word on the dead edge's batches",
      async () => {
        const first = await rowCount(pool, "kis:1");
        await new Promise((resolve) => setTimeout(resolve, 500));
        return first === (await rowCount(pool, "kis:1")) ? first : null;
      },
    );
    expect(stored).toBeGreaterThanOrEqual(before.ledger.committed);

    await stack.startEdge("kis");
    await eventually(90_000, "a thousand rows of the successor", async () => {
      const report = await stack.edgeStatus("kis");
      return (report?.ledger.committed ?? 0) > 1_000;
    });
    await stack.stopMarket();
    const after = await eventually(60_000, "an empty outbox", async () => {
      const report = await stack.edgeStatus("kis");
      return report?.ledger.held === 0 ? report.ledger : null;
    });
    expect(after).toMatchObject({ duplicate: 0, lost: 0, quarantined: 0 });
    expect(await rowCount(pool, "kis:1")).toBe(stored + after.committed);

    const { rows } = await pool.query<{ holders: number; epochs: number; numbers: boolean }>(
      `select count(distinct holder)::int as holders,
            (select count(*)::int from lease_epoch where account = 'kis:1') as epochs,
            bool_and(last_number = (select count(*) from ingest_batch b where b.stream = s.no)) as numbers
       from stream s where account = 'kis:1'`,
    );
    expect(rows[0]).toEqual({ holders: 2, epochs: 2, numbers: true });
    expect((await stack.simCounts())!.doubleSockets).toBe(0);
  },
);

it("the other edge did not notice", async () => {
  const report = await test.stack.edgeStatus("kiwoom");
  const sent = (await test.stack.simCounts())!.kiwoom;
  const records = Object.values(sent).reduce((sum, one) => sum + one.records, 0);
  expect(report!.ledger).toMatchObject({ received: records, committed: records, lost: 0 });
});
