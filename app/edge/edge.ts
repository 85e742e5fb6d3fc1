// A collector process: feeds of one broker's accounts -> one outbox -> one uplink. Stateless and
// disposable: nothing is written to disk (but a tape, when asked for). Promises: what it received is
// committed, held, quarantined or declared lost at every moment, and SIGTERM leaves nothing half done.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Gauge } from "prom-client";
import type { Clock } from "../shared/clock.ts";
import { every, sleep } from "../shared/clock.ts";
import type { Emit } from "../shared/events.ts";
import type { EdgeStatus, Wish } from "../shared/gateway-protocol.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import type { Reporter } from "../shared/report.ts";
import type { Ledger } from "../shared/tick.ts";
import { openBroker } from "./broker.ts";
import { Collector } from "./collector.ts";
import type { FeedSink } from "./feed/feed.ts";
import { HostLock } from "./host-lock.ts";
import { LedgerWatch } from "./ledger-watch.ts";
import type { OutboxEvent } from "./outbox/events.ts";
import { Outbox, OUTBOX_DEFAULTS } from "./outbox/outbox.ts";
import type { HeldSpan } from "./outbox/outbox.ts";
import { Refiller } from "./refill/refiller.ts";
import { startStatusServer } from "./status-server.ts";
import { Sender } from "./uplink/sender.ts";

export interface EdgeAccount {
  /** `kis:1`: also the `source` of its rows. */
  account: string;
  appKey: string;
  secret: string;
}

export interface EdgeOptions {
  edge: string;
  version: string;
  broker: "kis" | "kiwoom";
  accounts: readonly EdgeAccount[];
  restUrl: string;
  wsUrl: string;
  hubUrl: string;
  token: string;
  outboxBytes: number;
  /** Loopback port of the status server; 0 picks one. */
  statusPort: number;
  /** Takes every raw frame, when a tape is kept. */
  keepFrame?: ((account: string) => NonNullable<FeedSink["frame"]>) | undefined;
  clock: Clock;
  market: MarketClock;
  reporter: Reporter;
}

/** How an edge does, and at its end: how it did. */
export interface EdgeReport extends EdgeStatus {
  edge: string;
  ledger: Ledger;
  /** Of what came from the brokers' sockets; the rest was asked of their REST. */
  live: Ledger;
  balanced: boolean;
  /** What the hub has no verdict on, by account and table. */
  heldSpans: HeldSpan[];
  p50Ms: number | null;
  p99Ms: number | null;
  /** Resident memory of the process. */
  rssBytes: number;
}

export interface Edge {
  statusUrl: string;
  report(): EdgeReport;
  /** Unsubscribes and closes the sockets, drains for at most `drainMs`, releases the accounts. */
  stop(drainMs: number): Promise<EdgeReport>;
}

/** Starts the feeds' life: each opens its socket once its account's lease is granted. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { clock, market, reporter, edge, version } = options;
  const bootId = randomUUID();
  const outbox = new Outbox({
    ...OUTBOX_DEFAULTS,
    bytesMax: options.outboxBytes,
    mintStream: randomUUID,
    onEvent: (event) => tell(event, reporter.emit),
  });
  const books = new LedgerWatch(outbox, reporter.emit);
  const sender = new Sender({
    url: options.hubUrl,
    edge,
    token: options.token,
    version,
    bootId,
    outbox,
    clock,
    emit: reporter.emit,
  });
  const locks = new Map<string, HostLock>();
  for (const { account } of options.accounts) {
    const lock = await HostLock.take(lockName(account, options.hubUrl));
    if (lock) locks.set(account, lock);
  }
  const collectors = options.accounts.map(({ account, appKey, secret }) => {
    const lock = locks.get(account);
    const holder = lock?.mint() ?? randomUUID();
    sender.addHolder(account, holder);
    const { broker, restUrl, wsUrl } = options;
    const shared = { clock, market, emit: reporter.emit };
    const place = { broker, source: account, appKey, secret, restUrl, wsUrl };
    const { history, createFeed } = openBroker({ ...place, ...shared });
    return new Collector({
      account,
      holder,
      createFeed,
      refiller: new Refiller({ account, history, outbox, ...shared }),
      ...(options.keepFrame ? { keepFrame: options.keepFrame(account) } : {}),
      ask: (name, holderId, wish) => ask(name, holderId, wish),
      isDead: (other) => other !== holder && (lock?.hasMade(other) ?? false),
      outbox,
      clock,
      market,
      emit: reporter.emit,
    });
  });

  function ask(account: string, holder: string, wish: Wish) {
    return sender.ask({ account, holder, edge, wish, status: report() });
  }

  function report(): EdgeReport {
    const uplink = sender.status();
    const ledger = outbox.ledger();
    return {
      edge,
      bootId,
      version,
      host: hostname(),
      outbox: { ...outbox.stats(clock.monoMs()) },
      uplink: { ...uplink },
      accounts: Object.fromEntries(collectors.map((one) => [one.account, one.status()])),
      ledger,
      live: outbox.liveLedger(),
      balanced: books.look(),
      heldSpans: outbox.heldSpans(),
      p50Ms: uplink.p50Ms,
      p99Ms: uplink.p99Ms,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  watch(reporter, report);
  const server = await startStatusServer(
    options.statusPort,
    { status: report, isStandby: () => collectors.every((one) => one.isStandingBy()) },
    reporter.registry,
  );
  sender.start();
  for (const collector of collectors) collector.start();
  const looking = every(clock, LEDGER_LOOK_MS, () => void books.look());
  return {
    statusUrl: server.url,
    report,
    async stop(drainMs) {
      await Promise.all(collectors.map((collector) => collector.stopFeed()));
      await sender.drain(clock.monoMs() + drainMs);
      await Promise.race([
        Promise.all(collectors.map((collector) => collector.release())),
        sleep(clock, RELEASE_MS),
      ]);
      looking.cancel();
      const last = report();
      await sender.stop();
      await server.close();
      await Promise.all([...locks.values()].map((lock) => lock.release()));
      return last;
    },
  };
}

const LEDGER_LOOK_MS = 1_000;
/** Who collects for two hubs on one host has two leases of the account. */
export function lockName(account: string, hubUrl: string): string {
  return `${account} at ${URL.parse(hubUrl)?.host ?? ""}`;
}

/** A hub that is away does not hold up our end; it finds the dead link by itself. */
const RELEASE_MS = 2_000;

/** The outbox's events in the words of the log. */
function tell(event: OutboxEvent, emit: Emit): void {
  switch (event.event) {
    case "loss_declared": {
      const { account, table, count, reason } = event;
      return emit({ event: "outbox_trimmed", account, table, count, reason });
    }
    case "backlog_set_apart": {
      const { account, table, stream, entries } = event;
      return emit({ event: "backlog_sealed", account, table, stream, entries });
    }
    case "batch_refused": {
      const { stream, number, code } = event;
      return emit({ event: "stream_stuck", stream, number, code });
    }
    case "verdict_mismatched": {
      const { stream, number, rows, counted } = event;
      return emit({ event: "verdict_mismatched", stream, number, rows, counted });
    }
    case "batch_packed":
    case "loss_began":
      return;
  }
}

/** The gauges of /metrics, read when they are scraped. */
function watch(reporter: Reporter, report: () => EdgeReport): void {
  const gauge = (name: string, help: string, read: (now: EdgeReport) => number) =>
    new Gauge({
      name,
      help,
      registers: [reporter.registry],
      collect() {
        this.set(read(report()));
      },
    });
  gauge("tickhub_outbox_bytes", "Bytes the outbox holds", (now) => now.outbox?.bytes ?? 0);
  gauge(
    "tickhub_outbox_seconds_left",
    "Seconds until the outbox is full at the present rate",
    (now) => now.outbox?.secondsLeft ?? 0,
  );
  gauge("tickhub_ledger_balanced", "1 while received equals the sum of the rest", (now) =>
    now.balanced ? 1 : 0,
  );
  for (const part of [
    "received",
    "committed",
    "duplicate",
    "held",
    "quarantined",
    "lost",
  ] as const) {
    gauge(`tickhub_ledger_${part}_records`, `Records ${part}`, (now) => now.ledger[part]);
  }
}
