// What every process says of itself on /metrics beside its own figures: its release, when it started, what it
// takes. A choice of prom-client's defaults: an edge pays for each line that it is asked for, and three of the
// others are gauges with a counter's name. Also the states that hub and edge show in the same way.
import { collectDefaultMetrics, Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** What is kept of prom-client's defaults. */
const KEPT = new Set([
  "process_start_time_seconds",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_open_fds",
  "process_max_fds",
  "nodejs_heap_size_used_bytes",
]);

/** Of an edge's breaker, of an account's feed, and of its lease as the edge sees it. */
export const BREAKER_STATES = ["closed", "open", "probing"] as const;
export const FEED_STATES = [
  ...(["idle", "connecting", "subscribing", "live"] as const),
  ...(["waiting", "stopped"] as const),
] as const;
export const HOLDING_STATES = ["claiming", "holding", "leaving", "returning", "stopped"] as const;

/** What can become of a record, as counters; what is held is a gauge. */
export const OUTCOMES = ["received", "committed", "duplicate", "quarantined", "lost"] as const;

/** Once a process: into the registry of its reporter. */
export function registerProcessMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (/^(process|nodejs)_/.test(name) && !KEPT.has(name)) registry.removeSingleMetric(name);
  }
  gaugesOf(registry)("build_info", "1; the release is its label", ["version"]).set({ version }, 1);
}

/** Makes gauges with our prefix in one registry. */
export function gaugesOf(registry: Registry) {
  return (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({
      name: `tickhub_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
    });
}

/** One series a state, of which one is 1: a query needs no table of numbers, and nothing else can come in. */
export function setState(
  gauge: Gauge,
  labels: Readonly<Record<string, string>>,
  states: readonly string[],
  now: string | undefined,
): void {
  for (const state of states) gauge.set({ ...labels, state }, state === now ? 1 : 0);
}
