// Made-up days of one symbol, and what becomes of them on the way: the model beside the ledger's tests.
import fc from "fast-check";
import type { RunTrade } from "../../../app/hub/query/coverage/runs.ts";
import { Runs } from "../../../app/hub/query/coverage/runs.ts";
import type { ChainEvidence, TradeEvidence } from "../../../app/hub/query/coverage/timeline.ts";
import type { Span } from "../../../app/hub/query/coverage/spans.ts";
import { clip, union } from "../../../app/hub/query/coverage/spans.ts";
import { kstMs } from "../../../app/shared/market-time.ts";

export const DAY = { fromMs: kstMs(20261123, 0), toMs: kstMs(20261124, 0) };
export const OPEN_MS = kstMs(20261123, 90_000);
export const CLOSE_MS = kstMs(20261123, 152_000);

/** All trades of a day, in their order; the first begins at volume 0. */
export function dayOf(
  sizes: readonly { size: number; gapS: number; side: -1 | 0 | 1 }[],
  withCounts = true,
  startSeq = 0,
): RunTrade[] {
  let [seq, tsMs, count] = [startSeq, OPEN_MS, 0];
  return sizes.map(({ size, gapS, side }) => {
    seq += size;
    tsMs += gapS * 1_000;
    count += side === 0 ? 0 : 1;
    const counts = withCounts
      ? { sellCount: Math.floor(count / 2), buyCount: Math.ceil(count / 2) }
      : { sellCount: -1, buyCount: -1 };
    return { seq, size, tsMs, edgeRecvMs: tsMs + 120, side, ...counts };
  });
}

export const someTrades = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 500 }),
    // Every other trade shares its second with the one before.
    gapS: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 90 })),
    side: fc.constantFrom<(-1 | 0 | 1)[]>(1, -1, 1, -1, 0),
  }),
  { minLength: 1, maxLength: 60 },
);

export function folded(trades: readonly RunTrade[]): Runs {
  const runs = new Runs();
  for (const trade of trades) runs.add(trade);
  return runs;
}

export function chainOf(runs: Runs, chain = 0): ChainEvidence {
  return { chain, runs: runs.runs, holes: runs.holes(), conflicts: runs.conflicts() };
}

/** Trades of one chain, a feed that was alive all day, nothing else. */
export function evidenceOf(
  trades: readonly RunTrade[],
  over: Partial<TradeEvidence> = {},
): TradeEvidence {
  const runs = folded(trades);
  return {
    day: DAY,
    expected: [{ fromMs: OPEN_MS, toMs: CLOSE_MS }],
    alive: [DAY],
    outages: [],
    losses: [],
    gaps: [],
    chains: runs.runs.length === 0 ? [] : [chainOf(runs)],
    figure: null,
    recorded: [],
    quiet: [],
    ...over,
  };
}

/** Consecutive members of `dropped` (indexes into the day), as the day shows them. */
export function lostStretches(
  day: readonly RunTrade[],
  dropped: ReadonlySet<number>,
): { first: number; last: number }[] {
  const stretches: { first: number; last: number }[] = [];
  for (let i = 0; i < day.length; i++) {
    if (!dropped.has(i)) continue;
    const last = stretches.at(-1);
    if (last?.last === i - 1) last.last = i;
    else stretches.push({ first: i, last: i });
  }
  return stretches;
}

/** `items` in an order that `chance` decides. */
export function shuffled<T>(items: readonly T[], chance: Iterator<number>): T[] {
  return items
    .map((item) => ({ item, at: Number(chance.next().value) }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}

/** Sorted and apart, as the timeline wants its spans. */
export function spansOf(spans: readonly Span[]): Span[] {
  return union(clip(spans, DAY));
}
