// The light edge: feeds of news and disclosures -> one outbox -> one uplink that costs little. It holds no lease,
// opens no broker's socket and remembers nothing: after a restart it sends again what the feeds still list, and
// the database counts that as duplicates. Promises what every edge does: received is committed, held, quarantined
// or declared lost.
import { randomUUID } from "node:crypto";
import { every, sleep } from "../shared/clock.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { TickhubError } from "../shared/errors.ts";
import type { AccountStatus } from "../shared/gateway-protocol.ts";
import { LIGHT_HEARTBEAT } from "../shared/heartbeat.ts";
import { newsAccount } from "../shared/own-account.ts";
import { sumOf } from "../shared/tick.ts";
import { EdgeCore } from "./core.ts";
import type { CoreOptions, Edge } from "./core.ts";
import { Names } from "./feed/news/names.ts";
import { NewsFeed } from "./feed/news/news-feed.ts";
import type { NewsFeedOptions, SourceStatus } from "./feed/news/news-feed.ts";

export interface NewsEdgeOptions
  extends
    CoreOptions,
    Pick<NewsFeedOptions, "sources" | "keys" | "limits" | "hostPauseMs" | "spreadMs"> {
  /** How often the hub is told how this edge does; default STATUS_MS. */
  statusMs?: number;
}

/** Rare, because each costs egress; the status itself says how rare. */
const STATUS_MS = 45_000;
/** A hub that is away does not hold up our end. */
const LAST_WORD_MS = 2_000;
/** No lease, so no epoch of one. */
const EPOCH = 0;

export async function startNewsEdge(options: NewsEdgeOptions): Promise<Edge> {
  const { clock, reporter, edge, hubUrl, token, statusMs = STATUS_MS } = options;
  const core = new EdgeCore(options, { heartbeat: LIGHT_HEARTBEAT });
  const account = newsAccount(edge);
  const holder = randomUUID();
  let capture = 0;
  const feed = new NewsFeed({
    ...options,
    emit: reporter.emit,
    bytes: core.meter.broker,
    take: (row) => core.outbox.push(account, EPOCH, { ...row, capture: ++capture }, clock.monoMs()),
  });
  const names = new Names({
    ...{ hubUrl, edge, token, clock, emit: reporter.emit, bytes: core.meter.hub },
    route: routeThrough([options.uplinkProxy], clock),
    use: (tagger) => feed.tagBy(tagger),
  });
  core.sender.addHolder(account, holder);
  const running = await core.start({
    accounts: () => ({ [account]: statusOf(account, holder, core, feed, clock.nowMs()) }),
    isStandingBy: () => false,
    more: () => ({ news: { names: names.count, sources: feed.status() } }),
  });
  const say = async () => {
    await core.ask(account, holder, "report", core.slimStatus(statusMs)).catch(ignoreUplink);
  };
  const saying = every(clock, statusMs, () => void say());
  // What is read before the names are there would go without tags, and is never read again.
  void names.start().then(() => feed.start());
  return {
    statusUrl: running.server.url,
    report: () => core.report(),
    async stop(drainMs) {
      core.draining();
      saying.cancel();
      names.stop();
      feed.stop();
      await core.drain(drainMs);
      await Promise.race([say(), sleep(clock, LAST_WORD_MS)]);
      return await core.stop(running);
    },
  };
}

/** The uplink tells of its own failures. */
function ignoreUplink(error: unknown): void {
  if (!(error instanceof TickhubError)) throw error;
}

function statusOf(
  account: string,
  holder: string,
  { outbox }: EdgeCore,
  feed: NewsFeed,
  nowMs: number,
): AccountStatus {
  const sources = feed.status();
  const failing = sources.filter(({ state }) => state === "failing");
  const isDown = sources.length > 0 && failing.length === sources.length;
  const lastMs = Math.max(0, ...sources.map(({ answeredMs }) => answeredMs));
  const age = (thenMs: number) => (thenMs > 0 ? nowMs - thenMs : null);
  const code = failing[0]?.code;
  return {
    holder,
    feed: isDown ? "waiting" : stateOf(sources),
    ...(code ? { code } : {}),
    registrations: sources.length,
    frameAgeMs: age(lastMs),
    tickAgeMs: age(feed.freshMs()),
    ledger: sumOf((["news", "quarantine"] as const).map((lane) => outbox.ledgerOf(account, lane))),
  };
}

function stateOf(sources: readonly SourceStatus[]): string {
  if (sources.length === 0) return "idle";
  return sources.some(({ state }) => state === "ok") ? "live" : "connecting";
}
