// What a hub of simulated brokers tells whoever loads it with `tickhub stress --to`: beside its gateway, to an
// edge's token. A hub of real brokers refuses with EDGE_BROKERS, one of a release before with 404.
import { z } from "zod";

/** `GET /stress?edge=NAME`: what the hub collects and how it does. */
export const STRESS_PATH = "/stress";
/** `GET /stress/rows?edge=NAME&holders=UUID,UUID`: live rows that SQL finds of these holders' streams. */
export const STRESS_ROWS_PATH = "/stress/rows";

const figure = z.number().nullable();
const percentiles = z.object({
  count: z.number(),
  p50Ms: figure,
  p99Ms: figure,
  p999Ms: figure,
});

/** Its database and that one's host; what the role may not see is null, and named in `unknown`. */
const database = z.object({
  walBytes: z.number().optional(),
  walSyncs: z.number().optional(),
  walSyncMs: figure.optional(),
  checkpointsTimed: z.number().optional(),
  checkpointsRequested: z.number().optional(),
  checkpointSyncMs: z.number().optional(),
  connections: figure,
  locksWaiting: figure,
  commitMs: figure,
  cpu: z.object({ total: z.number(), idle: z.number(), ioWait: z.number() }).nullable(),
  ioStallMs: figure,
});

export const stressLookSchema = z.object({
  brokers: z.literal("simulated"),
  version: z.string(),
  nowMs: z.number(),
  symbols: z.array(z.object({ venue: z.string(), symbol: z.string() })),
  accounts: z.array(z.string()),
  /** Accounts that somebody holds: when the hub heard of the holder last. */
  leases: z.array(z.object({ account: z.string(), edge: z.string().nullable(), seenMs: figure })),
  loop: z.object({ p99Ms: z.number(), maxMs: z.number() }),
  latency: percentiles,
  latencyNow: percentiles,
  database,
  /** What could not be had of the database's host: part and SQLSTATE. */
  unknown: z.record(z.string(), z.string()),
});
export type StressLook = z.infer<typeof stressLookSchema>;

export const stressRowsSchema = z.object({ rows: z.number() });

/** Of the holders of one run. */
export const HOLDERS_MAX = 64;
export const holdersSchema = z.array(z.guid()).min(1).max(HOLDERS_MAX);
