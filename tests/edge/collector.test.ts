// The lease decides whether a feed may have its socket; the collector never lets two be open.
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { Collector } from "../../app/edge/collector.ts";
import type { Feed, FeedSink, FeedState, Registration } from "../../app/edge/feed/feed.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { TickhubError } from "../../app/shared/errors.ts";
import type { Event } from "../../app/shared/events.ts";
import type { Standing, Wish } from "../../app/shared/gateway-protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { reject, trade } from "../support/records.ts";

const PLAN: Registration[] = [{ venue: "KRX", symbol: "005930", channel: "trade" }];

/** A feed that only remembers what it was told; `gone` lets a destroyed socket go. */
class FakeFeed implements Feed {
  readonly source = "kis:1";
  readonly told: string[] = [];
  gone = Promise.withResolvers<undefined>();
  current: FeedState = { name: "idle" };
  readonly sink: FeedSink;
  constructor(sink: FeedSink) {
    this.sink = sink;
  }
  start(plan: readonly Registration[]): void {
    this.told.push(`start ${plan.length}`);
    this.current = { name: "live", sinceMs: 0, registrations: plan.length };
  }
  replan(plan: readonly Registration[]): void {
    this.told.push(`replan ${plan.length}`);
  }
  async stop(): Promise<void> {
    this.told.push("stop");
    await this.gone.promise;
  }
  destroy(): void {
    this.told.push("destroy");
  }
  state(): FeedState {
    return this.current;
  }
  lastFrameMs(): number {
    return 0;
  }
}

let clock: FakeClock;
let feed: FakeFeed;
let outbox: Outbox;
let events: Event[];
let wishes: Wish[];
let answer: () => Standing;
let collector: Collector;

const standing = (state: Standing["lease"]["state"], more: Partial<Standing> = {}): Standing => ({
  system: "1",
  nowMs: 0,
  lease: { state, epoch: 3 },
  ...more,
});
const granted = () => standing("granted", { assignment: PLAN, assignmentEpoch: 1, positions: [] });

/** Lets promises settle between two beats of the clock. */
async function beat(): Promise<void> {
  clock.advance(1_000);
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

function todaysTrade() {
  const day = 20261123;
  return trade({
    symbol: "005930",
    venue: "KRX",
    day,
    exchangeMs: clock.nowMs(),
    edgeRecvMs: clock.nowMs(),
  });
}

beforeEach(() => {
  clock = new FakeClock();
  outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 1 << 20, mintStream: randomUUID });
  events = [];
  wishes = [];
  answer = granted;
  collector = new Collector({
    account: "kis:1",
    holder: randomUUID(),
    createFeed: (sink) => (feed = new FakeFeed(sink)),
    ask: (_account, _holder, wish) => {
      wishes.push(wish);
      return Promise.try(answer);
    },
    outbox,
    clock,
    market: (wallMs) => wallMs,
    emit: (event) => events.push(event),
  });
});

describe("a collector", () => {
  it("claims until the lease is granted, then starts the feed with its assignment, once", async () => {
    answer = () => standing("waiting");
    collector.start();
    await beat();
    expect(feed.told).toEqual([]);
    answer = granted;
    await beat();
    await beat();
    expect(feed.told).toEqual(["start 1"]);
    expect(wishes).toEqual(["claim", "claim", "hold"]);
  });

  it("says once that another edge holds the account, or that the hub does not know it", async () => {
    answer = () => standing("held", { lease: { state: "held", edge: "home" } });
    collector.start();
    await beat();
    await beat();
    answer = () => standing("unknown");
    await beat();
    const alarms = events
      .filter((event) => event.event === "feed_alarmed")
      .map((event) => event.code);
    expect(alarms).toEqual(["LEASE_HELD", "LEASE_UNKNOWN"]);
  });

  it("goes on collecting under its epoch while the hub does not answer", async () => {
    collector.start();
    await beat();
    answer = () => {
      throw new TickhubError("UPLINK_UNREACHABLE");
    };
    await beat();
    feed.sink.ticks([todaysTrade()]);
    expect(outbox.ledger()).toMatchObject({ received: 1, held: 1 });
    expect(feed.told).toEqual(["start 1"]);
  });

  it("destroys the socket when the lease is lost, and opens another only after that one is gone", async () => {
    collector.start();
    await beat();
    answer = () => standing("lost");
    await beat();
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
    feed.sink.ticks([todaysTrade()]);
    expect(outbox.ledger().received).toBe(0);
    answer = granted;
    await beat();
    expect(feed.told).toHaveLength(3);
    feed.gone.resolve(undefined);
    await beat();
    expect(feed.told).toEqual(["start 1", "destroy", "stop", "start 1"]);
  });

  it("hands a changed assignment to the feed, and takes no records outside it", async () => {
    collector.start();
    await beat();
    answer = () => standing("granted", { assignment: [], assignmentEpoch: 2 });
    await beat();
    expect(feed.told).toEqual(["start 1", "replan 0"]);
    feed.sink.ticks([todaysTrade()]);
    expect(outbox.ledgerOf("kis:1", "quarantine").received).toBe(1);
  });

  it("tells of refused records once a heartbeat, with their count", async () => {
    collector.start();
    await beat();
    for (let i = 0; i < 3; i++)
      feed.sink.reject(reject({ code: "FRAME_GRAMMAR", reason: "no bars" }));
    await beat();
    await beat();
    const told = events.filter((event) => event.event === "record_quarantined");
    expect(told).toEqual([
      {
        event: "record_quarantined",
        source: "kis:1",
        code: "FRAME_GRAMMAR",
        count: 3,
        reason: "no bars",
      },
    ]);
    expect(outbox.ledger().received).toBe(3);
  });

  it("keeps the lease while its feed says goodbye, however long that takes", async () => {
    collector.start();
    await beat();
    const stopping = collector.stopFeed();
    for (let i = 0; i < 5; i++) await beat();
    expect(wishes.slice(1)).toEqual(["hold", "hold", "hold", "hold", "hold"]);
    feed.gone.resolve(undefined);
    await stopping;
    await collector.release();
    expect(wishes.at(-1)).toBe("release");
    expect(feed.told).toEqual(["start 1", "stop"]);
  });

  it("begins nothing once it stops", async () => {
    answer = () => standing("waiting");
    collector.start();
    await beat();
    feed.gone.resolve(undefined);
    await collector.stopFeed();
    answer = granted;
    await beat();
    expect(feed.told).toEqual(["stop"]);
    expect(wishes).not.toContain("release");
  });

  it("releases the account after the feed has stopped, and asks no more", async () => {
    collector.start();
    await beat();
    feed.gone.resolve(undefined);
    await collector.stopFeed();
    await collector.release();
    await beat();
    expect(wishes.at(-1)).toBe("release");
    expect(wishes.filter((wish) => wish === "release")).toHaveLength(1);
  });
});
