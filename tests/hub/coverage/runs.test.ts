// Runs of contiguous volume: what is one, what is a hole, and that neither order nor repetition matters.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Runs } from "../../../app/hub/query/coverage/runs.ts";
import type { RunTrade } from "../../../app/hub/query/coverage/runs.ts";
import { dayOf, folded, lostStretches, OPEN_MS, shuffled, someTrades } from "./market-day.ts";

const at = (seq: number, size: number, second: number, over: Partial<RunTrade> = {}): RunTrade => {
  const tsMs = OPEN_MS + second * 1_000;
  const counts = { sellCount: -1, buyCount: -1 };
  return { seq, size, tsMs, edgeRecvMs: tsMs + 50, side: 1, ...counts, ...over };
};

/** What others see of it. */
function seen(runs: Runs) {
  return {
    runs: runs.runs.map(({ seqFrom, seqTo, firstMs, lastMs }) => [seqFrom, seqTo, firstMs, lastMs]),
    holes: runs.holes().map(({ seqFrom, seqTo, fromMs, toMs }) => [seqFrom, seqTo, fromMs, toMs]),
    conflicts: runs.conflicts(),
  };
}

const counted = (seq: number, second: number, count: number, side: 1 | 0) =>
  at(seq, 10, second, { side, sellCount: 0, buyCount: count });

describe("runs of contiguous volume", () => {
  test("a day without a loss is one run without a hole, in whatever order and however often it comes", () => {
    fc.assert(
      fc.property(someTrades, fc.infiniteStream(fc.nat()), (sizes, chance) => {
        const day = dayOf(sizes);
        const runs = folded(shuffled([...day, ...day], chance));
        const [first, last] = [day[0]!, day.at(-1)!];
        expect(seen(runs)).toEqual({
          runs: [[0, last.seq, first.tsMs, last.tsMs]],
          holes: [],
          conflicts: [],
        });
        expect(runs.runs[0]!.weak).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("what is dropped is a hole of exactly its volume, between the seconds of its neighbours", () => {
    fc.assert(
      fc.property(
        someTrades,
        fc.infiniteStream(fc.boolean()),
        fc.infiniteStream(fc.nat()),
        (sizes, drops, chance) => {
          const day = dayOf(sizes);
          const dropped = new Set(day.map((_, i) => i).filter(() => drops.next().value));
          const kept = day.filter((_, i) => !dropped.has(i));
          const inner = lostStretches(day, dropped).filter(
            ({ first, last }) => first > 0 && last < day.length - 1,
          );
          expect(seen(folded(shuffled(kept, chance))).holes).toEqual(
            inner.map(({ first, last }) => {
              const [before, after] = [day[first - 1]!, day[last + 1]!];
              return [before.seq, day[last]!.seq, before.tsMs, after.tsMs];
            }),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test("trades that dispute the same volume give the same picture in every order", () => {
    const trade = fc.record({
      seq: fc.integer({ min: 20, max: 80 }),
      size: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(
        fc.array(trade, { minLength: 1, maxLength: 14 }),
        fc.infiniteStream(fc.nat()),
        (list, chance) => {
          const trades = list.map(({ seq, size }) => at(seq, size, seq));
          const mixed = shuffled([...trades, ...trades], chance);
          expect(seen(folded(mixed))).toEqual(seen(folded(trades)));
          expect(
            folded(trades)
              .conflicts()
              .map(({ seqFrom, seqTo }) => [seqFrom, seqTo]),
          ).toEqual(disputed(trades));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("the trade count bears a link out: it rises by one, and not at all with an auction's print", () => {
    const weakOf = (...trades: RunTrade[]) => folded(trades).runs[0]!.weak;
    expect(weakOf(counted(10, 0, 1, 1), counted(20, 5, 2, 1), counted(30, 9, 2, 0))).toEqual([]);
    const merged = [{ fromMs: OPEN_MS, toMs: OPEN_MS + 5_000 }];
    expect(weakOf(counted(10, 0, 1, 1), counted(20, 5, 3, 1), counted(30, 9, 4, 1))).toEqual(
      merged,
    );
    expect(weakOf(counted(10, 0, 1, 1), counted(20, 5, 2, 0))).toEqual(merged);
    expect(weakOf(counted(10, 0, 1, 1), at(20, 10, 5))).toEqual(merged);
  });

  test("a hole is seen when the trade behind it arrives, and is gone when it is filled", () => {
    const runs = folded([at(10, 10, 0), at(40, 10, 7)]);
    expect(runs.holes()).toEqual([
      {
        ...{ seqFrom: 10, seqTo: 30, fromMs: OPEN_MS, toMs: OPEN_MS + 7_000 },
        arrivedMs: OPEN_MS + 7_050,
        trades: null,
      },
    ]);
    runs.add(at(20, 10, 3));
    expect(runs.holes()).toMatchObject([{ seqFrom: 20, seqTo: 30, fromMs: OPEN_MS + 3_000 }]);
    runs.add(at(30, 10, 3));
    expect(runs.holes()).toEqual([]);
    expect(runs.runs).toHaveLength(1);
  });

  test("a hole has as many trades as the broker counted, an auction's print aside", () => {
    const tradesIn = (...trades: RunTrade[]) => folded(trades).holes()[0]!.trades;
    expect(tradesIn(counted(10, 0, 1, 1), counted(40, 5, 2, 1))).toBe(0);
    expect(tradesIn(counted(10, 0, 1, 1), counted(40, 5, 4, 1))).toBe(2);
    expect(tradesIn(counted(10, 0, 1, 1), counted(40, 5, 1, 0))).toBe(0);
    expect(tradesIn(counted(10, 0, 1, 1), at(40, 10, 5))).toBeNull();
  });

  test("a million trades in order take about a second", { timeout: 30_000 }, () => {
    const runs = new Runs();
    const startedMs = performance.now();
    for (let i = 1; i <= 1_000_000; i++) {
      const tsMs = OPEN_MS + Math.floor(i / 50) * 1_000;
      runs.add({ seq: i * 7, size: 7, tsMs, edgeRecvMs: tsMs, side: 1, sellCount: 0, buyCount: i });
    }
    const tookMs = performance.now() - startedMs;
    expect(runs.runs).toHaveLength(1);
    console.log(`runs: ${((tookMs * 1_000) / 1e6).toFixed(3)} µs a trade`);
    expect(tookMs).toBeLessThan(10_000);
  });
});

/** By brute force: whatever overlaps something else, joined with it. */
function disputed(trades: readonly RunTrade[]): [number, number][] {
  const covers = [...new Set(trades.map(({ seq, size }) => `${seq - size}-${seq}`))].map(
    (text): [number, number] => text.split("-").map(Number) as [number, number],
  );
  const groups = covers.map(([from, to]): [number, number, number] => [from, to, 1]);
  for (let changed = true; changed;) {
    changed = false;
    for (let i = 0; i < groups.length; i++) {
      for (let j = groups.length - 1; j > i; j--) {
        const [one, other] = [groups[i]!, groups[j]!];
        if (one[0] >= other[1] || other[0] >= one[1]) continue;
        one[0] = Math.min(one[0], other[0]);
        one[1] = Math.max(one[1], other[1]);
        one[2] += other[2];
        groups.splice(j, 1);
        changed = true;
      }
    }
  }
  return groups
    .filter(([, , members]) => members > 1)
    .map(([from, to]): [number, number] => [from, to])
    .sort((a, b) => a[0] - b[0]);
}
