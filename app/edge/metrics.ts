// The edge's own figures on /metrics, beside the counters that report.ts makes of events; set at each scrape
// from one report, so that they belong together. docs/metrics.md lists them; a test compares. Few and short on
// purpose: an edge pays for what it sends.
import { Counter } from "prom-client";
import type { Registry } from "prom-client";
import type { CounterName, Counters } from "../shared/meters.ts";
import {
  BREAKER_STATES,
  FEED_STATES,
  gaugesOf,
  HOLDING_STATES,
  OUTCOMES,
  registerProcessMetrics,
  setState,
} from "../shared/metrics.ts";
import type { EdgeReport } from "./core.ts";

export interface EdgeFigures {
  report: () => EdgeReport;
  /** What the process has cost since its start. */
  counters: () => Counters;
}

/** What the status server answers on /metrics. */
export interface Scraped {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export function createEdgeMetrics(
  registry: Registry,
  version: string,
  { report, counters }: EdgeFigures,
): Scraped {
  registerProcessMetrics(registry, version);
  const setProcess = processGauges(registry);
  const setAccounts = accountGauges(registry);
  const setCosts = costCounters(registry);
  return {
    contentType: registry.contentType,
    metrics() {
      const now = report();
      setProcess(now);
      setAccounts(now);
      setCosts(counters());
      return registry.metrics();
    },
  };
}

function processGauges(registry: Registry): (now: EdgeReport) => void {
  const gauge = gaugesOf(registry);
  const bytes = gauge("outbox_bytes", "Bytes the outbox holds");
  const seconds = gauge("outbox_seconds", "Until the outbox is full at the present rate");
  const oldest = gauge("outbox_oldest_seconds", "Age of the oldest record in it");
  const loop = gauge("event_loop_delay_seconds", "99th percentile of the last second");
  const balanced = gauge("ledger_balanced", "1 while received equals the sum of the rest");
  const breaker = gauge("breaker_state", "1 for the breaker's state", ["state"]);
  const up = gauge("uplink_up", "1 while the link to the hub is open");
  const offset = gauge("clock_offset_seconds", "The hub's clock minus ours, network delay halved");
  return ({ outbox, uplink, loop: delay, balanced: isBalanced }) => {
    bytes.set(outbox?.bytes ?? 0);
    seconds.set(outbox?.secondsLeft ?? 0);
    oldest.set((outbox?.oldestMs ?? 0) / 1_000);
    loop.set(delay.p99Ms / 1_000);
    balanced.set(isBalanced ? 1 : 0);
    setState(breaker, {}, BREAKER_STATES, uplink?.breaker);
    up.set(uplink?.link === "up" ? 1 : 0);
    if (typeof uplink?.offsetMs === "number") offset.set(uplink.offsetMs / 1_000);
  };
}

function accountGauges(registry: Registry): (now: EdgeReport) => void {
  const gauge = gaugesOf(registry);
  const account = ["account"];
  const records = new Counter({
    name: "tickhub_outbox_records_total",
    help: "Records of an account by what became of them, from this process's start",
    labelNames: ["account", "outcome"],
    registers: [registry],
  });
  const held = gauge("outbox_held_records", "Records without a verdict", account);
  const feed = gauge("feed_state", "1 for the feed's state", ["account", "state"]);
  const lease = gauge("lease_state", "1 for the lease's state", ["account", "state"]);
  const frame = gauge("feed_frame_age_seconds", "Age of the last frame", account);
  const tick = gauge("feed_tick_age_seconds", "Age of the last tick", account);
  const registered = gauge("feed_registrations", "Confirmed by the broker", account);
  return ({ accounts = {} }) => {
    records.reset();
    for (const [name, status] of Object.entries(accounts)) {
      const labels = { account: name };
      const { ledger, frameAgeMs, tickAgeMs } = status;
      for (const outcome of OUTCOMES) records.inc({ ...labels, outcome }, ledger?.[outcome] ?? 0);
      held.set(labels, ledger?.held ?? 0);
      setState(feed, labels, FEED_STATES, status.feed);
      setState(lease, labels, HOLDING_STATES, status.lease);
      if (typeof frameAgeMs === "number") frame.set(labels, frameAgeMs / 1_000);
      if (typeof tickAgeMs === "number") tick.set(labels, tickAgeMs / 1_000);
      registered.set(labels, status.registrations ?? 0);
    }
  };
}

/** What a vendor counts (docs/meters.md): bytes by where they went, requests by who made them. */
const SENT: readonly (readonly [to: string, of: CounterName])[] = [
  ["hub", "hub_bytes"],
  ["broker", "broker_bytes"],
  ["asker", "served_bytes"],
  ["network", "interface_bytes"],
  ["log", "log_bytes"],
  ["scraper", "metrics_bytes"],
];
const REQUESTS: readonly (readonly [by: string, of: CounterName])[] = [
  ["us", "requests_made"],
  ["others", "requests_taken"],
];

function costCounters(registry: Registry): (now: Counters) => void {
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `tickhub_${name}_total`, help, labelNames, registers: [registry] });
  const sent = counter("sent_bytes", "Written by where it went; network is all cards", ["to"]);
  const requests = counter("requests", "HTTP requests by who made them", ["by"]);
  const messages = counter("hub_messages", "Messages on the link to the hub, both ways");
  return (now) => {
    for (const one of [sent, requests, messages]) one.reset();
    for (const [to, of] of SENT) if (now[of] !== undefined) sent.inc({ to }, now[of]);
    for (const [by, of] of REQUESTS) requests.inc({ by }, now[of] ?? 0);
    messages.inc(now.hub_messages ?? 0);
  };
}
