// What OCI's Monitoring has measured: how busy each machine was in the last seven days, as the rule about idle
// machines counts it, and what the month brought so far in requests and egress.
import type { Gatherer } from "../gather.ts";
import type { Month } from "../month.ts";
import type { OciClient } from "./client.ts";
import type { OciInstance } from "./facts.ts";

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const STEP_MS = 300_000;

/** 95th percentiles of seven days, in per cent; undefined: no figures, because the agent's plug-in is off. */
export interface Activity {
  instance: OciInstance;
  cpu: number | undefined;
  memory: number | undefined;
  /** Of the shape's bandwidth; the busier direction. */
  network: number | undefined;
  /** How much of the seven days there are figures for. */
  days: number;
}

/** MetricData of SummarizeMetricsData, as far as it is read. */
interface Stream {
  dimensions?: Record<string, string>;
  aggregatedDatapoints?: { timestamp: string; value: number }[];
}

type Ask = (namespace: string, query: string, startMs: number) => Promise<Stream[] | undefined>;

export async function readMetrics(
  client: OciClient,
  compartments: readonly string[],
  instances: readonly OciInstance[],
  month: Month,
  gather: Gatherer,
): Promise<{
  activity: Activity[] | undefined;
  objectRequests: number | undefined;
  egressBytes: number | undefined;
}> {
  const endTime = new Date(month.nowMs).toISOString();
  const ask: Ask = (namespace, query, startMs) =>
    gather.each(
      () => `metrics of ${namespace}`,
      compartments,
      async (compartmentId) =>
        (await client.list(
          "monitoring",
          "/metrics/actions/summarizeMetricsData",
          { compartmentId },
          { namespace, query, startTime: new Date(startMs).toISOString(), endTime },
        )) as Stream[],
    );
  const sum = (streams: Stream[] | undefined) =>
    streams
      ?.flatMap(({ aggregatedDatapoints = [] }) => aggregatedDatapoints)
      .reduce((total, { value }) => total + value, 0);
  const running = instances.filter((instance) => instance.running);
  const [activity, requests, egress] = await Promise.all([
    running.length === 0 ? [] : readActivity(ask, running, month.nowMs),
    ask("oci_objectstorage", "AllRequests[1d].sum()", month.startMs),
    ask("oci_vcn", "VnicToNetworkBytes[1d].sum()", month.startMs),
  ]);
  return { activity, objectRequests: sum(requests), egressBytes: sum(egress) };
}

async function readActivity(
  ask: Ask,
  instances: readonly OciInstance[],
  nowMs: number,
): Promise<Activity[] | undefined> {
  const week = (query: string) => ask("oci_computeagent", query, nowMs - WEEK_MS);
  const [cpu, memory, bytesIn, bytesOut] = await Promise.all([
    week("CpuUtilization[5m].mean()"),
    week("MemoryUtilization[5m].mean()"),
    // These two count up since the machine's start.
    week("NetworksBytesIn[5m].max()"),
    week("NetworksBytesOut[5m].max()"),
  ]);
  if (!cpu || !memory || !bytesIn || !bytesOut) return undefined;
  return instances.map((instance) => {
    const of = (streams: Stream[]) =>
      streams
        .filter(({ dimensions }) => dimensions?.["resourceId"] === instance.id)
        .flatMap(({ aggregatedDatapoints = [] }) => aggregatedDatapoints)
        .toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
    const values = (streams: Stream[]) => of(streams).map(({ value }) => value);
    const network = [bytesIn, bytesOut]
      .map((streams) => p95(shares(of(streams), instance.gbps ?? instance.ocpus)))
      .filter((share) => share !== undefined);
    return {
      instance,
      cpu: p95(values(cpu)),
      memory: p95(values(memory)),
      network: network.length === 0 ? undefined : Math.max(...network),
      days: (values(cpu).length * STEP_MS) / DAY_MS,
    };
  });
}

/** Per cent of the bandwidth between one figure of a counter and the next; a restart is left out. */
function shares(points: readonly { timestamp: string; value: number }[], gbps: number): number[] {
  if (gbps <= 0) return [];
  return points.slice(1).flatMap(({ timestamp, value }, index) => {
    const before = points[index]!;
    const seconds = (Date.parse(timestamp) - Date.parse(before.timestamp)) / 1000;
    const bytes = value - before.value;
    return seconds > 0 && bytes >= 0 ? [((bytes * 8) / seconds / (gbps * 1e9)) * 100] : [];
  });
}

/** The smallest value that 95 of 100 do not exceed. */
export function p95(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1];
}
