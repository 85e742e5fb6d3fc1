// A trade as the comparison sees it: one side's print, which claims the volume (seq - size, seq] of its
// symbol's chain. Pure.

export type Side = "left" | "right";

export interface Print {
  /** The broker's cumulative volume after it. */
  seq: number;
  size: number;
  price: number;
  /** Exchange time, epoch ms. */
  ms: number;
  /** 1 buyer, -1 seller, 0 not said. */
  side: number;
  isLive: boolean;
}

export interface Claim {
  from: number;
  to: number;
}

export function claimOf({ seq, size }: Print): Claim {
  return { from: seq - size, to: seq };
}

/**
 * Live prints in the order of their volume, each once: accounts of a broker that overlap, and a broker that
 * says a print again at another time, give the same seq twice. The earliest stands, then the larger.
 */
export function inOrder(prints: readonly Print[]): Print[] {
  const sorted = prints
    .filter(({ isLive }) => isLive)
    .sort(
      (a, b) =>
        a.seq - b.seq || a.ms - b.ms || b.size - a.size || a.price - b.price || a.side - b.side,
    );
  return sorted.filter(({ seq }, index) => seq !== sorted[index - 1]?.seq);
}

/** What of `claim` none of `taken` (any order, may overlap) has. */
export function lengthWithout(claim: Claim, taken: readonly Claim[]): number {
  let [length, from] = [0, claim.from];
  for (const one of taken.toSorted((a, b) => a.from - b.from)) {
    if (one.to <= from) continue;
    if (one.from >= claim.to) break;
    length += Math.max(0, one.from - from);
    from = Math.max(from, one.to);
  }
  return length + Math.max(0, claim.to - from);
}
