// One symbol's day, put together from blocks that are the same on both sides and from the prints of all others.
// Pure. Promises: which blocks were read changes nothing of the figures.
import { isoAtVenue } from "../../../shared/market-time.ts";
import type { Venue } from "../../../shared/tick.ts";
import type { SliceBlocks } from "./blocks.ts";
import type { ChainPair, ChainSpan } from "./chains.ts";
import { pairChains } from "./chains.ts";
import type { Difference, Vouch } from "./classify.ts";
import { compare } from "./classify.ts";
import type { Claim, Print, Side } from "./print.ts";
import { claimOf, lengthWithout } from "./print.ts";
import type { SidePrints } from "./prints.ts";
import type { Outcome, Tally } from "./tally.ts";
import { addTo, noTally, sumOf } from "./tally.ts";

export interface PlacedDifference extends Difference {
  venue: Venue;
  symbol: string;
  /** As the left side counts; where it has none of it, as the right one does. */
  chain: number;
}

export interface SymbolInput {
  venue: Venue;
  symbol: string;
  slices: readonly SliceBlocks[];
  /** Of all blocks that differ. */
  prints: readonly SidePrints[];
  vouch: Vouch;
  /** The brokers' own figures; null where none is known. */
  ends: { first: number | null; final: number | null };
  /** Highest volume in the symbol's last block, where that is the same on both sides. */
  lastSeq: number;
  /** Volume that a broker says is none of a trade. */
  explained: (side: Side, chain: number) => Claim[];
}

export interface SymbolParity {
  venue: Venue;
  symbol: string;
  /** By the hour of the venue's day, 0 to 23; what neither side has is in none. */
  hours: Map<number, Tally>;
  tally: Tally;
  differences: PlacedDifference[];
}

export function parityOfSymbol(input: SymbolInput): SymbolParity {
  const { venue, symbol } = input;
  const hours = new Map<number, Tally>();
  const add = (ms: number, outcome: Outcome, volume: number, count = 1) => {
    const hour = hourOf(venue, ms);
    let tally = hours.get(hour);
    if (!tally) hours.set(hour, (tally = noTally()));
    addTo(tally, outcome, volume, count);
  };
  for (const { same } of input.slices) {
    if (same) add(same.fromMs, "same", same.volume, same.pairs);
  }
  const differences: PlacedDifference[] = [];
  const pairs = pairChains(spansOf(input, "left"), spansOf(input, "right"));
  let neither = 0;
  for (const [index, pair] of pairs.entries()) {
    const [lefts, rights] = [of(input, "left", pair), of(input, "right", pair)];
    const found = compare(lefts, rights, input.vouch);
    let volume = isBlocks(pair) ? sameVolume(input) : 0;
    for (const one of found.same) {
      add(one.ms, "same", one.volume);
      volume += one.volume;
    }
    for (const one of found.differences) {
      add(one.ms, one.kind, one.volume);
      volume += one.volume;
      differences.push({ ...one, venue, symbol, chain: (pair.left ?? pair.right)! });
    }
    const edges = { isFirst: index === 0, isLast: index === pairs.length - 1 };
    neither += Math.max(0, knownVolume(input, pair, [...lefts, ...rights], edges) - volume);
  }
  if (pairs.length === 0) neither += Math.max(0, (input.ends.final ?? 0) - (input.ends.first ?? 0));
  const tally = sumOf(hours.values());
  if (neither > 0) addTo(tally, "unverified-both", neither, 0);
  return { venue, symbol, hours, tally, differences };
}

/** Hour of the day by the venue's clock. */
export function hourOf(venue: Venue, ms: number): number {
  return Number(isoAtVenue(venue, ms).slice(11, 13));
}

/** Blocks that are the same are of the first chain: others are always read. */
function isBlocks({ left, right }: ChainPair): boolean {
  return left === 0 && right === 0;
}

function sameVolume({ slices }: SymbolInput): number {
  return slices.reduce((sum, { same }) => sum + (same?.volume ?? 0), 0);
}

function of({ prints }: SymbolInput, side: Side, pair: ChainPair): Print[] {
  return prints
    .filter((one) => one.side === side && one.chain === pair[side])
    .flatMap((one) => one.prints);
}

function spansOf({ slices, prints }: SymbolInput, side: Side): ChainSpan[] {
  const spans = new Map<number, ChainSpan>();
  const widen = (chain: number, fromMs: number, toMs: number) => {
    const span = spans.get(chain);
    if (!span) spans.set(chain, { chain, fromMs, toMs });
    else {
      span.fromMs = Math.min(span.fromMs, fromMs);
      span.toMs = Math.max(span.toMs, toMs);
    }
  };
  for (const { same } of slices) if (same) widen(0, same.fromMs, same.toMs - 1_000);
  for (const one of prints) {
    if (one.side !== side) continue;
    for (const { ms, isLive } of one.prints) if (isLive) widen(one.chain, ms, ms);
    // Refilled rows alone say that there was something.
    if (!spans.has(one.chain) && one.prints[0])
      widen(one.chain, one.prints[0].ms, one.prints[0].ms);
  }
  return [...spans.values()];
}

/** From where the chain began to its last known volume, less what is explained. */
function knownVolume(
  { ends, lastSeq, explained }: SymbolInput,
  pair: ChainPair,
  prints: readonly Print[],
  { isFirst, isLast }: { isFirst: boolean; isLast: boolean },
): number {
  let end = isBlocks(pair) ? lastSeq : 0;
  for (const { seq } of prints) end = Math.max(end, seq);
  if (isLast) end = Math.max(end, ends.final ?? 0);
  const start = isFirst ? Math.min(ends.first ?? 0, end) : 0;
  const claims = prints.filter(({ isLive }) => isLive).map(claimOf);
  const taken: Claim[] = [];
  let none = 0;
  for (const side of ["left", "right"] as const) {
    const chain = pair[side];
    for (const range of chain === null ? [] : explained(side, chain)) {
      const near = claims.filter(({ from, to }) => from < range.to && range.from < to);
      none += lengthWithout(range, [...near, ...taken]);
      taken.push(range);
    }
  }
  return end - start - none;
}
