// What an edge says it sent, what the hub adds up, and what went over the wire: with real processes, a proxy
// that counts bytes between them, and edge and hub killed and started again meanwhile.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EdgeReport } from "../../app/edge/core.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import { fetchJson } from "../../app/cli/http.ts";
import { COUNTERS } from "../../app/shared/meters.ts";
import type { CounterName } from "../../app/shared/meters.ts";
import { tickhub } from "../support/cli.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

/** A close frame, and what a link that is cut had not sent yet. */
const UNSEEN_BYTES = 2_000;
const EDGE = "metered";

let test: TestStack;
let proxy: FaultProxy;
let hubUrl: string;

beforeAll(async () => {
  test = await startStack({
    standbys: [EDGE],
    simArgs: ["--rate", "100", "--slot-hold-ms", "500"],
  });
  ({ proxy, url: hubUrl } = await FaultProxy.before(`${test.stack.gatewayUrl}/edge`));
  await test.stack.edges.get("kis")!.stop();
});
afterAll(async () => {
  await test.stop();
  await proxy.close();
});

const counterOf = (report: EdgeReport, name: CounterName) =>
  report.meters![COUNTERS.indexOf(name)] ?? 0;

/** Until the running process has got some more rows stored. */
async function someRows(): Promise<EdgeReport> {
  const start = (await test.stack.edgeStatus(EDGE))?.ledger.committed ?? 0;
  return await eventually(60_000, "rows of the metered edge", async () => {
    const report = await test.stack.edgeStatus(EDGE);
    return report && report.ledger.committed > start + 400 ? report : null;
  });
}

async function sumOf(meter: string): Promise<number> {
  const { rows } = await test.pool.query<{ sum: number }>(
    "select coalesce(sum(amount), 0)::float8 as sum from meter_use where subject = $1 and meter = $2",
    [EDGE, meter],
  );
  return rows[0]!.sum;
}

describe("the egress of an edge", () => {
  it("is what a proxy saw, across a killed hub and killed and restarted edges", async () => {
    const { stack } = test;
    // The first life ends in peace and meets a hub that is killed.
    await stack.startEdge("kis", { name: EDGE, hubUrl });
    await someRows();
    await stack.hub.stop("SIGKILL");
    // As a dead hub does: a proxy that still listened would take handshakes and pass none on.
    await proxy.refuse();
    await stack.startHub();
    await proxy.heal();
    await someRows();
    const first = stack.edges.get(EDGE)!;
    await first.stop();
    const last = (await first.announced("edge_stopped")) as unknown as EdgeReport;
    const own = counterOf(last, "hub_bytes");
    expect(proxy.upBytes).toBeGreaterThanOrEqual(own - UNSEEN_BYTES);
    expect(proxy.upBytes).toBeLessThanOrEqual(own + UNSEEN_BYTES);
    expect(own).toBeGreaterThan(20_000);

    // The second is killed, the third goes on to the end.
    await stack.startEdge("kis", { name: EDGE, hubUrl });
    const second = await someRows();
    await stack.edges.get(EDGE)!.stop("SIGKILL");
    await stack.startEdge("kis", { name: EDGE, hubUrl });
    await someRows();
    const third = stack.edges.get(EDGE)!;
    await third.stop();
    const end = (await third.announced("edge_stopped")) as unknown as EdgeReport;
    await stack.hub.stop();
    const told = own + counterOf(second, "hub_bytes") + counterOf(end, "hub_bytes");

    // The hub knows what each process said with its last heartbeat: all but the seconds around its end.
    const folded = await sumOf("hub_bytes");
    expect(folded).toBeLessThanOrEqual(proxy.upBytes);
    expect(folded).toBeGreaterThan(0.85 * told);
    expect(folded).toBeGreaterThan(0.85 * proxy.upBytes);

    // The ledger's side is exact, and less: questions, handshakes and framing come on top.
    const ledger = await sumOf("ledger_bytes");
    const { rows } = await test.pool.query<{ bytes: number }>(
      `select sum(bytes)::float8 as bytes from ingest_batch b join stream s on s.no = b.stream
        where s.edge = $1`,
      [EDGE],
    );
    expect(ledger).toBe(rows[0]!.bytes);
    expect(ledger).toBeLessThan(proxy.upBytes);
    expect(await sumOf("requests_made")).toBeGreaterThan(3);
    expect(await sumOf("log_bytes")).toBeGreaterThan(500);
  });

  it("stands in the hub's picture, on /metrics and in `tickhub status --meters`", async () => {
    await test.stack.startHub();
    const { hubUrl: hub } = test.stack;
    const meters = await eventually(20_000, "meters", async () => {
      const picture = await fetchJson<Picture>(`${hub}/status`);
      return picture && picture.meters.length > 0 ? picture.meters : null;
    });
    const egress = meters.find(({ meter, subject }) => meter === "egress" && subject === EDGE)!;
    expect(egress).toMatchObject({ unit: "GB", limit: null, state: "ok", openDays: 0 });
    expect(egress.used).toBeGreaterThan(20_000 / 1e9);
    expect(egress.projected).toBeGreaterThanOrEqual(egress.used);
    const names = meters.map(({ meter, subject }) => `${meter}@${subject}`);
    expect(names).toEqual(
      expect.arrayContaining(["requests@edges", "logs@edges", "metrics@edges", "storage@hub"]),
    );
    const text = await (await fetch(`${hub}/metrics`)).text();
    expect(text).toMatch(/tickhub_meter_used_bytes\{meter="egress",subject="metered",role="hub"\}/);
    expect(text).toMatch(
      /tickhub_meter_limit_requests\{meter="requests",subject="edges".*\} 1000000/,
    );
    const { code, stdout } = await tickhub(["status", "--meters", "--hub", hub]);
    expect(stdout).toMatch(/^Meters of \d{4}-\d\d, projected to its end\nmeter +of +used/);
    expect(stdout).toMatch(/^egress +metered +\S+ GB +(\S+ ± \S+ GB|not known yet) +none/m);
    expect([0, 1]).toContain(code);
    console.log(stdout);
  });
});
