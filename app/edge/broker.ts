// What an edge has of one account at its broker: the feed, and the history behind it, over one REST side,
// because keys and request limits are the account's.
import type { Clock } from "../shared/clock.ts";
import type { Emit } from "../shared/events.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import type { Route } from "../shared/dial/route.ts";
import type { SocketBytes } from "../shared/socket-bytes.ts";
import type { Feed, FeedSink } from "./feed/feed.ts";
import type { History } from "./feed/history.ts";
import { KisHistory } from "./feed/kis/history.ts";
import { KIS_LIMITS, KIS_TIMINGS } from "./feed/kis/protocol.ts";
import { KisRest } from "./feed/kis/rest.ts";
import { createKisFeed } from "./feed/kis/session.ts";
import { KiwoomHistory } from "./feed/kiwoom/history.ts";
import { KIWOOM_LIMITS, KIWOOM_TIMINGS } from "./feed/kiwoom/protocol.ts";
import { KiwoomRest } from "./feed/kiwoom/rest.ts";
import { createKiwoomFeed } from "./feed/kiwoom/session.ts";

export interface BrokerAccount {
  broker: "kis" | "kiwoom";
  /** `kis:1`. */
  source: string;
  appKey: string;
  secret: string;
  restUrl: string;
  wsUrl: string;
  /** Through proxies. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
}

export interface Broker {
  /** Gets the key or token that a session needs, which the feed then uses. Throws FEED_*, PROXY_*. */
  authorise: () => Promise<unknown>;
  history: History;
  createFeed: (sink: FeedSink, onCap: (cap: number) => void) => Feed;
}

export function openBroker(account: BrokerAccount): Broker {
  if (account.broker === "kis") {
    const rest = new KisRest({ ...account, ...KIS_TIMINGS, ...KIS_LIMITS });
    return {
      authorise: () => rest.approvalKey(),
      history: new KisHistory({ ...account, rest }),
      createFeed: (sink, onCap) => createKisFeed({ ...account, rest, sink, onCap }),
    };
  }
  const rest = new KiwoomRest({ ...account, ...KIWOOM_TIMINGS, ...KIWOOM_LIMITS });
  return {
    authorise: () => rest.token(),
    history: new KiwoomHistory({ ...account, rest }),
    createFeed: (sink, onCap) => createKiwoomFeed({ ...account, rest, sink, onCap }),
  };
}
