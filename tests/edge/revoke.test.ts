// A revoke is acknowledged: the holder closes its socket and drains before it gives the account back, and
// nothing that arrives meanwhile is lost.
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { Collector } from "../../app/edge/collector.ts";
import type { Feed, FeedSink, FeedState, Registration } from "../../app/edge/feed/feed.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { readHeader } from "../../app/shared/batch.ts";
import { TickhubError } from "../../app/shared/errors.ts";
import type { Event } from "../../app/shared/events.ts";
import { hubMessageSchema, parseMessage } from "../../app/shared/gateway-protocol.ts";
import type { Standing, Wish } from "../../app/shared/gateway-protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { trade } from "../support/records.ts";

const PLAN: Registration[] = [{ venue: "KRX", symbol: "005930", channel: "trade" }];

class FakeFeed implements Feed {
  readonly source = "kis:1";
  readonly told: string[] = [];
  readonly gone = Promise.withResolvers<undefined>();
  readonly sink: FeedSink;
  constructor(sink: FeedSink) {
    this.sink = sink;
  }
  start(): void {
    this.told.push("start");
  }
  replan(): void {
    this.told.push("replan");
  }
  async stop(): Promise<void> {
    this.told.push("stop");
    await this.gone.promise;
  }
  destroy(): void {
    this.told.push("destroy");
  }
  state(): FeedState {
    return { name: "idle" };
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
let answer: (wish: Wish) => Standing;
let collector: Collector;

const standing = (state: Standing["lease"]["state"], revoked?: boolean): Standing => ({
  system: "1",
  nowMs: 0,
  lease: { state, epoch: 3, ...(revoked ? { revoked } : {}) },
  ...(state === "granted" ? { assignment: PLAN, assignmentEpoch: 1, positions: [] } : {}),
});

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
async function beat(ms = 1_000): Promise<void> {
  clock.advance(ms);
  await settled();
}

function arrive(): void {
  const nowMs = clock.nowMs();
  const fields = { symbol: "005930", venue: "KRX", day: 20261123 } as const;
  feed.sink.ticks([trade({ ...fields, exchangeMs: nowMs, edgeRecvMs: nowMs })]);
}

/** The hub stores what is due. */
function store(): void {
  for (;;) {
    const batch = outbox.next(clock.monoMs() + 60_000, 8);
    if (!batch) return;
    const { stream, number, rows } = readHeader(batch.bytes);
    outbox.settle({ stream, number, committed: rows, duplicate: 0, quarantined: 0, lost: 0 });
  }
}

beforeEach(async () => {
  clock = new FakeClock();
  outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 1 << 20, mintStream: randomUUID });
  events = [];
  wishes = [];
  answer = () => standing("granted");
  collector = new Collector({
    account: "kis:1",
    holder: randomUUID(),
    createFeed: (sink) => (feed = new FakeFeed(sink)),
    ask: (_account, _holder, wish) => {
      wishes.push(wish);
      return Promise.try(() => answer(wish));
    },
    outbox,
    clock,
    market: (wallMs) => wallMs,
    emit: (event) => events.push(event),
  });
  collector.start();
  await beat();
  answer = (wish) =>
    wish === "release"
      ? standing("released")
      : wish === "claim"
        ? standing("ineligible")
        : standing("granted", true);
});

const alarms = () =>
  events.flatMap((event) => (event.event === "feed_alarmed" ? [event.code] : []));

describe("a holder whose lease is revoked", () => {
  it("closes its socket, keeps what arrives until it is closed, drains, releases, and stands by", async () => {
    arrive();
    await beat();
    expect(feed.told).toEqual(["start", "stop"]);
    expect(collector.status().lease).toBe("leaving");
    arrive();
    expect(outbox.ledger()).toMatchObject({ received: 2, held: 2, quarantined: 0 });
    await beat();
    expect(wishes).not.toContain("release");
    feed.gone.resolve(undefined);
    await beat();
    expect(wishes).not.toContain("release");
    store();
    await beat();
    expect(wishes).toContain("release");
    await beat();
    expect(wishes.at(-1)).toBe("claim");
    expect(collector.isStandingBy()).toBe(true);
    expect(outbox.ledger()).toMatchObject({ received: 2, committed: 2, held: 0 });
    expect(alarms()).not.toContain("LEASE_REVOKED");
    answer = () => standing("granted");
    await beat();
    expect(feed.told).toEqual(["start", "stop", "start"]);
  });

  it("whose rows do not get out gives the account back after 20 s, keeps them and says so", async () => {
    arrive();
    feed.gone.resolve(undefined);
    for (let i = 0; i < 20; i++) await beat();
    expect(wishes).not.toContain("release");
    for (let i = 0; i < 3; i++) await beat();
    expect(wishes).toContain("release");
    expect(alarms()).toContain("LEASE_REVOKED");
    expect(outbox.ledger()).toMatchObject({ received: 1, held: 1 });
  });

  it("and whose hub is gone opens nothing, and gives the account back when the hub is there again", async () => {
    await beat();
    answer = () => {
      throw new TickhubError("UPLINK_UNREACHABLE");
    };
    feed.gone.resolve(undefined);
    for (let i = 0; i < 30; i++) await beat();
    expect(wishes.at(-1)).toBe("release");
    expect(feed.told).toEqual(["start", "stop"]);
    answer = (wish) => standing(wish === "release" ? "released" : "granted");
    await beat();
    await beat();
    expect(feed.told).toEqual(["start", "stop", "start"]);
  });

  it("leaves although the revoke is taken back meanwhile, and is granted it again", async () => {
    await beat();
    answer = (wish) => standing(wish === "release" ? "released" : "granted");
    await beat();
    expect(collector.status().lease).toBe("leaving");
    feed.gone.resolve(undefined);
    for (let i = 0; i < 3; i++) await beat();
    expect(wishes).toContain("release");
    expect(feed.told).toEqual(["start", "stop", "start"]);
  });

  it("and is ended in the middle releases it once", async () => {
    await beat();
    const stopping = collector.stopFeed();
    feed.gone.resolve(undefined);
    await stopping;
    await collector.release();
    await beat();
    expect(wishes.filter((wish) => wish === "release")).toHaveLength(1);
  });
});

it("the revoke is a field of a lease that is granted: an edge of the release before strips it and goes on", () => {
  const told = { type: "standing", id: 1, standing: standing("granted", true) };
  const heard = parseMessage(hubMessageSchema, JSON.stringify(told));
  expect(heard).toMatchObject({ standing: { lease: { state: "granted", revoked: true } } });
  const newer = {
    ...told,
    standing: { ...told.standing, lease: { state: "granted", epoch: 3, fromLater: true } },
  };
  expect(parseMessage(hubMessageSchema, JSON.stringify(newer))).toMatchObject({
    standing: { lease: { state: "granted", epoch: 3 } },
  });
});
