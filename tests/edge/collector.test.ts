// The lease decides whether a feed may have its socket; the collector never lets two be open.
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { Collector } from "../../app/edge/collector.ts";
import type { Feed, FeedSink, FeedState, Registration } from "../../app/edge/feed/feed.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { Refiller } from "../../app/edge/refill/refiller.ts";
import { readHeader } from "../../app/shared/batch.ts";
import { TickhubError } from "../../app/shared/errors.ts";
import type { Event } from "../../app/shared/events.ts";
import type { Refill, RefillAnswer, Standing, Wish } from "../../app/shared/gateway-protocol.ts";
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
  await settled();
}

async function settled(): Promise<void> {
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

  it("gives back in its name what a process held that died on this host, then claims as before", async () => {
    const asked: string[] = [];
    const dead = randomUUID();
    let isBuried = false;
    collector = new Collector({
      account: "kis:1",
      holder: "me",
      createFeed: (sink) => (feed = new FakeFeed(sink)),
      isDead: (holder) => holder === dead,
      ask: (_account, holder, wish) => {
        asked.push(`${holder === dead ? "dead" : holder} ${wish}`);
        if (holder === dead) isBuried = true;
        const lease = { state: "waiting" as const, epoch: 3, holder: isBuried ? null : dead };
        return Promise.resolve(asked.length < 4 ? standing("waiting", { lease }) : granted());
      },
      ...{ outbox, clock, market: (wallMs: number) => wallMs },
      emit: (event) => events.push(event),
    });
    collector.start();
    for (let i = 0; i < 4; i++) await beat();
    expect(asked).toEqual(["me claim", "dead release", "me claim", "me claim", "me hold"]);
    expect(feed.told).toEqual(["start 1"]);
    expect(events).toContainEqual(
      expect.objectContaining({ event: "lease_moved", state: "buried" }),
    );
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

  const terms = (mode: "failover" | "exclusive", silenceMs: number) => {
    const validMs = mode === "failover" ? silenceMs : null;
    return { lease: { state: "granted" as const, epoch: 3, mode, silenceMs, validMs } };
  };
  const away = () => {
    throw new TickhubError("UPLINK_UNREACHABLE");
  };

  it("with a time limit ends by itself when the hub does not answer, then gives the account back first", async () => {
    answer = () => ({ ...granted(), ...terms("failover", 3_000) });
    collector.start();
    await beat();
    answer = away;
    await beat();
    expect(feed.told).toEqual(["start 1"]);
    await beat();
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
    expect(collector.isStandingBy()).toBe(true);
    expect(events).toContainEqual(expect.objectContaining({ code: "LEASE_LOST" }));
    feed.gone.resolve(undefined);
    await beat();
    answer = () => standing("released");
    await beat();
    answer = granted;
    await beat();
    expect(wishes.slice(-3)).toEqual(["release", "release", "claim"]);
    expect(feed.told).toEqual(["start 1", "destroy", "stop", "start 1"]);
  });

  it("with a time limit counts it from its question, however late the answer comes", async () => {
    const limited = () => ({ ...granted(), ...terms("failover", 3_000) });
    answer = limited;
    collector.start();
    await beat();
    const late = Promise.withResolvers<Standing>();
    answer = () => late.promise as never;
    await beat();
    await beat();
    expect(wishes).toEqual(["claim", "hold"]);
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
    // Asked at 2 s, answered after the end: not believed.
    late.resolve(limited());
    answer = away;
    await beat();
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
  });

  it("with a time limit is not longer held for a slow answer", async () => {
    const limited = () => ({ ...granted(), ...terms("failover", 4_000) });
    answer = limited;
    collector.start();
    await beat();
    const late = Promise.withResolvers<Standing>();
    answer = () => late.promise as never;
    await beat();
    await beat();
    late.resolve(limited());
    await settled();
    answer = away;
    // Asked at 2 s and answered at 3 s: good until 6 s.
    await beat();
    await beat();
    expect(feed.told).toEqual(["start 1"]);
    await beat();
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
  });

  it("that was stopped destroys its socket before it takes what lay there, and keeps that apart", async () => {
    answer = () => ({ ...granted(), ...terms("exclusive", 10_000) });
    collector.start();
    await beat();
    feed.sink.ticks([todaysTrade()]);
    // No timer fires while a process is stopped: the socket's data comes first when it goes on.
    clock.stop(12_000);
    feed.sink.ticks([todaysTrade(), todaysTrade()]);
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
    expect(outbox.ledgerOf("kis:1", "trade").received).toBe(1);
    expect(outbox.ledgerOf("kis:1", "quarantine").received).toBe(2);
    await settled();
    feed.sink.ticks([todaysTrade()]);
    expect(outbox.ledger().received).toBe(3);
  });

  it("that was stopped keeps every record of the frame it was reading, whoever looks at the clock first", async () => {
    answer = () => ({ ...granted(), ...terms("exclusive", 10_000) });
    collector.start();
    await beat();
    clock.stop(12_000);
    feed.sink.heard!("all", clock.nowMs());
    feed.sink.ticks([todaysTrade(), todaysTrade()]);
    feed.sink.reject(reject());
    expect(feed.told).toEqual(["start 1", "destroy", "stop"]);
    expect(outbox.ledgerOf("kis:1", "quarantine").received).toBe(3);
    await settled();
    feed.sink.reject(reject());
    expect(outbox.ledger().received).toBe(3);
  });

  it("that was stopped does not believe an answer from before", async () => {
    const late = Promise.withResolvers<Standing>();
    answer = () => late.promise as never;
    collector.start();
    clock.stop(12_000);
    late.resolve({ ...granted(), ...terms("exclusive", 10_000) });
    await settled();
    expect(feed.told).not.toContain("start 1");
    feed.gone.resolve(undefined);
    answer = () => standing("released");
    await beat();
    expect(wishes).toEqual(["claim", "release"]);
  });

  it("that was only slow goes on", async () => {
    answer = () => ({ ...granted(), ...terms("exclusive", 10_000) });
    collector.start();
    await beat();
    clock.stop(8_000);
    feed.sink.ticks([todaysTrade()]);
    expect(feed.told).toEqual(["start 1"]);
    expect(outbox.ledgerOf("kis:1", "trade").received).toBe(1);
  });

  it("records under the epoch that came with a new assignment from the moment it is told", async () => {
    collector.start();
    await beat();
    answer = () => ({ ...granted(), assignmentEpoch: 2, lease: { state: "granted", epoch: 4 } });
    feed.sink.ticks([todaysTrade()]);
    await beat();
    feed.sink.ticks([todaysTrade()]);
    outbox.flush(clock.monoMs());
    const epochs = [outbox.next(clock.monoMs(), 9), outbox.next(clock.monoMs(), 9)].map(
      (parcel) => readHeader(parcel!.bytes).epoch,
    );
    expect(epochs).toEqual([3, 4]);
    expect(feed.told).toEqual(["start 1", "replan 1"]);
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

  it("tells of its socket's life until the hub has heard its end, a lost lease being one", async () => {
    collector.start();
    await beat();
    const fromMs = clock.nowMs();
    feed.sink.moved!("all", "live", null);
    await beat();
    feed.sink.heard!("all", clock.nowMs());
    answer = () => ({ ...granted(), assignmentEpoch: 2 });
    await beat();
    const open = { no: 1, fromMs, heardMs: fromMs + 1_000 };
    expect(collector.status().sessions).toEqual([
      { ...open, toMs: null, code: null, drainedMs: clock.nowMs() },
    ]);
    answer = () => standing("lost");
    await beat();
    const closed = { ...open, toMs: open.heardMs, code: "LEASE_LOST" };
    expect(collector.status().sessions).toEqual([closed]);
    answer = away;
    await beat();
    feed.sink.moved!("all", "away", "FEED_CLOSED");
    expect(collector.status().sessions).toEqual([closed]);
    answer = () => standing("waiting");
    await beat();
    expect(collector.status().sessions).toBeUndefined();
  });

  it("that was stopped does not take what lay in its socket for a sign of life", async () => {
    answer = () => ({ ...granted(), ...terms("exclusive", 10_000) });
    collector.start();
    await beat();
    feed.sink.moved!("all", "live", null);
    const fromMs = clock.nowMs();
    clock.stop(12_000);
    feed.sink.heard!("all", clock.nowMs());
    const closed = { no: 1, fromMs, heardMs: fromMs, toMs: fromMs, code: "LEASE_LOST" };
    expect(collector.status().sessions).toEqual([closed]);
  });

  it("does not take an answer for one to what happened after the question", async () => {
    collector.start();
    await beat();
    feed.sink.moved!("all", "live", null);
    const late = Promise.withResolvers<Standing>();
    answer = () => late.promise as never;
    await beat();
    feed.sink.moved!("all", "away", "FEED_CLOSED");
    late.resolve(granted());
    await settled();
    expect(collector.status().sessions).toMatchObject([{ no: 1, code: "FEED_CLOSED" }]);
    answer = granted;
    await beat();
    expect(collector.status().sessions).toBeUndefined();
  });

  it("without a lease has its last word all the same", async () => {
    collector.start();
    await beat();
    feed.sink.moved!("all", "live", null);
    answer = () => standing("lost");
    await beat();
    feed.gone.resolve(undefined);
    await collector.stopFeed();
    await collector.release();
    expect(wishes.at(-1)).toBe("report");
  });

  describe("with a refiller", () => {
    const gap: Refill = {
      ...{ id: 5, kind: "hole", venue: "KRX", symbol: "005930", day: 20261123, chain: 0 },
      ...{ fromMs: 0, toMs: 1_000, seqFrom: 10, seqTo: 20 },
    };
    let told: RefillAnswer[][];
    let asked: number;

    beforeEach(() => {
      [told, asked] = [[], 0];
      const shared = { outbox, clock, market: (wallMs: number) => wallMs, emit: () => undefined };
      const history = {
        past: () => {
          asked++;
          return Promise.resolve(null);
        },
      };
      const refiller = new Refiller({ account: "kis:1", history, ...shared });
      collector = new Collector({
        ...{ account: "kis:1", holder: randomUUID(), refiller, ...shared },
        createFeed: (sink) => (feed = new FakeFeed(sink)),
        ask: () => {
          told.push(collector.status().refills!);
          return Promise.try(answer);
        },
      });
    });

    it("asks the broker about what the hub hands out, and repeats the answer until the hub has heard it", async () => {
      collector.start();
      await beat();
      answer = () => ({ ...granted(), refills: [gap] });
      await beat();
      answer = () => {
        throw new TickhubError("UPLINK_TIMEOUT");
      };
      await beat();
      await beat();
      answer = granted;
      await beat();
      await beat();
      expect(asked).toBe(1);
      expect(told.map((answers) => answers.map(({ id }) => id))).toEqual([
        ...[[], []],
        ...[[5], [5], [5], []],
      ]);
    });

    it("takes nothing that is handed out with a lease that is not its own", async () => {
      answer = () => standing("held", { refills: [gap] });
      collector.start();
      await beat();
      answer = () => ({ ...granted(), refills: [] });
      await beat();
      feed.gone.resolve(undefined);
      const stopping = collector.stopFeed();
      answer = () => ({ ...granted(), refills: [gap] });
      await beat();
      await stopping;
      expect(asked).toBe(0);
    });
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
