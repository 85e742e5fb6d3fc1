// Best quotes of two sides at common times. Pure.

export interface Quote {
  /** Exchange time, epoch ms. */
  ms: number;
  /** The order within a second: receipt, then capture. */
  recvMs: number;
  capture: number;
  ask: number;
  bid: number;
}

export interface QuoteCounts {
  /** Seconds that were compared. */
  seconds: number;
  /** Best bid and best ask are the same. */
  equal: number;
  /** The same, or the same as the other side's best quotes one change before or after. */
  near: number;
}

const SECOND_MS = 1_000;

/**
 * Compares what stood at the end of each second in which one side had an update, as far as both sides have
 * any quote by then and `isAsked` says so.
 */
export function compareQuotes(
  lefts: readonly Quote[],
  rights: readonly Quote[],
  isAsked: (ms: number) => boolean,
): QuoteCounts {
  const counts: QuoteCounts = { seconds: 0, equal: 0, near: 0 };
  const [left, right] = [changesOf(lefts), changesOf(rights)];
  const seconds = [...new Set([...lefts, ...rights].map(({ ms }) => secondOf(ms)))];
  let [at, other] = [-1, -1];
  for (const second of seconds.sort((a, b) => a - b)) {
    while (secondOf(left[at + 1]?.ms ?? Infinity) <= second) at += 1;
    while (secondOf(right[other + 1]?.ms ?? Infinity) <= second) other += 1;
    if (at < 0 || other < 0 || !isAsked(second)) continue;
    counts.seconds += 1;
    const isEqual = isSame(left[at], right[other]);
    if (isEqual) counts.equal += 1;
    const isNear =
      isEqual ||
      [other - 1, other + 1].some((index) => isSame(left[at], right[index])) ||
      [at - 1, at + 1].some((index) => isSame(left[index], right[other]));
    if (isNear) counts.near += 1;
  }
  return counts;
}

/** In order, without those that say the same as the one before. */
export function changesOf(quotes: readonly Quote[]): Quote[] {
  const sorted = quotes.toSorted(
    (a, b) => a.ms - b.ms || a.recvMs - b.recvMs || a.capture - b.capture,
  );
  return sorted.filter((quote, index) => !isSame(quote, sorted[index - 1]));
}

function isSame(one: Quote | undefined, other: Quote | undefined): boolean {
  return one !== undefined && one.ask === other?.ask && one.bid === other.bid;
}

function secondOf(ms: number): number {
  return Math.floor(ms / SECOND_MS) * SECOND_MS;
}
