// What `tickhub latency` says of one probe: the figures, what was asked of them, and the verdict. One form
// for the table latency_run, for an edge that has the hub keep it, and for the reports.
import { z } from "zod";

/**
 * connect     a TCP connection, through proxies where they are set
 * query       `select 1` on an open connection
 * commit      one row inserted and committed, on an open connection
 * ask         the gateway's heartbeat: a question, and the answer the hub reads from its database
 * ack         a batch, from its send to the hub's word that it is committed
 * queryable   a batch, from its send until another connection's SQL sees it
 */
export const LATENCY_PROBES = ["connect", "query", "commit", "ask", "ack", "queryable"] as const;
export type LatencyProbe = (typeof LATENCY_PROBES)[number];

/** Names of percentiles, and the share of samples at or below them. */
export const PERCENTILES = {
  p50: 0.5,
  p90: 0.9,
  p99: 0.99,
  "p99.9": 0.999,
  "p99.99": 0.9999,
} as const;
export type PercentileName = keyof typeof PERCENTILES;

const ms = z.number().nullable();

export const latencyFiguresSchema = z.object({
  /** With those that failed. */
  samples: z.number().int().min(0),
  /** Without an answer in time; each counts as the whole patience. */
  failed: z.number().int().min(0),
  minMs: ms,
  /** Null where there are too few samples to know. */
  percentiles: z.record(z.enum(["p50", "p90", "p99", "p99.9", "p99.99"]), ms),
  maxMs: ms,
});
export type LatencyFigures = z.infer<typeof latencyFiguresSchema>;

export const latencyRunSchema = z.object({
  probe: z.enum(LATENCY_PROBES),
  /** Whose address, without a password. */
  target: z.string().max(300),
  /** `before-nodelay`; null for the plain measurement. */
  label: z.string().max(60).nullable(),
  /** Epoch ms. */
  startedMs: z.number(),
  endedMs: z.number(),
  ratePerS: z.number(),
  /** Samples that this machine began more than a timer's slack after they were due. */
  late: z.number().int().min(0),
  figures: latencyFiguresSchema,
  /** Upper bound of each bin in ms, and samples in it. */
  bins: z.array(z.tuple([z.number(), z.number().int()])).max(400),
  /** Percentile or `max` to the limit in ms. */
  thresholds: z.record(z.string(), z.number()),
  /** unjudged: no threshold names this probe. */
  verdict: z.enum(["accepted", "over", "unjudged"]),
  /** Each threshold that does not hold, in words. */
  over: z.array(z.string().max(200)).max(20),
});
export type LatencyRun = z.infer<typeof latencyRunSchema>;

/** The probes of one command, and what they have in common. */
export const latencyReportSchema = z.object({
  /** One command. */
  run: z.guid(),
  host: z.string().max(255),
  /** In words: `direct, 1.2.3.4:41641`. */
  path: z.string().max(300),
  /** The hub's wall clock minus this machine's, and how far that may be wrong. */
  offsetMs: ms,
  offsetBoundMs: ms,
  /** Medians of one way, by that offset: each may be wrong by the bound. */
  upMs: ms,
  downMs: ms,
  runs: z.array(latencyRunSchema).max(40),
});
export type LatencyReport = z.infer<typeof latencyReportSchema>;

/** One limit: `ack.p99=250`. */
export interface Threshold {
  probe: LatencyProbe;
  percentile: PercentileName | "max";
  limitMs: number;
}

/**
 * The farthest path that is planned for: an edge in the west of the United States, where Google's free
 * machine has to be, to a hub in Seoul (about 130 ms there and back), by a relay at times.
 */
export const LATENCY_ACCEPT_DEFAULT =
  "connect.p99=400,query.p99=300,commit.p99=350,ask.p99=350,ack.p99=400,queryable.p99=600";

/** Thresholds as text, `ack.p99=250,commit.max=1000`; null when it is of another form. */
export function parseThresholds(text: string): Threshold[] | null {
  const thresholds: Threshold[] = [];
  for (const part of text.split(",").map((one) => one.trim())) {
    const [, probe, percentile, limit] = /^(\w+)\.(p[\d.]+|max)=(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    const isProbe = LATENCY_PROBES.includes(probe as LatencyProbe);
    const isKnown = percentile === "max" || Object.hasOwn(PERCENTILES, percentile ?? "");
    if (!isProbe || !isKnown || Number(limit) <= 0) return null;
    thresholds.push({
      probe: probe as LatencyProbe,
      percentile: percentile as Threshold["percentile"],
      limitMs: Number(limit),
    });
  }
  return thresholds;
}
