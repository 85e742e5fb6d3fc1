// The hub's own figures on /metrics, beside the counters that report.ts makes of events. Set from the
// picture at each scrape, so that both always say the same. docs/metrics.md lists them; a test compares.
// Promises: labels are names of configured things and of states, never a symbol, a stream or a text.
import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { gaugesOf, OUTCOMES, registerProcessMetrics } from "../../shared/metrics.ts";
import { PHASES } from "../phase/phases.ts";
import type { DiskPicture } from "../query/disk.ts";
import type { Picture } from "../query/picture.ts";
import type { TableSize } from "../query/table-sizes.ts";
import { edgeGauges } from "./metrics-edges.ts";
import { storeGauges } from "./metrics-stores.ts";

/** What a scrape shows that is not in the picture. */
export interface Beside {
  connections: number;
  inFlightBytes: number;
  tables: readonly TableSize[];
  disk: DiskPicture | null;
  /** Accounts, and whether trades are due for any of their symbols just now. */
  inSession: ReadonlyMap<string, boolean>;
}

export interface HubMetrics {
  /** Called before each scrape. */
  set(picture: Picture, beside: Beside): void;
  /** A batch was committed this long after its first row was received. */
  committed(account: string, delayMs: number): void;
}

export function createHubMetrics(registry: Registry, version: string): HubMetrics {
  registerProcessMetrics(registry, version);
  const registers = [registry];
  const records = new Counter({
    name: "tickhub_records_total",
    help: "Records by what became of them; received is the sum of the others",
    labelNames: ["account", "outcome"],
    registers,
  });
  const gauge = gaugesOf(registry);
  const balanced = gauge("ledger_balanced", "1 while every record is accounted for");
  const connections = gauge("gateway_connections", "Connections of edges");
  const inFlight = gauge("gateway_in_flight_bytes", "Bytes received and not yet committed");
  const loop = gauge("event_loop_delay_seconds", "99th percentile of the last second");
  const phase = gauge("phase_info", "1 for the migration's phase, and for none", ["phase"]);
  const fence = gauge("fence_open", "1 while this database grants leases");
  const session = gauge("account_in_session", "1 while trades of its symbols are due", ["account"]);
  const setEdges = edgeGauges(registry);
  const setStores = storeGauges(registry);
  const delay = new Histogram({
    name: "tickhub_receive_to_commit_seconds",
    help: "From a batch's first row at the edge to its commit, between two machines' clocks",
    labelNames: ["account"],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300],
    registers,
  });
  return {
    set(picture, beside) {
      records.reset();
      for (const { account, hub } of picture.accounts) {
        for (const outcome of OUTCOMES) records.inc({ account, outcome }, hub[outcome]);
      }
      const edgesBalance = picture.accounts.every(({ edge }) => edge?.isBalanced !== false);
      const isProven = picture.unbalanced.length === 0;
      balanced.set(picture.total.isBalanced && edgesBalance && isProven ? 1 : 0);
      connections.set(beside.connections);
      inFlight.set(beside.inFlightBytes);
      loop.set(picture.loop.p99Ms / 1_000);
      for (const name of [...PHASES, "none"])
        phase.set({ phase: name }, name === (picture.phase?.name ?? "none") ? 1 : 0);
      fence.set(picture.phase === null || picture.phase.fence === "open" ? 1 : 0);
      for (const [account, isDue] of beside.inSession) session.set({ account }, isDue ? 1 : 0);
      setEdges(picture);
      setStores(picture, beside);
    },
    committed(account, delayMs) {
      delay.observe({ account }, Math.max(0, delayMs) / 1_000);
    },
  };
}
