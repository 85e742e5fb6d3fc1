// What an edge and the hub's gateway say to each other beside batches (docs/wire.md, "The gateway's
// messages"). A batch is a binary WebSocket message, exactly the bytes of batch.ts; everything else is one
// JSON object a text message, and every one of them is checked here before anybody reads a field of it.
import { z } from "zod";
import { BROKER_KINDS } from "./brokers.ts";
import { ERRORS, TickhubError } from "./errors.ts";
import type { ErrorCode, ErrorContext } from "./errors.ts";
import { countersSchema, SHEDDING } from "./meters.ts";

/** Where the gateway takes WebSockets; everything else on the hub's port is plain HTTP. */
export const GATEWAY_PATH = "/edge";
/** Close codes: the hub refused (a `refused` message went before), and either side stops. */
export const CLOSE_REFUSED = 4400;
export const CLOSE_GOING_AWAY = 1001;
/** A text message is a handful of fields; the largest is a status or the positions of 200 symbols. */
export const TEXT_BYTES_MAX = 1024 * 1024;

/** Of an edge's statuses. */
const PERIOD_MAX_MS = 600_000;

const uuid = z.guid();
const count = z.number().int().min(0);
const account = z.string().min(1).max(255);
const context = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

/** What an edge wants of an account: its lease, to keep it, to give it back, or only to report. */
const wish = z.enum(["claim", "hold", "release", "report"]);
export type Wish = z.infer<typeof wish>;

const ledger = z.object({
  received: count,
  committed: count,
  duplicate: count,
  held: count,
  quarantined: count,
  lost: count,
});

/**
 * One broker socket's life as its edge saw it, in market time: all registrations confirmed, the last frame,
 * the end (null while it lives) and why.
 */
const feedSession = z.object({
  no: z.number().int().min(1),
  fromMs: z.number(),
  heardMs: z.number(),
  toMs: z.number().nullable(),
  code: z.string().nullable(),
  /** While it lives: what the edge had received before is no longer in its outbox. Its wall clock. */
  drainedMs: z.number().nullish(),
});
export type FeedSession = z.infer<typeof feedSession>;

/** What an edge found out about a gap it was given; its rows were committed before it says so. */
const refillAnswer = z.object({
  id: count,
  /** explained: the broker shows no trade in it. missing: it shows nothing of that time. failed: ask again. */
  outcome: z.enum(["filled", "explained", "partial", "missing", "failed"]),
  rows: count,
  /** The broker's figures of the symbol's day, where the asking came to see them. */
  seqFirst: z.number().nullable(),
  seqFinal: z.number().nullable(),
  /** Market time of the asking. */
  askedMs: z.number(),
  detail: z.string().max(400).nullable(),
});
export type RefillAnswer = z.infer<typeof refillAnswer>;

/** How one account does at its edge. */
const accountStatus = z.looseObject({
  /** Whose streams the ledger is of. */
  holder: uuid.optional(),
  /** Name of the feed's state, and its error code where it waits or stopped. */
  feed: z.string(),
  code: z.string().optional(),
  registrations: count.optional(),
  /** Age of the last frame and of the last tick; null before the first. */
  frameAgeMs: z.number().nullable().optional(),
  tickAgeMs: z.number().nullable().optional(),
  lease: z.string().optional(),
  /** Registrations the broker allows, where it allowed fewer than planned. */
  cap: z.number().int().min(1).optional(),
  /** Epoch of the assignment the feed runs; the hub answers with a newer one. */
  assignmentEpoch: count.optional(),
  ledger: ledger.optional(),
  /** Sockets of which the hub has not confirmed the last word, oldest first. */
  sessions: z.array(feedSession).max(64).optional(),
  /** Answers the hub has not confirmed; present, even if empty, where the edge can refill. */
  refills: z.array(refillAnswer).max(64).optional(),
});

/** How a whole edge does: the status line an edge sends with each question. Unknown fields are kept. */
export const edgeStatusSchema = z.looseObject({
  bootId: z.string().optional(),
  version: z.string().optional(),
  outbox: z
    .looseObject({ bytes: count, rows: count, secondsLeft: z.number(), oldestMs: z.number() })
    .partial()
    .optional(),
  uplink: z
    .looseObject({
      breaker: z.string(),
      link: z.string(),
      p50Ms: z.number().nullable(),
      p99Ms: z.number().nullable(),
      offsetMs: z.number().nullable(),
    })
    .partial()
    .optional(),
  accounts: z.record(account, accountStatus).optional(),
  /** What the process has cost since its start, in the order of `COUNTERS`. */
  meters: countersSchema.optional().catch(undefined),
  /** How often this edge says so; without it, each second. Silence begins after that. */
  periodMs: z.number().min(1).max(PERIOD_MAX_MS).optional().catch(undefined),
  /** What it does without, where it is over its egress budget. */
  shedding: z.enum(SHEDDING).optional().catch(undefined),
  /** Layouts of its broker's that it does not know, each in a few words. */
  drifts: z.array(z.string().max(200)).max(16).optional().catch(undefined),
});
export type EdgeStatus = z.infer<typeof edgeStatusSchema>;
export type AccountStatus = z.infer<typeof accountStatus>;

const hello = z.object({
  type: z.literal("hello"),
  wire: z.array(z.number().int()).min(1).max(16),
  edge: z.string().min(1).max(64),
  version: z.string().max(64),
  bootId: z.string().max(64),
  sentMs: z.number(),
  /** How often this edge wants to hear and be heard; a hub of before strips it and keeps its own time. */
  tickMs: z.number().min(1).optional().catch(undefined),
  /** Whose ticks it carries; an edge of a release before does not say, and carries real ones. */
  brokers: z.enum(BROKER_KINDS).optional(),
});

/** From here on, batches of this account are this holder's. Sent before the first of them. */
const holder = z.object({ type: z.literal("holder"), account, holder: uuid });

const ask = z.object({
  type: z.literal("ask"),
  id: count,
  account,
  holder: uuid,
  wish,
  status: edgeStatusSchema,
});

export const edgeMessageSchema = z.discriminatedUnion("type", [hello, holder, ask]);
export type EdgeMessage = z.infer<typeof edgeMessageSchema>;
export type Hello = z.infer<typeof hello>;
export type Ask = z.infer<typeof ask>;

const lease = z.object({
  state: z.enum(["granted", "held", "waiting", "lost", "released", "ineligible", "unknown"]),
  epoch: count.nullish(),
  holder: z.string().nullish(),
  edge: z.string().nullish(),
  /** How long to wait before a claim can succeed. */
  waitMs: z.number().nullish(),
  mode: z.enum(["exclusive", "failover"]).nullish(),
  /** Silence of the holder after which the lease may pass on, quiet time aside. */
  silenceMs: z.number().min(0).nullish(),
  /** Failover: how long the lease is good, counted from the moment the question was sent. */
  validMs: z.number().min(0).nullish(),
  /**
   * Of a lease that is granted: close the socket, drain, then release it. A field and no further state, because
   * an edge of the release before knows the states by name: it strips this and keeps the account.
   */
  revoked: z.boolean().nullish(),
});

const assignment = z.object({
  venue: z.string(),
  symbol: z.string(),
  channel: z.enum(["trade", "book", "status"]),
});

/** The last stored trade of one symbol: where a new process goes on from. */
const position = z.object({
  symbol: z.string(),
  venue: z.string(),
  day: z.number().int(),
  chain: z.number().int(),
  seq: z.number(),
  price: z.number(),
  exchangeMs: z.number(),
});

/**
 * A gap to ask the broker's REST about. hole: trades with seq - size >= seqFrom and seq <= seqTo are missing,
 * between fromMs and toMs. head: nothing is known before seqTo. tail: nothing is known after seqFrom.
 */
const refill = z.object({
  id: count,
  kind: z.enum(["hole", "head", "tail"]),
  venue: z.string(),
  symbol: z.string(),
  /** YYYYMMDD. */
  day: z.number().int(),
  chain: z.number().int(),
  fromMs: z.number(),
  toMs: z.number().nullable(),
  seqFrom: z.number().nullable(),
  seqTo: z.number().nullable(),
});
export type Refill = z.infer<typeof refill>;

/** The answer to an ask, made by the SQL function `where_am_i`. */
export const standingSchema = z.looseObject({
  /** The database's system identifier: an edge notices when it changes under it. */
  system: z.string(),
  nowMs: z.number(),
  lease,
  /** What the account registers at its broker; present on a fresh grant and when it changed. */
  assignment: z.array(assignment).nullish(),
  assignmentEpoch: count.nullish(),
  positions: z.array(position).nullish(),
  /** Gaps for this holder to refill. */
  refills: z.array(refill).nullish(),
  /** What the edge is to do without, to stay within its egress budget; a hub's alone to say. */
  shedding: z.enum(SHEDDING).optional().catch(undefined),
});
export type Standing = z.infer<typeof standingSchema>;

const welcome = z.object({
  type: z.literal("welcome"),
  wire: z.number().int(),
  hub: z.string(),
  system: z.string(),
  hubMs: z.number(),
  limits: z.object({
    batchBytesMax: count,
    inFlightMax: z.number().int().min(1),
    inFlightBytesMax: z.number().int().min(1),
  }),
  /** Numbers of the tables it stores. A hub of the release before does not say: it has TABLES_UNSAID. */
  tables: z.array(z.number().int()).max(64).optional(),
  /** Whose ticks it takes; a hub of a release before does not say, and takes real ones. */
  brokers: z.enum(BROKER_KINDS).optional(),
});
const refused = z.object({
  type: z.literal("refused"),
  code: z.string(),
  hint: z.string(),
  context,
});
/** The batch is committed. */
const ack = z.object({
  type: z.literal("ack"),
  stream: uuid,
  number: count,
  committed: count,
  duplicate: count,
  quarantined: count,
  lost: count,
});
/** The batch is not stored. `retry` says whether the same bytes may be sent again. */
const nack = z.object({
  type: z.literal("nack"),
  stream: uuid,
  number: count,
  code: z.string(),
  retry: z.boolean(),
  context,
});
/** The batch cannot be read, so its stream is unknown: `message` counts this connection's batches from 1. */
const unreadable = z.object({
  type: z.literal("unreadable"),
  message: z.number().int().min(1),
  code: z.string(),
  context,
});
const standing = z.object({ type: z.literal("standing"), id: count, standing: standingSchema });
const unanswered = z.object({
  type: z.literal("unanswered"),
  id: count,
  code: z.string(),
  context,
});

export const hubMessageSchema = z.discriminatedUnion("type", [
  welcome,
  refused,
  ack,
  nack,
  unreadable,
  standing,
  unanswered,
]);
export type HubMessage = z.infer<typeof hubMessageSchema>;
export type Welcome = z.infer<typeof welcome>;

/** The message in `text`, or undefined when it is not one of `schema`'s. */
export function parseMessage<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The error the other side named, or `fallback` when this release does not know its code. */
export function errorOf(code: string, facts: ErrorContext, fallback: ErrorCode): TickhubError {
  return code in ERRORS
    ? new TickhubError(code as ErrorCode, facts)
    : new TickhubError(fallback, { ...facts, said: code });
}
