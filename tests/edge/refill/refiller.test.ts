// The refiller: one gap at a time while the lease is held, and an answer only after the hub's verdict.
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import type { History, Past, PastTrade, Wanted } from "../../../app/edge/feed/history.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../../app/edge/outbox/outbox.ts";
import type { Parcel } from "../../../app/edge/outbox/outbox.ts";
import { Refiller } from "../../../app/edge/refill/refiller.ts";
import { decodeBatch, ticksOf } from "../../../app/shared/batch.ts";
import { TickhubError } from "../../../app/shared/errors.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { Refill } from "../../../app/shared/gateway-protocol.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const OPEN_MS = Date.parse("2026-11-23T09:00:00+09:00");

const past = (seq: number, size: number): PastTrade => {
  return { exchangeMs: OPEN_MS, seq, size, price: 71_500, side: 1, ask: 71_500, bid: 71_400 };
};

function hole(id: number): Refill {
  return {
    ...{ id, kind: "hole", venue: "KRX", symbol: "005930", day: 20261123, chain: 2 },
    ...{ fromMs: OPEN_MS, toMs: OPEN_MS, seqFrom: 110, seqTo: 140 },
  };
}

const ALL = [past(110, 10), past(125, 15), past(140, 15), past(150, 10)];

/** A broker that answers when it is told to. */
class SlowHistory implements History {
  readonly asked: { wanted: Wanted; isOver: (trades: number) => boolean }[] = [];
  answer = Promise.withResolvers<Past | null>();
  past(wanted: Wanted, isOver: (trades: number) => boolean): Promise<Past | null> {
    this.asked.push({ wanted, isOver });
    return this.answer.promise;
  }
  shows(trades: readonly PastTrade[]): void {
    const listed = trades.map((trade) => ({ trade, isCut: false }));
    const { resolve } = this.answer;
    this.answer = Promise.withResolvers();
    resolve({ listed, isWhole: false, requests: 1 });
  }
}

let clock: FakeClock;
let history: SlowHistory;
let outbox: Outbox;
let events: Event[];
let refiller: Refiller;

beforeEach(() => {
  clock = new FakeClock(OPEN_MS + 5_000);
  history = new SlowHistory();
  outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 1 << 20, mintStream: randomUUID });
  events = [];
  refiller = new Refiller({
    ...{ account: "kis:1", history, outbox, clock, market: (wallMs) => wallMs },
    ...{ emit: (event) => events.push(event), askMsMax: 10_000, settleMsMax: 20_000 },
  });
});

async function pass(ms: number): Promise<void> {
  await clock.advanceSlowly(ms, 50);
}

function rowsOf({ bytes }: Parcel) {
  return ticksOf(decodeBatch(bytes, { rowsMax: 1_000, rawBytesMax: 1 << 20 }));
}

async function sent(): Promise<Parcel> {
  await pass(200);
  return outbox.next(clock.monoMs(), 9)!;
}

function verdict({ stream, number, rows }: Parcel, more = { duplicate: 0, quarantined: 0 }) {
  const committed = rows - more.duplicate - more.quarantined;
  outbox.settle({ stream, number, committed, ...more });
}

describe("a refiller", () => {
  it("sends what is missing as the broker shows it, and answers once the hub has stored it", async () => {
    refiller.hold(7);
    refiller.take([hole(1)]);
    expect(history.asked[0]!.wanted).toEqual({
      ...{ venue: "KRX", symbol: "005930", day: 20261123 },
      ...{ fromMs: OPEN_MS, untilMs: OPEN_MS, seqFrom: 110 },
    });
    history.shows(ALL);
    const parcel = await sent();
    expect(rowsOf(parcel)).toMatchObject([
      { seq: 125, size: 15, chain: 2, day: 20261123, side: 1, session: 0, capture: 1 },
      { seq: 140, size: 15, edgeRecvMs: OPEN_MS + 5_050, sellCount: -1, buyCount: -1, capture: 2 },
    ]);
    await pass(1_000);
    expect(refiller.answers).toEqual([]);
    verdict(parcel);
    await pass(100);
    expect(refiller.answers).toEqual([
      {
        ...{ id: 1, outcome: "filled", rows: 2, seqFirst: null, seqFinal: null },
        ...{ askedMs: OPEN_MS + 5_000, detail: null },
      },
    ]);
    expect(events).toMatchObject([{ event: "gap_answered", outcome: "filled", rows: 2 }]);
  });

  it("asks about one gap at a time, each once, and keeps answers until they are confirmed", async () => {
    refiller.hold(7);
    refiller.take([hole(1), hole(2)]);
    refiller.take([hole(2), hole(1)]);
    expect(history.asked).toHaveLength(1);
    for (let i = 0; i < 2; i++) {
      history.shows([]);
      await pass(50);
    }
    expect(history.asked).toHaveLength(2);
    const told = refiller.answers;
    expect(told.map(({ id, outcome }) => [id, outcome])).toEqual([
      [1, "missing"],
      [2, "missing"],
    ]);
    refiller.take([hole(1)]);
    expect(history.asked).toHaveLength(2);
    refiller.confirmed(told.slice(0, 1));
    expect(refiller.answers.map(({ id }) => id)).toEqual([2]);
    refiller.take([hole(1)]);
    expect(history.asked).toHaveLength(3);
  });

  it("does nothing without the lease, and drops everything when it goes", async () => {
    refiller.take([hole(1)]);
    expect(history.asked).toEqual([]);
    refiller.hold(7);
    refiller.take([hole(1), hole(2)]);
    refiller.hold(null);
    expect(history.asked[0]!.isOver(0)).toBe(true);
    history.shows(ALL);
    await pass(500);
    expect(history.asked).toHaveLength(1);
    expect(outbox.ledgerOf("kis:1", "backfill").received).toBe(0);
    expect([refiller.answers, events]).toEqual([[], []]);
  });

  it("gives up after a while, keeps what it found, and says that it has to be asked again", async () => {
    refiller.hold(7);
    refiller.take([hole(1)]);
    expect(history.asked[0]!.isOver(0)).toBe(false);
    await pass(10_000);
    expect(history.asked[0]!.isOver(0)).toBe(true);
    history.shows(ALL.slice(2));
    verdict(await sent());
    await pass(100);
    expect(refiller.answers).toMatchObject([{ outcome: "failed", rows: 1 }]);
  });

  it("says that it has to be asked again when the broker refuses, or the hub does not store", async () => {
    refiller.hold(7);
    refiller.take([hole(1), hole(2)]);
    const { answer } = history;
    history.answer = Promise.withResolvers();
    answer.reject(new TickhubError("FEED_UNREACHABLE"));
    await pass(100);
    expect(refiller.answers).toMatchObject([{ outcome: "failed", detail: "FEED_UNREACHABLE" }]);
    history.shows(ALL);
    await pass(20_500);
    expect(refiller.answers[1]).toMatchObject({ id: 2, outcome: "failed", rows: 2 });
  });

  it("does not call full what went to quarantine", async () => {
    refiller.hold(7);
    refiller.take([hole(1)]);
    history.shows(ALL);
    verdict(await sent(), { duplicate: 1, quarantined: 1 });
    await pass(100);
    expect(refiller.answers).toMatchObject([{ outcome: "partial", rows: 2 }]);
  });

  it("says that a day the broker keeps no list of is missing", async () => {
    refiller.hold(7);
    refiller.take([hole(1)]);
    history.answer.resolve(null);
    await pass(100);
    expect(refiller.answers).toMatchObject([{ outcome: "missing", rows: 0 }]);
  });
});
