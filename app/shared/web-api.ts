// What the hub's page asks and the hub answers, beside /status and /live: the shapes of `/api/…`, read by the
// page's own code and by whoever scripts against the hub. All times are epoch ms; days are YYYYMMDD.
//
// `GET /live` is server-sent events with names, so that a page does no work for what stands still:
//   picture  the whole picture of /status without `trades`, once, first
//   change   top-level fields of it that are not what they were, each whole, but for `coverage`, of which its own
//            fields come alone: `{...picture, ...change, coverage: {...picture.coverage, ...change.coverage}}`.
//            Once a second, and always with `nowMs`: whoever hears none for five seconds is cut off. A reader that
//            did not keep up gets `picture` again
//   trades   the last trades that changed, as `trades` of /status has them; twice a second at most. Once after
//            `picture`: all of them
// `GET /api/watch` and `GET /api/logs/live` send messages without a name. What is asked in a wrong form is
// answered with 400 and `ApiError`; a place nobody knows has no bars, trades and gaps, and that is no error.

/** Every answer that is none, with its status of 400 and above. */
export interface ApiError {
  code: string;
  hint: string;
  /** What of the question was wrong, or why it was refused; a line each. */
  problems?: string[];
}

/**
 * How an edge does, decided by the hub (`edges[].health` of the picture): ok; late, it is there and something is
 * not as it should be; down, it is not there.
 */
export interface EdgeHealth {
  state: "ok" | "late" | "down";
  /** A few words for people; empty when ok. */
  reason: string;
  /** Where TICKHUB_SITES has it; null where it says nothing. */
  site: "home" | "cloud" | null;
  /** Of its uplink: closed, open, probing; null where it did not say. */
  breaker: string | null;
  /** How long its outbox would still hold if the hub were away. */
  outboxSeconds: number | null;
  outboxRows: number | null;
  /** Since the newest tick of any of its accounts, counted on to now. */
  tickAgeMs: number | null;
  /** Accounts whose lease it holds. */
  holds: string[];
}

/** Whose records: one source's view of one symbol. */
export interface Place {
  /** `kis:1`. */
  source: string;
  venue: string;
  symbol: string;
}

/** `GET /api/symbols`: what is collected, with names where the instrument master has them. */
export interface SymbolEntry {
  venue: string;
  symbol: string;
  name: string | null;
  /** Accounts that collect it. */
  sources: string[];
  /** IANA zone of its exchange: times are shown in KST, and in this zone beside it. */
  zone: string;
}
export interface SymbolList {
  day: number;
  symbols: SymbolEntry[];
}

/**
 * One step of a symbol's day, worst of what is in it: verified, volume-verified, alive, suspected, gap, refilled,
 * not recorded, not expected, or still to come.
 */
export type StripCell = "v" | "w" | "a" | "s" | "g" | "r" | "n" | "." | " ";

/** What `GET /api/strip` takes as `stepMs`; the second is the default. */
export const STRIP_STEPS_MS = [60_000, 300_000, 900_000] as const;

/**
 * `GET /api/strip?day=&stepMs=`: the heat strip, a row a place, trades only. `cells` has one letter a step. `day`
 * is each venue's own; without it, it is today.
 */
export interface Strip {
  day: number;
  fromMs: number;
  toMs: number;
  stepMs: number;
  rows: (Place & { cells: string; verifiedShare: number | null })[];
}

/** What `GET /api/bars` takes as `stepMs`: 1, 5, 15 s, 1, 5, 15 min, 1 h, 1 day. A day begins in its venue's zone. */
export const BAR_STEPS_MS = [
  1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000,
] as const;
export const BARS_MAX = 2_000;

/** `GET /api/bars?source=&venue=&symbol=&fromMs=&toMs=&stepMs=`: columns, oldest first; at most BARS_MAX of them. */
export interface Bars extends Place {
  stepMs: number;
  timesMs: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
}

/** One trade as the page lists it. */
export interface TradeLine {
  exchangeMs: number;
  price: number;
  size: number;
  /** 1 buyer, -1 seller, 0 neither or not said. */
  side: number;
  seq: number;
  origin: "live" | "backfill" | "transfer";
}

export const TRADES_MAX = 500;

/** `GET /api/trades?source=&venue=&symbol=&limit=`: the newest, newest first; 100 of them unless `limit` says. */
export interface TradeList extends Place {
  trades: TradeLine[];
}

/** A book as the page draws it: best first, at most ten levels a side. */
export interface Ladder {
  exchangeMs: number;
  edgeRecvMs: number;
  asks: { price: number; size: number }[];
  bids: { price: number; size: number }[];
  expectedPrice: number | null;
}

/**
 * `GET /api/watch?source=&venue=&symbol=`: server-sent events of one place, one message each 250 ms at most, and
 * only when something changed. `trades` are those since the message before, oldest first; the first message has the
 * ladder of the moment, if any, and no trades. 503 with GATEWAY_FULL when too many watch.
 */
export interface Watch {
  ladder: Ladder | null;
  trades: TradeLine[];
}

export const GAPS_MAX = 1_000;

/**
 * `GET /api/gaps?source=&venue=&symbol=&day=`: gaps of a day, whatever became of them, newest first. Each part of
 * the question is optional.
 */
export interface GapLine extends Place {
  id: number;
  channel: string;
  fromMs: number;
  toMs: number;
  /** suspected, refilling, refilled, explained, partial, lost. */
  state: string;
  reason: string;
  missingVolume: number | null;
  /** hole, head, tail, time. */
  kind: string;
}
export interface GapList {
  day: number;
  gaps: GapLine[];
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One line of the central log. */
export interface LogLine {
  /** Rises with each line stored: where to go on from. */
  id: number;
  atMs: number;
  /** Edge's name, or `hub`. */
  edge: string;
  level: LogLevel;
  event: string;
  fields: Record<string, unknown>;
}

/**
 * `GET /api/logs?edge=&level=&event=&q=&sinceMs=&untilMs=&afterId=&limit=`: the newest that fit, oldest first. `level`
 * is the least one. `GET /api/logs/live?…` pushes the same as server-sent events, a message a batch of lines.
 */
export interface LogList {
  lines: LogLine[];
  /** Of the newest line looked at, whether it fitted or not. */
  lastId: number;
}

/** `GET /api/alerts`: what the Sentinel raised lately, newest first. */
export interface AlertLine {
  id: string;
  /** The rule: `HUB_DOWN`, `FEED_SILENT`, … */
  rule: string;
  /** Edge, account, symbol or meter. */
  subject: string;
  severity: "warning" | "critical";
  text: string;
  raisedMs: number;
  /** Null while it lasts. */
  endedMs: number | null;
  /** When somebody said that he knows; null or absent: nobody did. */
  acknowledgedMs?: number | null;
}
export interface AlertList {
  alerts: AlertLine[];
  /** When the Sentinel last said that it lives; null: never. */
  sentinelSeenMs: number | null;
}

/**
 * `POST /api/act` with `Authorization: Bearer` and the admin token. Answers `ActResult`, or `{ code, hint }` with
 * 400 (not an act), 401 (ACT_TOKEN: no such token), 403 (ACT_OFF: actions are off; ACT_ORIGIN: asked by another
 * site's page), 409 (refused, with `problems`), 429 (ACT_RATE). The body is JSON, `reason` of ten letters or more. A
 * phase may take as long as its steps wait; one that waits in vain is 409 with PHASE_WAIT, and the same act goes on.
 */
export type Act =
  | { action: "phase.advance"; force: boolean; reason: string }
  | { action: "phase.rollback"; reason: string }
  | { action: "lease.release"; account: string; reason: string };
export interface ActResult {
  ok: true;
  /** What was done, a line a step. */
  lines: string[];
}

/** `GET /api/session`: what this hub's page may do. */
export interface Session {
  version: string;
  /** True where an admin token is set. */
  actions: boolean;
}
