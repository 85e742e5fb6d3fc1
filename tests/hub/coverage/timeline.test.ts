// A symbol's day as intervals: they always add up to the day, what is missing lies in a hole, and nothing
// that is missing is ever called proven. The model is the day as it was before anything was dropped.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Gap } from "../../../app/hub/query/coverage/gap-row.ts";
import type { RunTrade } from "../../../app/hub/query/coverage/runs.ts";
import { lengthOf } from "../../../app/hub/query/coverage/spans.ts";
import type { Span } from "../../../app/hub/query/coverage/spans.ts";
import {
  bookTimeline,
  isProven,
  missingOf,
  tradeTimeline,
} from "../../../app/hub/query/coverage/timeline.ts";
import type { Interval, TradeEvidence } from "../../../app/hub/query/coverage/timeline.ts";
import { kstMs } from "../../../app/shared/market-time.ts";
import * as model from "./market-day.ts";
import { CLOSE_MS, DAY, evidenceOf, OPEN_MS } from "./market-day.ts";

const at = (hhmmss: number) => kstMs(20261123, hhmmss);
const span = (from: number, to: number): Span => ({ fromMs: at(from), toMs: at(to) });

/** As a person reads it: `09:00:00–09:00:05 verified`. */
function told(intervals: readonly Interval[]): string[] {
  const clock = (ms: number) => new Date(ms + 9 * 3_600_000).toISOString().slice(11, 19);
  return intervals.map(({ fromMs, toMs, state }) => `${clock(fromMs)} ${clock(toMs)} ${state}`);
}

function expectPartition(intervals: readonly Interval[]): void {
  expect(intervals[0]!.fromMs).toBe(DAY.fromMs);
  expect(intervals.at(-1)!.toMs).toBe(DAY.toMs);
  for (const [index, one] of intervals.entries()) {
    expect(one.toMs).toBeGreaterThan(one.fromMs);
    if (index > 0) expect(one.fromMs).toBe(intervals[index - 1]!.toMs);
  }
  expect(lengthOf(intervals)).toBe(DAY.toMs - DAY.fromMs);
}

const someSpans = fc.array(
  fc
    .tuple(fc.integer({ min: -3_600, max: 30_000 }), fc.integer({ min: 1, max: 9_000 }))
    .map(([from, length]) => ({
      fromMs: OPEN_MS + from * 1_000,
      toMs: OPEN_MS + (from + length) * 1_000,
    })),
  { maxLength: 4 },
);

/** A day, what was dropped of it, and everything else that may be known or not. */
const someDay = fc.record({
  sizes: model.someTrades,
  drops: fc.infiniteStream(fc.oneof(fc.constant(false), fc.boolean())),
  chance: fc.infiniteStream(fc.nat()),
  withCounts: fc.boolean(),
  startSeq: fc.constantFrom(0, 0, 124),
  figures: fc.constantFrom("none", "first", "final", "both"),
  alive: someSpans,
  quiet: someSpans,
  losses: someSpans,
});

interface Dropped {
  day: RunTrade[];
  dropped: Set<number>;
  evidence: TradeEvidence;
}

function withDrops(input: typeof someDay extends fc.Arbitrary<infer T> ? T : never): Dropped {
  const { sizes, drops, chance, withCounts, startSeq, figures } = input;
  const day = model.dayOf(sizes, withCounts, startSeq);
  const dropped = new Set(day.map((_, index) => index).filter(() => Boolean(drops.next().value)));
  const kept = day.filter((_, index) => !dropped.has(index));
  const repeated = kept.filter(() => Number(chance.next().value) % 4 === 0);
  const alive = model.spansOf(input.alive);
  const figure = {
    seqFirst: figures === "first" || figures === "both" ? startSeq : null,
    seqFinal: figures === "final" || figures === "both" ? day.at(-1)!.seq : null,
    askedMs: at(200_000),
  };
  const evidence = evidenceOf(model.shuffled([...kept, ...repeated], chance), {
    alive,
    quiet: model.spansOf(input.quiet),
    losses: model.spansOf(input.losses).map((one) => ({ ...one, reason: "outbox_full" })),
    outages: alive.slice(1).map(({ fromMs }, index) => ({
      ...{
        fromMs: alive[index]!.toMs,
        toMs: fromMs,
        reason: "FEED_CLOSED",
        isOver: true,
        holder: "one",
        sessionMs: 0,
      },
    })),
    figure: figures === "none" ? null : figure,
  });
  return { day, dropped, evidence };
}

describe("a symbol's trading day", () => {
  test("is partitioned exactly, and no second in which a trade was dropped counts as proven", () => {
    fc.assert(
      fc.property(someDay, (input) => {
        const { day, dropped, evidence } = withDrops(input);
        const intervals = tradeTimeline(evidence);
        expectPartition(intervals);
        const proven = intervals.filter(isProven);
        for (const index of dropped) {
          const { tsMs } = day[index]!;
          const liar = proven.find(({ fromMs, toMs }) => fromMs < tsMs + 1_000 && tsMs < toMs);
          expect(liar).toBeUndefined();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("each dropped trade lies in one declared hole, its volume exact, its time within the second", () => {
    fc.assert(
      fc.property(someDay, (input) => {
        const { day, dropped, evidence } = withDrops({ ...input, figures: "both" });
        const missing = missingOf(evidence);
        const stretches = model.lostStretches(day, dropped);
        expect(missing.map(({ seqFrom, seqTo }) => [seqFrom, seqTo]).sort(byFirst)).toEqual(
          stretches.map(({ first, last }) => [day[first]!.seq - day[first]!.size, day[last]!.seq]),
        );
        for (const { first, last } of stretches) {
          const hole = missing.find(({ seqTo }) => seqTo === day[last]!.seq)!;
          if (first > 0) expect(hole.fromMs).toBe(day[first - 1]!.tsMs);
          if (last < day.length - 1) expect(hole.toMs).toBe(day[last + 1]!.tsMs);
          expect(hole.fromMs).toBeLessThanOrEqual(day[first]!.tsMs);
          expect(hole.toMs).toBeGreaterThanOrEqual(day[last]!.tsMs);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("a whole day with the broker's figures is proven from end to end, and with counts verified", () => {
    fc.assert(
      fc.property(someDay, (input) => {
        const clean = { ...input, drops: fc.sample(fc.infiniteStream(fc.constant(false)), 1)[0]! };
        const { day, evidence } = withDrops({ ...clean, figures: "both", withCounts: true });
        expect(missingOf(evidence)).toEqual([]);
        const intervals = tradeTimeline({ ...evidence, alive: [DAY], quiet: [], outages: [] });
        const due = intervals.filter(({ state }) => state !== "not expected");
        expect(due.every(isProven)).toBe(true);
        const [first, last] = [day[0]!, day.at(-1)!];
        const inside = intervals.filter(
          ({ fromMs, toMs }) => fromMs >= first.tsMs + 1_000 && toMs <= last.tsMs,
        );
        expect(inside.every(({ state }) => state === "verified")).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("200 injected gaps of every kind: all declared, none called proven", () => {
    const totals = { injected: 0, declared: 0, falselyProven: 0, worstErrorMs: 0 };
    const kinds = ["one", "pair", "first", "last", "same second", "reordered", "repeated"] as const;
    const random = fc.sample(fc.infiniteStream(fc.nat()), { numRuns: 1, seed: 7 })[0]!;
    const next = (below: number) => Number(random.next().value) % below;
    for (let round = 0; totals.injected < 200; round++) {
      const kind = kinds[round % kinds.length]!;
      const sizes = Array.from({ length: 40 }, () => ({
        ...{ size: 1 + next(300), gapS: kind === "same second" ? 0 : next(4), side: 1 as const },
      }));
      const day = model.dayOf(sizes);
      const inner = 1 + next(day.length - 3);
      const hit: Partial<Record<typeof kind, number[]>> = {
        first: [0],
        last: [day.length - 1],
        pair: [inner, inner + 1],
      };
      const dropped = new Set(hit[kind] ?? [inner]);
      const kept = day.filter((_, index) => !dropped.has(index));
      const sent = kind === "repeated" ? [...kept, ...kept] : kept;
      const trades = kind === "reordered" ? model.shuffled(sent, random) : sent;
      const figure = { seqFirst: 0, seqFinal: day.at(-1)!.seq, askedMs: CLOSE_MS };
      const evidence = evidenceOf(trades, { figure });
      const [stretch] = model.lostStretches(day, dropped);
      const { first, last } = stretch!;
      const hole = missingOf(evidence).find(({ seqTo }) => seqTo === day[last]!.seq);
      totals.injected += 1;
      const isExact = hole?.seqFrom === day[first]!.seq - day[first]!.size;
      if (isExact && missingOf(evidence).length === 1) totals.declared += 1;
      if (first > 0)
        totals.worstErrorMs = Math.max(
          totals.worstErrorMs,
          Math.abs(hole!.fromMs - day[first - 1]!.tsMs),
        );
      for (const { fromMs, toMs } of tradeTimeline(evidence).filter(isProven)) {
        for (const index of dropped) {
          if (fromMs < day[index]!.tsMs + 1_000 && day[index]!.tsMs < toMs)
            totals.falselyProven += 1;
        }
      }
    }
    console.log(`injected gaps: ${JSON.stringify(totals)}`);
    expect(totals).toEqual({ injected: 200, declared: 200, falselyProven: 0, worstErrorMs: 0 });
  });

  const steady = (from: number, count: number, seq: number, gapS = 1) =>
    Array.from({ length: count }, (_, i) => ({
      ...{ seq: seq + (i + 1) * 10, size: 10, side: 1 as const },
      tsMs: at(from) + i * gapS * 1_000,
      edgeRecvMs: at(from) + i * gapS * 1_000 + 50,
      sellCount: 0,
      buyCount: seq / 10 + i + 1,
    }));

  test("trades that go on prove a reconnect harmless; the tail is alive until a figure closes it", () => {
    const trades = [...steady(90_000, 61, 0), ...steady(90_200, 61, 610)];
    const over = {
      alive: [span(80_000, 90_103), span(90_150, 90_400)],
      outages: [
        {
          ...span(90_103, 90_150),
          reason: "FEED_CLOSED",
          isOver: true,
          holder: "one",
          sessionMs: 0,
        },
      ],
    };
    expect(told(tradeTimeline(evidenceOf(trades, over)))).toEqual([
      "00:00:00 09:00:00 not expected",
      "09:00:00 09:03:00 verified",
      "09:03:00 09:04:00 alive",
      "09:04:00 15:20:00 not recorded",
      "15:20:00 00:00:00 not expected",
    ]);
    const figure = { seqFirst: null, seqFinal: 1_220, askedMs: at(153_000) };
    expect(told(tradeTimeline(evidenceOf(trades, { ...over, figure })))).toEqual([
      "00:00:00 09:00:00 not expected",
      "09:00:00 09:03:00 verified",
      "09:03:00 15:20:00 volume-verified",
      "15:20:00 00:00:00 not expected",
    ]);
  });

  test("a recording's span is proven by its figures, and nothing outside of it", () => {
    const trades = steady(90_500, 61, 5_000);
    const recorded = [{ fromMs: at(90_500), toMs: at(90_601) }];
    const figure = { seqFirst: 5_000, seqFinal: 5_610, askedMs: at(90_600) };
    const evidence = evidenceOf(trades, { alive: recorded, recorded, figure });
    expect(told(tradeTimeline(evidence))).toEqual([
      "00:00:00 09:00:00 not expected",
      "09:00:00 09:05:00 not recorded",
      "09:05:00 09:06:00 verified",
      "09:06:00 09:06:01 volume-verified",
      "09:06:01 15:20:00 not recorded",
      "15:20:00 00:00:00 not expected",
    ]);
  });

  const hole = (state: Gap["state"]): Gap => ({
    ...{
      kind: "hole",
      chain: 0,
      seqFrom: 610,
      seqTo: 700,
      state,
      outcome: null,
      reason: "VOLUME_STEP",
    },
    ...span(90_100, 90_200),
  });

  test.each([
    [[], "suspected"],
    [[hole("refilling")], "suspected"],
    [[hole("explained")], "volume-verified"],
    [[hole("lost")], "gap"],
    [[hole("partial")], "gap"],
    [[hole("lost"), hole("suspected")], "suspected"],
  ] as const)(
    "a hole that is %j counts as %s, its first and last second included",
    (gaps, state) => {
      const trades = [...steady(90_000, 61, 0), ...steady(90_200, 61, 700)];
      const intervals = told(tradeTimeline(evidenceOf(trades, { gaps })));
      expect(intervals.slice(1, 4)).toEqual([
        "09:00:00 09:01:00 verified",
        `09:01:00 09:02:01 ${state}`,
        "09:02:01 09:03:00 verified",
      ]);
    },
  );

  test("the end of an outage counts as proven by the broker's word or a trade that goes on, by nothing else", () => {
    const outage = {
      ...span(90_130, 90_140),
      reason: "KILLED",
      isOver: true,
      holder: "one",
      sessionMs: at(80_000),
    };
    const tail = {
      kind: "tail",
      chain: 0,
      seqFrom: 610,
      seqTo: null,
      state: "explained",
      reason: "KILLED",
    } as const;
    const shown = (outcome: Gap["outcome"]) => {
      const gaps = [{ ...tail, ...span(90_130, 90_140), outcome }];
      const over = {
        gaps,
        outages: [outage],
        alive: [span(80_000, 90_130), span(90_140, 150_000)],
      };
      return told(tradeTimeline(evidenceOf(steady(90_000, 61, 0), over)));
    };
    expect(shown(null)).toContain("09:01:30 09:01:40 suspected");
    expect(shown("explained")).toContain("09:01:30 09:01:40 volume-verified");
  });

  test("what is left of a gap that was partly refilled is that gap still", () => {
    const trades = [
      ...steady(90_000, 61, 0),
      ...steady(90_130, 2, 640),
      ...steady(90_200, 61, 700),
    ];
    const intervals = tradeTimeline(evidenceOf(trades, { gaps: [hole("partial")] }));
    const gaps = intervals.filter(({ state }) => state === "gap");
    expect(gaps.map(({ seqFrom, seqTo }) => [seqFrom, seqTo])).toEqual([
      [610, 640],
      [660, 700],
    ]);
  });

  test("a halt excuses a silent feed, and a trade in it is evidence all the same", () => {
    const trades = [...steady(90_000, 61, 0), ...steady(91_000, 2, 610)];
    const over = { alive: [], quiet: [span(90_130, 90_500), span(92_000, 93_000)] };
    expect(told(tradeTimeline(evidenceOf(trades, over))).slice(1, 5)).toEqual([
      "09:00:00 09:10:01 verified",
      "09:10:01 09:20:00 not recorded",
      "09:20:00 09:30:00 not expected",
      "09:30:00 15:20:00 not recorded",
    ]);
  });

  test("a new chain begins at 0; what lies between two chains is alive, not proven", () => {
    const chains = [
      model.chainOf(model.folded(steady(90_000, 61, 0)), 0),
      model.chainOf(model.folded(steady(90_200, 61, 0)), 1),
    ];
    expect(told(tradeTimeline(evidenceOf([], { chains }))).slice(1, 5)).toEqual([
      "09:00:00 09:01:00 verified",
      "09:01:00 09:02:01 alive",
      "09:02:01 09:03:00 verified",
      "09:03:00 15:20:00 alive",
    ]);
    const late = model.chainOf(model.folded(steady(90_200, 61, 50)), 1);
    expect(missingOf(evidenceOf([], { chains: [chains[0]!, late] }))).toMatchObject([
      { kind: "hole", chain: 1, seqFrom: 0, seqTo: 50, fromMs: at(90_100), toMs: at(90_200) },
    ]);
  });

  test("trades that dispute the same volume are suspected, up to both neighbours", () => {
    const trades = steady(90_000, 301, 0);
    const disputed = { ...trades[100]!, seq: trades[100]!.seq + 5, size: 12 };
    const intervals = tradeTimeline(evidenceOf([...trades, disputed]));
    expect(told(intervals).slice(1, 4)).toEqual([
      "09:00:00 09:01:39 verified",
      "09:01:39 09:01:43 suspected",
      "09:01:43 09:05:00 verified",
    ]);
    expect(intervals[2]).toMatchObject({ reason: "VOLUME_CONFLICT" });
  });

  test("a vendor that merges prints now and then makes one interval, not thousands", () => {
    const trades = steady(90_000, 3_600, 0).map((trade, index) => ({
      ...trade,
      buyCount: trade.buyCount + Math.floor(index / 10),
    }));
    const intervals = told(tradeTimeline(evidenceOf(trades)));
    expect(intervals.slice(1, 3)).toEqual([
      "09:00:00 09:00:09 verified",
      "09:00:09 09:59:51 volume-verified",
    ]);
  });
});

describe("a symbol's books", () => {
  const books = {
    day: DAY,
    expected: [span(90_000, 152_000)],
    alive: [],
    outages: [],
    losses: [],
    gaps: [],
  };

  test("are alive while the feed is, and a gap where it was away or gave them up", () => {
    const intervals = bookTimeline({
      ...books,
      alive: [span(83_000, 100_000), span(101_000, 160_000)],
      outages: [
        { ...span(100_000, 101_000), reason: "KILLED", isOver: true, holder: "one", sessionMs: 0 },
      ],
      losses: [{ ...span(110_000, 110_005), reason: "outbox_full" }],
    });
    expectPartition(intervals);
    expect(told(intervals)).toEqual([
      "00:00:00 09:00:00 not expected",
      "09:00:00 10:00:00 alive",
      "10:00:00 10:10:00 gap",
      "10:10:00 11:00:00 alive",
      "11:00:00 11:00:05 gap",
      "11:00:05 15:20:00 alive",
      "15:20:00 00:00:00 not expected",
    ]);
    expect(intervals.filter(({ state }) => state === "gap").map(({ reason }) => reason)).toEqual([
      "KILLED",
      "outbox_full",
    ]);
  });

  test("a feed nobody hears of is suspected: its books may be waiting at the edge", () => {
    const intervals = bookTimeline({
      ...books,
      alive: [span(83_000, 100_000)],
      outages: [
        { ...span(100_000, 101_000), reason: "SILENT", isOver: false, holder: "one", sessionMs: 0 },
      ],
    });
    expect(told(intervals).slice(1, 4)).toEqual([
      "09:00:00 10:00:00 alive",
      "10:00:00 10:10:00 suspected",
      "10:10:00 15:20:00 not recorded",
    ]);
  });

  test("a gap declared outside all sessions stays one: books came there, whatever the calendar says", () => {
    const gap = {
      kind: "time",
      chain: null,
      seqFrom: null,
      seqTo: null,
      state: "lost",
      outcome: null,
    } as const;
    const gaps = [{ ...gap, ...span(30_000, 30_020), reason: "KILLED" }];
    expect(told(bookTimeline({ ...books, gaps })).slice(0, 2)).toEqual([
      "00:00:00 03:00:00 not expected",
      "03:00:00 03:00:20 gap",
    ]);
  });
});

function byFirst(one: readonly number[], other: readonly number[]): number {
  return one[0]! - other[0]!;
}
