// In failover mode an outage longer than the lease is good for ends the collection, for another edge could
// have been granted the account: a gap, and a declared one. Here the hub is away for a real minute.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../support/stack.ts";
import { OutageCell } from "./support/outage-cell.ts";
import { onDatabase, OwnPostgres } from "./support/own-postgres.ts";
import { printTable } from "./support/table.ts";

const OUTAGE_MS = 60_000;
const TTL_MS = 3_000;
const DECLARED_MS_MAX = 5_000;

let server: OwnPostgres;
beforeAll(async () => {
  server = await OwnPostgres.start();
});
afterAll(() => server.remove());

/** Symbols of whose books a gap over most of the outage is declared. */
async function booksDeclared(cell: OutageCell): Promise<number> {
  return await onDatabase(cell.databaseUrl, async (client) => {
    const { rows } = await client.query<{ n: number }>(
      `select count(distinct symbol)::int as n from gap
        where channel = 'book' and to_at - from_at > $1 * interval '1 ms'`,
      [OUTAGE_MS - TTL_MS - 2_000],
    );
    return rows[0]!.n;
  });
}

it("a failover lease ends with its time; what was captured before is stored, the rest is declared", async () => {
  const cell = await OutageCell.open(server, {
    outageMs: 0,
    hubEnv: {
      TICKHUB_PLACEMENT: "kis:1=kis|home",
      TICKHUB_LEASE_TTL_MS: String(TTL_MS),
      TICKHUB_QUIET_MS: "1000",
      TICKHUB_KILL_GRACE_MS: "1000",
    },
  });
  try {
    await cell.until("a lease", 30_000, ({ lease }) => lease === "holding");
    await cell.flow(1_000);
    await cell.killHub();
    const killedMs = performance.now();
    const alone = await cell.until(
      "the end of the lease",
      20_000,
      ({ lease }) => lease !== "holding",
    );
    const wentOnMs = performance.now() - killedMs;
    expect(wentOnMs).toBeGreaterThan(TTL_MS - 1_500);
    expect(wentOnMs).toBeLessThan(TTL_MS + 1_500);
    await sleep(OUTAGE_MS - wentOnMs);
    expect((await cell.edge.look()).ledger.received).toBe(alone.ledger.received);

    await cell.startHub();
    await cell.until("a new lease", 30_000, ({ lease }) => lease === "holding");
    const returnedMs = performance.now();
    await eventually(6 * DECLARED_MS_MAX, "a gap of every symbol's books", async () => {
      return (await booksDeclared(cell)) === cell.symbols;
    });
    const declaredMs = performance.now() - returnedMs;
    expect(declaredMs).toBeLessThanOrEqual(DECLARED_MS_MAX);
    await cell.flow(1_000);
    await cell.edge.order({ do: "endMarket" });
    const last = await cell.until("an empty outbox", 60_000, ({ ledger }) => ledger.held === 0);
    expect(last.ledger).toMatchObject({ duplicate: 0, lost: 0 });
    expect(last.balanced).toBe(true);

    const { rows, span } = await onDatabase(cell.databaseUrl, async (client) => ({
      rows: Number(
        (
          await client.query<{ n: string }>(
            "select (select count(*) from trade) + (select count(*) from book) as n",
          )
        ).rows[0]!.n,
      ),
      span: (
        await client.query<{ from: Date; to: Date }>(
          `select from_at as from, to_at as to from (
             select edge_recv as from_at, lead(edge_recv) over (order by edge_recv) as to_at from book
           ) steps order by to_at - from_at desc nulls last limit 1`,
        )
      ).rows[0]!,
    }));
    const made = last.made.reduce((sum, [, one]) => sum + one.trades + one.books, 0);
    expect(rows).toBe(last.ledger.committed);
    expect(rows + last.ledger.quarantined).toBe(made);
    const silentMs = span.to.getTime() - span.from.getTime();
    expect(silentMs).toBeGreaterThan(OUTAGE_MS - TTL_MS - 2_000);
    printTable(
      "Failover: the hub is away for a real minute",
      ["made", "rows in SQL", "quarantined", "went on for ms", "silent for ms", "declared in ms"],
      [
        [
          ...[
            made,
            rows,
            last.ledger.quarantined,
            Math.round(wentOnMs),
            silentMs,
            Math.round(declaredMs),
          ],
        ],
      ],
    );
  } finally {
    await cell.close();
  }
});
