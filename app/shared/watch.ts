// What the hub shows its watchdog at `GET /watch`, on the port of the page: the figures that the Sentinel's rules
// read, and no others, because it asks twice a minute. The hub makes it of its picture (app/hub/query/watch.ts),
// the Sentinel checks it here. Fields are added and never change their meaning: the two are released apart.
import { z } from "zod";

export const WATCH_PATH = "/watch";

const name = z.string().max(255);
/** Beyond these a list is cut by the hub: an alert does not get better by a longer text. */
export const WATCH_LIMITS = {
  edges: 64,
  accounts: 64,
  drifts: 16,
  meters: 32,
  expiries: 64,
} as const;

/** One account at one edge, as the edge said last. */
const edgeAccount = z.object({
  feed: name,
  code: name.nullable(),
  /** Age of the last tick when the edge said so; null before the first. */
  tickAgeMs: z.number().nullable(),
  /** State of the edge's lease: holding, claiming, … */
  lease: name,
});

const edge = z.object({
  edge: name,
  /** Age of what it said last. */
  seenAgeMs: z.number(),
  outbox: z.object({ secondsLeft: z.number(), oldestMs: z.number() }).nullable(),
  /** The hub's clock less the edge's. */
  offsetMs: z.number().nullable(),
  /** Layouts of the broker's that this release does not know, each in a few words. */
  drifts: z.array(name),
  accounts: z.record(name, edgeAccount),
});
export type WatchedEdge = z.infer<typeof edge>;

const account = z.object({
  account: name,
  /** Who holds its lease; null: nobody. */
  edge: name.nullable(),
  /** Rises with every grant and every new assignment. */
  epoch: z.number(),
  /** Symbols whose trades are assigned to it, by venue, and how many of them a VI or a halt keeps quiet. */
  places: z.record(name, z.object({ symbols: z.number(), quiet: z.number() })),
});
export type WatchedAccount = z.infer<typeof account>;

const meter = z.object({
  meter: name,
  subject: name,
  state: z.enum(["ok", "warn", "over"]),
  used: z.number(),
  projected: z.number(),
  limit: z.number(),
  unit: name,
});

export const hubWatchSchema = z.object({
  version: name,
  nowMs: z.number(),
  /** What time the market has: a replayed day has its own. */
  marketMs: z.number(),
  upMs: z.number(),
  /** Why the database does not answer; null when it does. */
  database: z.object({ code: name }).nullable(),
  edges: z.array(edge),
  accounts: z.array(account),
  /** Gaps in the trades of the market's day. */
  gaps: z.object({
    /** Waiting for an answer, and since when the oldest of them is over, in market time. */
    open: z.number(),
    oldestMs: z.number().nullable(),
    /** That nobody can refill. */
    lost: z.number(),
  }),
  /** The newest day that has figures. Shares of 1. */
  parity: z.object({ day: name, share: z.number(), coverage: z.number() }).nullable(),
  /** Books that were found wrong. */
  unbalanced: z.number(),
  /** Of the volume that the database is on; null where it is another machine's. */
  disk: z.object({ freeBytes: z.number(), totalBytes: z.number() }).nullable(),
  /** Each in a few words; none when all is well or nothing is watched. */
  backup: z.array(z.string()),
  release: z.object({ version: name, outcome: name, reason: z.string() }).nullable(),
  /** With a limit. */
  meters: z.array(meter),
  /** Keys of machines in the tailnet that have an end. */
  expiries: z.array(z.object({ subject: name, atMs: z.number() })),
});
export type HubWatch = z.infer<typeof hubWatchSchema>;
