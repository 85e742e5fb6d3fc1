// An edge is stopped in mid-flight, with records in its outbox and a socket open, for so long that the next
// process of the same edge is granted the account; then it wakes. The broker never sees two sockets, and
// what was captured before is stored, once.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Child } from "../../app/cli/child.ts";
import { fetchJson } from "../../app/cli/http.ts";
import type { EdgeReport } from "../../app/edge/core.ts";
import { eventually, rowCount, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

let test: TestStack;
let first: Child | undefined;

beforeAll(async () => {
  // Kill grace is longer than the broker's patience with a client that does not answer its heartbeat.
  const patience = ["--pingpong-ms", "300", "--pong-timeout-ms", "2000"];
  test = await startStack({
    killGraceMs: 5_000,
    quietMs: 1_000,
    simArgs: ["--rate", "300", "--slot-hold-ms", "500", ...patience],
  });
});
afterAll(async () => {
  first?.process.kill("SIGCONT");
  await Promise.all([first?.stop(), test.stop()]);
});

/** What one process of an edge says of itself; null while it does not answer. */
async function ask<T>(edge: Child, path: string): Promise<T | null> {
  const { url } = await edge.announced("edge_listening");
  return await fetchJson<T>(`${String(url)}${path}`);
}
const report = (edge: Child) => ask<EdgeReport>(edge, "/status");

it(
  "a stalled holder never has a socket beside its successor's, and its records are stored once",
  { timeout: 240_000 },
  async () => {
    const { stack, pool } = test;
    first = stack.edges.get("kis")!;
    const old = first;
    await eventually(60_000, "a thousand rows of kis", async () => {
      return ((await report(old))?.ledger.committed ?? 0) > 1_000;
    });
    // Without the hub the outbox fills; then the process is stopped, in the middle of it.
    stack.hub.process.kill("SIGKILL");
    await stack.hub.exited;
    const full = await eventually(30_000, "a thousand held records", async () => {
      const now = await report(old);
      return (now?.ledger.held ?? 0) > 1_000 ? now : null;
    });
    old.process.kill("SIGSTOP");
    await stack.startHub();
    await stack.startEdge("kis");
    const next = stack.edges.get("kis")!;
    expect(await ask(next, "/healthz")).toMatchObject({ ok: true, standby: true });
    await eventually(60_000, "the successor's first rows", async () => {
      return ((await report(next))?.ledger.committed ?? 0) > 500;
    });
    expect(await ask(next, "/healthz")).toMatchObject({ ok: true, standby: false });

    old.process.kill("SIGCONT");
    const woken = await eventually(60_000, "an empty outbox of the old process", async () => {
      const now = await report(old);
      return now?.ledger.held === 0 && now.accounts!["kis:1"]!.lease === "claiming" ? now : null;
    });
    expect(await ask(old, "/healthz")).toMatchObject({ ok: true, standby: true });
    // All it had captured inside is there, some of it fetched by its successor from REST meanwhile; what lay
    // in its socket when it woke was put apart.
    const { committed, duplicate } = woken.ledger;
    expect(committed + duplicate).toBeGreaterThanOrEqual(full.ledger.received);
    expect(woken.ledger.lost).toBe(0);
    expect(woken.balanced).toBe(true);
    // It noticed by its own clock, before the hub told it.
    expect(readFileSync(join(test.stateDir, "logs", "edge-kis.log"), "utf8")).toContain(
      '"event":"lease_moved","account":"kis:1","state":"stalled"',
    );

    // Ended in order, the successor hands the account back to the process that stands by.
    await next.stop();
    const again = await eventually(60_000, "the old process's turn", async () => {
      const now = await report(old);
      return (now?.ledger.committed ?? 0) > woken.ledger.committed + 500 ? now : null;
    });
    expect(again.accounts!["kis:1"]!.lease).toBe("holding");
    expect((await stack.simCounts())!.doubleSockets).toBe(0);

    await stack.stopMarket();
    const last = await eventually(60_000, "an empty outbox", async () => {
      const now = await report(old);
      return now?.ledger.held === 0 ? now.ledger : null;
    });
    const handed = (await next.announced("edge_stopped")) as unknown as EdgeReport;
    expect(handed.live).toMatchObject({ duplicate: 0, lost: 0, held: 0, quarantined: 0 });
    expect(await rowCount(pool, "kis:1")).toBe(last.committed + handed.ledger.committed);
    const { rows } = await pool.query<{ repeated: number; epochs: number; outside: number }>(
      `select (select count(*)::int from (
           select from book b join stream s on s.no = b.stream where b.source = 'kis:1'
           group by s.holder, b.capture having count(*) > 1) t) as repeated,
         (select count(*)::int from lease_epoch where account = 'kis:1') as epochs,
         (select count(*)::int from quarantine where source = 'kis:1' and code = 'OUTSIDE_LEASE') as outside`,
    );
    expect(rows[0]).toEqual({ repeated: 0, epochs: 3, outside: last.quarantined });
  },
);
