// An edge as a process of its own, of the real parts (collector, outbox, sender) around a market whose
// clock can be fast-forwarded. Its parent says what to do, over node's own channel between processes.
import { randomUUID } from "node:crypto";
import { isBalanced } from "../../../app/shared/tick.ts";
import type { Ledger } from "../../../app/shared/tick.ts";
import { Collector } from "../../../app/edge/collector.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../../app/edge/outbox/outbox.ts";
import { Sender } from "../../../app/edge/uplink/sender.ts";
import { MarketFeed } from "./market-feed.ts";
import type { Made } from "./market-feed.ts";
import { SkippingClock } from "./skipping-clock.ts";

export interface MarketEdgeOptions {
  edge: string;
  account: string;
  token: string;
  hubUrl: string;
  outboxBytes: number;
  /** How far in the past its clock starts. */
  behindMs: number;
  seed: number;
  updatesPerSecond: number;
  symbols: number;
}

export type Order =
  | { do: "start"; options: MarketEdgeOptions }
  | { do: "look" }
  | { do: "fastForward"; ms: number }
  /** Ends the market; what is held goes on draining. */
  | { do: "endMarket" }
  | { do: "release" };

export interface MarketEdgeReport {
  ledger: Ledger;
  balanced: boolean;
  lease: string;
  link: string;
  /** Of the outbox: now, and at the most. */
  bytes: number;
  peakBytes: number;
  peakRows: number;
  peakRssBytes: number;
  /** Wall clock of the edge. */
  nowMs: number;
  made: [string, Made][];
  /** Names of what happened, counted. */
  events: Record<string, number>;
}

const LOOK_MS = 20;

function create(options: MarketEdgeOptions) {
  const { edge, account, token, hubUrl, outboxBytes, behindMs } = options;
  const clock = new SkippingClock(behindMs);
  const events: Record<string, number> = {};
  const note = (one: { event: string; code?: unknown }) => {
    const name = typeof one.code === "string" ? `${one.event} ${one.code}` : one.event;
    events[name] = (events[name] ?? 0) + 1;
  };
  const outbox = new Outbox({
    ...OUTBOX_DEFAULTS,
    bytesMax: outboxBytes,
    mintStream: randomUUID,
    onEvent: note,
  });
  const bootId = randomUUID();
  const ours = { edge, token, version: "faults", bootId, clock, emit: note };
  const sender = new Sender({ ...ours, url: hubUrl, outbox });
  const holder = randomUUID();
  sender.addHolder(account, holder);
  let feed: MarketFeed | undefined;
  const collector: Collector = new Collector({
    ...{ account, holder, outbox, clock, emit: note },
    createFeed: (sink) => (feed = new MarketFeed({ ...options, source: account, clock, sink })),
    market: (wallMs) => wallMs,
    ask: (name, asking, wish) =>
      sender.ask({
        ...{ account: name, holder: asking, edge, wish },
        status: {
          bootId,
          outbox: { ...outbox.stats(clock.monoMs()) },
          accounts: { [account]: collector.status() },
        },
      }),
  });
  const peak = { bytes: 0, rows: 0 };
  setInterval(() => {
    const { bytes, rows } = outbox.stats(clock.monoMs());
    if (bytes > peak.bytes) [peak.bytes, peak.rows] = [bytes, rows];
  }, LOOK_MS);
  sender.start();
  collector.start();
  return { clock, outbox, sender, collector, feed: feed!, peak, events };
}

let parts: ReturnType<typeof create> | undefined;

async function obey(order: Order): Promise<MarketEdgeReport> {
  if (order.do === "start") parts = create(order.options);
  if (!parts) throw new Error("not started");
  if (order.do === "fastForward") await parts.feed.fastForward(order.ms);
  if (order.do === "endMarket") await parts.collector.stopFeed();
  if (order.do === "release") {
    await parts.collector.release();
    await parts.sender.stop();
  }
  return report(parts);
}

function report({
  clock,
  outbox,
  sender,
  collector,
  feed,
  peak,
  events,
}: NonNullable<typeof parts>): MarketEdgeReport {
  const ledger = outbox.ledger();
  return {
    ledger,
    balanced: isBalanced(ledger),
    lease: collector.status().lease ?? "",
    link: sender.status().link,
    bytes: outbox.stats(clock.monoMs()).bytes,
    peakBytes: peak.bytes,
    peakRows: peak.rows,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    nowMs: clock.nowMs(),
    made: [...feed.made],
    events,
  };
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (done) => process.send!({ id, report: done }),
    (error: unknown) => process.send!({ id, failure: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
