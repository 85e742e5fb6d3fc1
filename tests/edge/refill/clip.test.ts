// A listing clipped to a gap: what is sent lies in the gap, and nothing counts as complete that is not.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clipToGap } from "../../../app/edge/refill/clip.ts";
import type { Listed, Past, PastTrade } from "../../../app/edge/feed/history.ts";
import type { Refill } from "../../../app/shared/gateway-protocol.ts";

const OPEN_MS = Date.parse("2026-11-23T09:00:00+09:00");

function past(seq: number, size: number, second = 0): PastTrade {
  const exchangeMs = OPEN_MS + second * 1_000;
  return { exchangeMs, seq, size, price: 71_500, side: 0, ask: 71_500, bid: 71_400 };
}

function listing(
  trades: readonly PastTrade[],
  more: Partial<Past> & { cut?: number[] } = {},
): Past {
  const listed = trades.map((trade) => {
    return { trade, isCut: more.cut?.includes(trade.seq) ?? false };
  });
  return { listed, isWhole: false, requests: 1, ...more };
}

function gap(fields: Partial<Refill>): Refill {
  return {
    ...{ id: 1, kind: "hole", venue: "KRX", symbol: "005930", day: 20261123, chain: 0 },
    ...{ fromMs: OPEN_MS, toMs: OPEN_MS + 10_000, seqFrom: null, seqTo: null },
    ...fields,
  };
}

const seqsOf = (trades: readonly PastTrade[]) => trades.map(({ seq }) => seq);

describe("a hole", () => {
  const hole = gap({ seqFrom: 110, seqTo: 140 });

  it("is filled by the trades of its open interval, and by no other", () => {
    const all = [
      past(100, 10),
      past(110, 10),
      past(125, 15, 1),
      past(140, 15, 1),
      past(150, 10, 2),
    ];
    const clipped = clipToGap(hole, listing(all));
    expect(clipped).toMatchObject({ outcome: "filled", unknownShares: 0, seqFirst: null });
    expect(seqsOf(clipped.trades)).toEqual([125, 140]);
  });

  it("is explained where the broker shows both neighbours and nothing between", () => {
    const both = [past(110, 10), past(150, 10, 2)];
    expect(clipToGap(hole, listing(both))).toMatchObject({ outcome: "explained", trades: [] });
    // Not where something may have been left out between them, or where one of them is not shown.
    expect(clipToGap(hole, listing(both, { cut: [150] })).outcome).toBe("missing");
    expect(clipToGap(hole, listing(both.slice(1))).outcome).toBe("missing");
    expect(clipToGap(hole, listing(both.slice(0, 1))).outcome).toBe("missing");
  });

  it("is partly there where a second was too busy to be listed", () => {
    const some = [past(110, 10), past(140, 15, 1), past(150, 10, 2)];
    const clipped = clipToGap(hole, listing(some, { cut: [140] }));
    expect(clipped).toMatchObject({ outcome: "partial", unknownShares: 15 });
    expect(seqsOf(clipped.trades)).toEqual([140]);
  });

  it("takes no trade that reaches over its ends, nor one of another time", () => {
    const over = [past(110, 10), past(125, 20, 1), past(145, 20, 1), past(150, 10, 2)];
    expect(clipToGap(hole, listing(over))).toMatchObject({ outcome: "missing", trades: [] });
    const late = [past(110, 10), past(125, 15, 60), past(140, 15, 60)];
    expect(clipToGap(hole, listing(late))).toMatchObject({ outcome: "missing", trades: [] });
  });

  it("takes nothing from a listing that does not meet what is stored", () => {
    const another = [past(107, 10), past(123, 12, 1), past(137, 14, 1), past(152, 10, 2)];
    expect(clipToGap(hole, listing(another))).toMatchObject({ outcome: "missing", trades: [] });
  });

  it("is missing where the broker shows nothing", () => {
    expect(clipToGap(hole, listing([]))).toMatchObject({ outcome: "missing", unknownShares: 30 });
  });
});

describe("the day's beginning", () => {
  const head = gap({ kind: "head", seqTo: 130 });
  const day = [past(112, 10), past(130, 18, 1), past(140, 10, 2)];

  it("is filled down to the broker's first trade, whose own beginning is the day's figure", () => {
    const clipped = clipToGap(head, listing(day, { isWhole: true }));
    expect(clipped).toMatchObject({ outcome: "filled", seqFirst: 102, seqFinal: null });
    expect(seqsOf(clipped.trades)).toEqual([112, 130]);
  });

  it("is explained where the first that is stored is the broker's first", () => {
    const clipped = clipToGap(gap({ kind: "head", seqTo: 102 }), listing(day, { isWhole: true }));
    expect(clipped).toMatchObject({ outcome: "explained", seqFirst: 102, trades: [] });
  });

  it("stays open where the listing does not go down to the first", () => {
    for (const more of [{ isWhole: false }, { isWhole: true, cut: [112] }]) {
      const clipped = clipToGap(head, listing(day, more));
      expect(clipped).toMatchObject({ outcome: "partial", seqFirst: null });
      expect(seqsOf(clipped.trades)).toEqual([112, 130]);
    }
  });

  it("has no figure from a listing that does not show what is stored, or shows nothing", () => {
    for (const shown of [[], [past(110, 10), past(127, 17)]]) {
      const clipped = clipToGap(head, listing(shown, { isWhole: true }));
      expect(clipped).toMatchObject({ outcome: "missing", seqFirst: null, trades: [] });
    }
  });

  it("of a later chain is no beginning that a listing shows", () => {
    const clipped = clipToGap({ ...head, chain: 1 }, listing(day, { isWhole: true }));
    expect(clipped).toMatchObject({ outcome: "partial", seqFirst: null });
  });
});

describe("the day's end", () => {
  const tail = gap({ kind: "tail", seqFrom: 110, toMs: null });

  it("is filled up to the broker's last trade, which is the day's figure", () => {
    const clipped = clipToGap(tail, listing([past(110, 10), past(125, 15, 1), past(140, 15, 9)]));
    expect(clipped).toMatchObject({ outcome: "filled", seqFirst: null, seqFinal: 140 });
    expect(seqsOf(clipped.trades)).toEqual([125, 140]);
  });

  it("is explained where the broker's last is the last that is stored", () => {
    const clipped = clipToGap(tail, listing([past(100, 10), past(110, 10)]));
    expect(clipped).toMatchObject({ outcome: "explained", seqFinal: 110 });
  });

  it("is asked for again where the broker is behind what is stored", () => {
    expect(clipToGap(tail, listing([past(100, 10)]))).toMatchObject({
      ...{ outcome: "failed", seqFinal: null, trades: [] },
    });
  });

  it("ends where the volume begins anew", () => {
    const clipped = clipToGap(tail, listing([past(110, 10), past(125, 15, 1), past(20, 20, 2)]));
    expect(clipped).toMatchObject({ outcome: "filled", seqFinal: 125 });
    expect(seqsOf(clipped.trades)).toEqual([125]);
  });

  it("up to a moment has no figure", () => {
    const until = { ...tail, toMs: OPEN_MS + 1_000 };
    const all = listing([past(110, 10), past(125, 15, 1), past(140, 15, 9)]);
    const clipped = clipToGap(until, all);
    expect(clipped).toMatchObject({ outcome: "filled", seqFinal: null });
    expect(seqsOf(clipped.trades)).toEqual([125]);
  });
});

describe("whatever the broker shows", () => {
  /** A day: volume without a trade, then a trade, some seconds later. */
  const anyDay = fc.array(
    fc.record({
      besides: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 9 })),
      size: fc.integer({ min: 1, max: 20 }),
      seconds: fc.integer({ min: 0, max: 2 }),
      /** The listing does not show it, and says so. */
      isHidden: fc.integer({ max: 9 }).map((one) => one === 0),
    }),
    { minLength: 4, maxLength: 30 },
  );

  it("what is sent was missing, and complete is only what is complete", () => {
    fc.assert(
      fc.property(anyDay, fc.nat(), fc.nat(6), fc.nat(3), (steps, at, length, shift) => {
        let [seq, second] = [0, 0];
        const day = steps.map(({ besides, size, seconds, isHidden }) => {
          seq += besides + size;
          second += seconds;
          return { trade: past(seq, size, second), isHidden };
        });
        const from = at % (day.length - 1);
        const to = Math.min(day.length - 1, from + 1 + length);
        const [left, right] = [day[from]!.trade, day[to]!.trade];
        const missing = day.slice(from + 1, to);
        const shown = day.slice(Math.max(0, from - shift), to + 1 + shift);
        const listed: Listed[] = [];
        let isCut = shift === 0 && day[from]!.isHidden;
        for (const one of shown) {
          if (!one.isHidden) listed.push({ trade: one.trade, isCut });
          isCut = one.isHidden;
        }
        const hole = gap({
          ...{ seqFrom: left.seq, seqTo: right.seq - right.size },
          ...{ fromMs: left.exchangeMs, toMs: right.exchangeMs },
        });
        const clipped = clipToGap(hole, { listed, isWhole: false, requests: 1 });
        const wanted = missing.filter(({ isHidden }) => !isHidden).map(({ trade }) => trade.seq);
        const isComplete = clipped.outcome === "filled" || clipped.outcome === "explained";
        if (clipped.trades.length > 0) expect(seqsOf(clipped.trades)).toEqual(wanted);
        if (isComplete) expect(missing.every(({ isHidden }) => !isHidden)).toBe(true);
        if (shown.every(({ isHidden }) => !isHidden)) {
          expect(seqsOf(clipped.trades)).toEqual(wanted);
          expect(clipped.outcome).toBe(missing.length > 0 ? "filled" : "explained");
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
