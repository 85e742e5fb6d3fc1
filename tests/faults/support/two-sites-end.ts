// The end of a run on two sites: the market is closed, everything drains, gaps are refilled, and then three
// counts have to agree that are made apart: the brokers', the edges' and SQL's.
import { expect } from "vitest";
import { sumOf } from "../../../app/shared/tick.ts";
import type { Ledger } from "../../../app/shared/tick.ts";
import { eventually } from "../../support/stack.ts";
import { printTable } from "./table.ts";
import type { TwoSites, Where } from "./two-sites.ts";

/** What edges that are gone had stored or lost, where they were killed: then the brokers' sum is not checked. */
export async function nothingLost(sites: TwoSites, { killed = false } = {}): Promise<void> {
  await eventually(120_000, "every hole refilled", async () => (await sites.holes()).length === 0);
  await sites.stopMarket();
  const ledgers = await eventually(60_000, "empty outboxes", async () => {
    const found = await Promise.all([...sites.edges.keys()].map((name) => sites.report(name)));
    const live = found.map((report) => report!.live);
    return live.every(({ held }) => held === 0) ? live : null;
  });
  const edges: Ledger = sumOf(ledgers);
  const counts = await sites.counts();
  const sent = [counts.kis, counts.kiwoom]
    .flatMap((accounts) => Object.values(accounts))
    .reduce((sum, { records }) => sum + records, 0);
  await eventually(60_000, "every hole refilled", async () => (await sites.holes()).length === 0);
  const rows = (await liveRows(sites, "home")) + (await liveRows(sites, "hub"));
  printTable(
    "Two sites",
    ["what", "count"],
    [
      ["records the brokers sent", sent],
      ["received by edges that live", edges.received],
      ["committed", edges.committed],
      ["duplicate, quarantined, lost", `${edges.duplicate}, ${edges.quarantined}, ${edges.lost}`],
      ["rows from sockets in both databases", rows],
      ["holes in the cumulative volume", 0],
      ["double sockets, as the brokers count", counts.doubleSockets],
    ],
  );
  expect(counts.doubleSockets).toBe(0);
  expect(edges.lost).toBe(0);
  for (const where of ["home", "hub"] as const) {
    const { total, unbalanced } = await sites.picture(where);
    expect([where, total.isBalanced, unbalanced]).toEqual([where, true, []]);
    expect(await broken(sites, where)).toBe(0);
  }
  if (killed) return;
  expect(edges.received).toBe(sent);
  expect(edges.committed).toBe(rows);
}

async function liveRows(sites: TwoSites, where: Where): Promise<number> {
  const { rows } = await sites.pools[where].query<{ n: number }>(
    `select sum(n)::float8 as n from (
       select count(*) as n from trade where origin = 0 union all
       select count(*) from book where origin = 0 union all
       select count(*) from status where origin = 0) t`,
  );
  return rows[0]!.n;
}

/** Streams whose numbers have a hole, or whose books are not their batches'. */
async function broken(sites: TwoSites, where: Where): Promise<number> {
  const { rows } = await sites.pools[where].query<{ n: number }>(
    `select count(*)::float8 as n from stream s where
       last_number <> (select count(*) from ingest_batch b where b.stream = s.no)
       or received <> committed + duplicate + quarantined + lost`,
  );
  return rows[0]!.n;
}
