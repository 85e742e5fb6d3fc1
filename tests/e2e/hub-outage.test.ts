// The hub is killed, stays away for a minute of market, and comes back: nothing is lost, nothing is stored
// twice, and the minute drains beside fresh records.
import { afterAll, beforeAll, expect, it } from "vitest";
import { edgesLedger, eventually, rowCount, settle, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

const OUTAGE_MS = 60_000;
let test: TestStack;

beforeAll(async () => {
  test = await startStack();
});
afterAll(async () => {
  await test.stop();
});

it(
  "a hub killed for a minute loses nothing and stores nothing twice",
  { timeout: 240_000 },
  async () => {
    const { stack, pool } = test;
    await eventually(60_000, "both feeds' first rows", async () => {
      const ledger = await edgesLedger(stack);
      return (ledger?.committed ?? 0) > 1_000;
    });
    stack.hub.process.kill("SIGKILL");
    await stack.hub.exited;
    const acked = (await edgesLedger(stack))!.committed;
    expect(await rowCount(pool)).toBeGreaterThanOrEqual(acked);

    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    const away = (await edgesLedger(stack))!;
    expect(away.held).toBeGreaterThan(10_000);
    expect(away.lost).toBe(0);
    await stack.startHub();
    await eventually(30_000, "the backlog's end", async () => {
      const ledger = await edgesLedger(stack);
      return (ledger?.committed ?? 0) > away.received;
    });

    const { sent, ledger } = await settle(stack);
    const rows = await rowCount(pool);
    expect(ledger).toMatchObject({ received: sent, lost: 0, held: 0, quarantined: 0 });
    expect(rows).toBe(sent);
    // Batches that were committed but not acked when the hub died came again and heard their first verdict.
    expect(ledger).toMatchObject({ committed: sent, duplicate: 0 });
    expect(await repeatedBooks(pool)).toBe(0);
    expect(await bookedRows(pool)).toBe(rows);
  },
);

/** Books have no unique key: the same capture of the same process must not stand there twice. */
async function repeatedBooks(pool: TestStack["pool"]): Promise<number> {
  const { rows } = await pool.query<{ repeated: number }>(
    `select count(*)::float8 as repeated from (
       select from book b join stream s on s.no = b.stream group by s.holder, b.capture having count(*) > 1) t`,
  );
  return rows[0]!.repeated;
}

/** What the streams' own books say was committed. */
async function bookedRows(pool: TestStack["pool"]): Promise<number> {
  const { rows } = await pool.query<{ booked: number }>(
    "select sum(committed)::float8 as booked from stream",
  );
  return rows[0]!.booked;
}
