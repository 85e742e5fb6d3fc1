// Which chain of one side belongs to which of the other. A chain's number counts the resets that this side
// has seen; who began to collect after a reset counts one less. Pure.

export interface ChainSpan {
  chain: number;
  /** Exchange times of its first and last live trade. */
  fromMs: number;
  toMs: number;
}

/** A chain that the other side does not have is alone. */
export interface ChainPair {
  left: number | null;
  right: number | null;
}

/** Chains that were traded at the same time are one; what overlaps nothing goes by its number. */
export function pairChains(lefts: readonly ChainSpan[], rights: readonly ChainSpan[]): ChainPair[] {
  const candidates = lefts
    .flatMap((left) => rights.map((right) => ({ left, right, ms: sharedMs(left, right) })))
    .filter(({ left, right, ms }) => ms > 0 || left.chain === right.chain)
    .sort((a, b) => b.ms - a.ms || distance(a) - distance(b) || a.left.chain - b.left.chain);
  const pairs: ChainPair[] = [];
  const taken = { left: new Set<number>(), right: new Set<number>() };
  for (const { left, right } of candidates) {
    if (taken.left.has(left.chain) || taken.right.has(right.chain)) continue;
    taken.left.add(left.chain);
    taken.right.add(right.chain);
    pairs.push({ left: left.chain, right: right.chain });
  }
  for (const { chain } of lefts)
    if (!taken.left.has(chain)) pairs.push({ left: chain, right: null });
  for (const { chain } of rights)
    if (!taken.right.has(chain)) pairs.push({ left: null, right: chain });
  return pairs.sort((a, b) => (a.left ?? a.right)! - (b.left ?? b.right)!);
}

/** Both ends are seconds, and belong to it. */
function sharedMs(one: ChainSpan, other: ChainSpan): number {
  return Math.max(0, Math.min(one.toMs, other.toMs) + 1_000 - Math.max(one.fromMs, other.fromMs));
}

function distance({ left, right }: { left: ChainSpan; right: ChainSpan }): number {
  return Math.abs(left.chain - right.chain);
}
