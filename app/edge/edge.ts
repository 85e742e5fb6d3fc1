// A broker's edge: feeds of one broker's accounts -> one outbox -> one uplink. Stateless and disposable: nothing
// is written to disk (but a tape, when asked for). Promises: what it received is committed, held, quarantined or
// declared lost at every moment, and SIGTERM leaves nothing half done.
import { randomUUID } from "node:crypto";
import { sleep } from "../shared/clock.ts";
import { routeThrough } from "../shared/dial/route.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import { openBroker } from "./broker.ts";
import { Collector } from "./collector.ts";
import { EdgeCore } from "./core.ts";
import type { CoreOptions, Edge } from "./core.ts";
import type { FeedSink } from "./feed/feed.ts";
import { HostLock } from "./host-lock.ts";
import { Refiller } from "./refill/refiller.ts";

export interface EdgeAccount {
  /** `kis:1`: also the `source` of its rows. */
  account: string;
  appKey: string;
  secret: string;
}

export interface EdgeOptions extends CoreOptions {
  broker: "kis" | "kiwoom";
  accounts: readonly EdgeAccount[];
  restUrl: string;
  wsUrl: string;
  /** The way to the broker; itself reached by `uplinkProxy` where there is one. */
  brokerProxy?: string | undefined;
  /** Takes every raw frame, when a tape is kept. */
  keepFrame?: ((account: string) => NonNullable<FeedSink["frame"]>) | undefined;
  market: MarketClock;
}

/** Starts the feeds' life: each opens its socket once its account's lease is granted. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { clock } = options;
  const core = new EdgeCore(options);
  const locks = await lockAccounts(options);
  const collectors = options.accounts.map((account) =>
    createCollector(options, core, account, locks.get(account.account)),
  );
  const running = await core.start({
    accounts: () => Object.fromEntries(collectors.map((one) => [one.account, one.status()])),
    isStandingBy: () => collectors.every((one) => one.isStandingBy()),
  });
  for (const collector of collectors) collector.start();
  return {
    statusUrl: running.server.url,
    report: () => core.report(),
    async stop(drainMs) {
      core.draining();
      await Promise.all(collectors.map((collector) => collector.stopFeed()));
      await core.drain(drainMs);
      await Promise.race([
        Promise.all(collectors.map((collector) => collector.release())),
        sleep(clock, RELEASE_MS),
      ]);
      const last = await core.stop(running);
      await Promise.all([...locks.values()].map((lock) => lock.release()));
      return last;
    },
  };
}

async function lockAccounts({ accounts, hubUrl }: EdgeOptions): Promise<Map<string, HostLock>> {
  const locks = new Map<string, HostLock>();
  for (const { account } of accounts) {
    const lock = await HostLock.take(lockName(account, hubUrl));
    if (lock) locks.set(account, lock);
  }
  return locks;
}

function createCollector(
  options: EdgeOptions,
  core: EdgeCore,
  { account, appKey, secret }: EdgeAccount,
  lock: HostLock | undefined,
): Collector {
  const { clock, market, reporter, uplinkProxy, brokerProxy, broker, restUrl, wsUrl } = options;
  const { outbox, sender, meter } = core;
  const route = brokerProxy ? routeThrough([uplinkProxy, brokerProxy], clock) : undefined;
  const holder = lock?.mint() ?? randomUUID();
  sender.addHolder(account, holder);
  const shared = { clock, market, emit: core.drifts.listening(reporter.emit) };
  const wires = { route, bytes: meter.broker };
  const place = { broker, source: account, appKey, secret, restUrl, wsUrl, ...wires };
  const { history, createFeed } = openBroker({ ...place, ...shared });
  return new Collector({
    account,
    holder,
    createFeed,
    refiller: new Refiller({ account, history, outbox, ...shared }),
    ...(options.keepFrame ? { keepFrame: options.keepFrame(account) } : {}),
    ask: (name, holderId, wish) => core.ask(name, holderId, wish),
    isDead: (other) => other !== holder && (lock?.hasMade(other) ?? false),
    outbox,
    ...shared,
  });
}

/** Who collects for two hubs on one host has two leases of the account. */
export function lockName(account: string, hubUrl: string): string {
  return `${account} at ${URL.parse(hubUrl)?.host ?? ""}`;
}

/** A hub that is away does not hold up our end; it finds the dead link by itself. */
const RELEASE_MS = 2_000;
