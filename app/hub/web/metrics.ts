// The hub's own figures on /metrics, beside the counters that report.ts makes of events. Set from the
// picture at each scrape, so that both always say the same.
import { collectDefaultMetrics, Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { Picture } from "../query/picture.ts";

export interface HubMetrics {
  /** Called before each scrape. */
  set(picture: Picture, gateway: { connections: number; inFlightBytes: number }): void;
  /** A batch was committed this long after its first row was received. */
  committed(account: string, delayMs: number): void;
}

const OUTCOMES = ["received", "committed", "duplicate", "quarantined", "lost"] as const;

export function createHubMetrics(registry: Registry): HubMetrics {
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const records = new Counter({
    name: "tickhub_records_total",
    help: "Records by what became of them; received is the sum of the others",
    labelNames: ["account", "outcome"],
    registers,
  });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `tickhub_${name}`, help, labelNames, registers });
  const held = gauge("edge_held_records", "Records in an edge's outbox", ["edge", "account"]);
  const seconds = gauge("edge_outbox_seconds", "Seconds an edge's outbox still has", ["edge"]);
  const bytes = gauge("edge_outbox_bytes", "Bytes in an edge's outbox", ["edge"]);
  const age = gauge("edge_seen_age_seconds", "Age of an edge's last status", ["edge"]);
  const balanced = gauge("ledger_balanced", "1 while every record is accounted for");
  const database = gauge("database_up", "1 while the database answers");
  const connections = gauge("gateway_connections", "Connections of edges");
  const inFlight = gauge("gateway_in_flight_bytes", "Bytes received and not yet committed");
  const delay = new Histogram({
    name: "tickhub_receive_to_commit_seconds",
    help: "From a batch's first row at the edge to its commit, between two machines' clocks",
    labelNames: ["account"],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300],
    registers,
  });
  return {
    set(picture, gateway) {
      records.reset();
      held.reset();
      for (const { account, hub, edge } of picture.accounts) {
        for (const outcome of OUTCOMES) records.inc({ account, outcome }, hub[outcome]);
        if (edge) held.set({ edge: edge.edge, account }, edge.held);
      }
      for (const { edge, seenAgeMs, status } of picture.edges) {
        age.set({ edge }, seenAgeMs / 1_000);
        if (status.outbox?.secondsLeft !== undefined)
          seconds.set({ edge }, status.outbox.secondsLeft);
        if (status.outbox?.bytes !== undefined) bytes.set({ edge }, status.outbox.bytes);
      }
      const edgesBalance = picture.accounts.every(({ edge }) => edge?.isBalanced !== false);
      const isProven = picture.unbalanced.length === 0;
      balanced.set(picture.total.isBalanced && edgesBalance && isProven ? 1 : 0);
      database.set(picture.database.ok ? 1 : 0);
      connections.set(gateway.connections);
      inFlight.set(gateway.inFlightBytes);
    },
    committed(account, delayMs) {
      delay.observe({ account }, Math.max(0, delayMs) / 1_000);
    },
  };
}
