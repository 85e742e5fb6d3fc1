// One symbol of one account for a minute, by the very feed an edge runs: what works from this place and this
// address, before an edge is left alone with it. Promises: one socket, opened once and closed with a goodbye;
// no second try, whatever the broker says; nothing is stored. Whoever calls holds the account's lease.
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { expectsTrades, phaseAt } from "../../shared/calendar.ts";
import type { Answer } from "../../shared/calendar.ts";
import type { Route } from "../../shared/dial/route.ts";
import { TickhubError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Event } from "../../shared/events.ts";
import { exchange } from "../../shared/http-request.ts";
import { marketNow } from "../../shared/market-clock.ts";
import type { MarketClock } from "../../shared/market-clock.ts";
import type { Reject, Tick, Venue } from "../../shared/tick.ts";
import { openBroker } from "../broker.ts";
import type { Feed, FeedSink, Registration } from "../feed/feed.ts";
import { reach } from "./reach.ts";
import type { Reach } from "./reach.ts";

export interface ProbeOptions {
  broker: "kis" | "kiwoom";
  account: string;
  appKey: string;
  secret: string;
  restUrl: string;
  wsUrl: string;
  route: Route | undefined;
  symbol: { venue: Venue; symbol: string };
  /** From the session's opening to its goodbye. */
  watchMs: number;
  clock: Clock;
  market: MarketClock;
  /** Ends it early: a signal, or the lease is gone. */
  stopped: Promise<unknown>;
  /** Takes each step as it begins. */
  onStep?: (step: string) => void;
}

/** What was seen; the verdict over it is verdict.ts. */
export interface Observed {
  broker: "kis" | "kiwoom";
  rest: Reach;
  socket: Reach;
  /** The broker's clock minus ours, by its REST's Date; whole seconds, so `slackMs` on either side. */
  offset: { ms: number; slackMs: number } | null;
  /** Milliseconds it took to get the key, or why there is none; null when it was not asked for. */
  key: { tookMs: number } | Failure | null;
  opened: boolean;
  wanted: number;
  /** Registrations confirmed; null before all were answered. */
  confirmed: number | null;
  refused: { key: string; code: string; reason: string }[];
  cap: number | null;
  /** From the confirmation to the end. */
  liveMs: number;
  beats: number;
  records: Record<Tick["kind"], number>;
  rejects: { code: string; reason: string }[];
  drifts: string[];
  /** How the session ended before its time. */
  ended: Failure | null;
  /** A goodbye at the end of the time, answered by the broker. */
  goodbye: boolean;
  expects: Answer;
  /** Of the market at the end, in words. */
  session: string;
}

export interface Failure {
  code: ErrorCode;
  reason: string;
}

const STEP_MS = 8_000;
const DATE_BYTES_MAX = 1024 * 1024;
const SAMPLES_MAX = 20;

export async function runProbe(options: ProbeOptions): Promise<Observed> {
  const { broker, restUrl, wsUrl, route, clock, onStep } = options;
  const step = { route, clock, stepMs: STEP_MS };
  onStep?.("reach");
  const [rest, socket] = [
    await reach({ ...step, url: restUrl }),
    await reach({ ...step, url: wsUrl }),
  ];
  const seen: Observed = {
    ...{ broker, rest, socket, offset: null, key: null, opened: false },
    ...{ wanted: 0, confirmed: null, refused: [], cap: null, liveMs: 0, beats: 0 },
    ...{ records: { trade: 0, book: 0, status: 0 }, rejects: [], drifts: [] },
    ...{ ended: null, goodbye: false, expects: "unknown", session: "" },
  };
  if (!rest.failed) seen.offset = await offsetOf(options);
  if (!rest.failed && !socket.failed) await watch(options, seen);
  const nowMs = marketNow(options.market, clock);
  const { venue } = options.symbol;
  const phase = phaseAt(venue, nowMs);
  seen.expects = expectsTrades(venue, nowMs);
  seen.session = phase.session?.kind ?? (phase.reason || "between sessions");
  return seen;
}

/** The feed's own life with one symbol in its plan. */
async function watch(options: ProbeOptions, seen: Observed): Promise<void> {
  const { clock, market, symbol, onStep } = options;
  const over = Promise.withResolvers<undefined>();
  const live: { sinceMs?: number } = {};
  const emit = (event: Event) => {
    note(seen, event);
    if (event.event === "feed_subscribed") {
      live.sinceMs = clock.monoMs();
      onStep?.("registered");
    }
    // The first end is the last: a probe does not try again.
    if (event.event === "feed_closed" || event.event === "feed_retrying") over.resolve(undefined);
  };
  const { authorise, createFeed } = openBroker({
    ...options,
    source: options.account,
    market,
    emit,
  });
  onStep?.("key");
  const startMs = clock.monoMs();
  try {
    await authorise();
    seen.key = { tookMs: clock.monoMs() - startMs };
  } catch (error) {
    seen.key = failureOf(error);
    return;
  }
  onStep?.("watch");
  const feed = createFeed(sinkOf(seen), (cap) => (seen.cap = cap));
  const plan = planOf(symbol);
  seen.wanted = plan.length;
  feed.start(plan);
  await Promise.race([over.promise, options.stopped, sleep(clock, options.watchMs)]);
  if (live.sinceMs !== undefined) seen.liveMs = clock.monoMs() - live.sinceMs;
  await goodbye(feed, seen);
}

/** RFC 6455: no close frame came. */
const NO_GOODBYE = /\b1006\b/;

/** Leaves in order; after an end that was the broker's there is nothing to leave. */
async function goodbye(feed: Feed, seen: Observed): Promise<void> {
  const wasOpen = seen.opened && seen.ended === null;
  await feed.stop();
  // The feed's own goodbye is told as an end as well; it is none of the broker's.
  if (wasOpen) {
    seen.goodbye = seen.ended?.code === "FEED_CLOSED" && !NO_GOODBYE.test(seen.ended.reason);
    seen.ended = null;
  }
}

function planOf({ venue, symbol }: ProbeOptions["symbol"]): Registration[] {
  return [
    { venue, symbol, channel: "trade" },
    { venue, symbol, channel: "book" },
  ];
}

function sinkOf(seen: Observed): FeedSink {
  return {
    ticks(ticks: readonly Tick[]) {
      for (const { kind } of ticks) seen.records[kind]++;
    },
    reject({ code, reason }: Reject) {
      if (seen.rejects.length < SAMPLES_MAX) seen.rejects.push({ code, reason });
    },
    beat: () => seen.beats++,
  };
}

function note(seen: Observed, event: Event): void {
  switch (event.event) {
    case "feed_opened":
      seen.opened = true;
      return;
    case "feed_subscribed":
      seen.confirmed = event.registrations;
      return;
    case "feed_subscription_refused": {
      const { key, code, reason } = event;
      seen.refused.push({ key, code, reason });
      return;
    }
    case "feed_drifted":
      seen.drifts.push(`${event.record}: ${event.width} (known ${event.known})`);
      return;
    case "feed_alarmed":
    case "feed_closed":
      seen.ended ??= { code: event.code as ErrorCode, reason: event.reason };
      return;
    case "feed_retrying":
      seen.ended ??= { code: event.code as ErrorCode, reason: "" };
      return;
    default:
      return;
  }
}

/** By a request without a key: whatever the answer is, it has a Date. */
async function offsetOf({ restUrl, route, clock }: ProbeOptions): Promise<Observed["offset"]> {
  const askedMs = clock.nowMs();
  const limits = { timeoutMs: STEP_MS, replyBytesMax: DATE_BYTES_MAX };
  const reply = await exchange({ url: restUrl, route, clock, ...limits }).catch(() => null);
  const dateMs = Date.parse(reply?.headers.get("date") ?? "");
  if (Number.isNaN(dateMs)) return null;
  const tripMs = clock.nowMs() - askedMs;
  // A Date is cut to its second.
  return { ms: dateMs + 500 - (askedMs + tripMs / 2), slackMs: 500 + tripMs / 2 };
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof TickhubError)) throw error;
  return { code: error.code, reason: error.message };
}
