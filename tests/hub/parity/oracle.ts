// The comparison once more, slow and by other means: every share of volume is looked at by itself. Written from
// docs/parity.md, shares no code with app/hub/query/parity/. For small volumes only.
export interface OraclePrint {
  seq: number;
  size: number;
  price: number;
  ms: number;
  side: number;
  isLive: boolean;
}

export type OracleFigures = Record<"matched" | "merged" | "answered" | "joint", number>;

/**
 * Figures of two sides of which each has prints that fill what they claim and nothing twice, by shares: both
 * feeds alive all the time. A share is the same when the pieces it lies in cover the same volume on both sides
 * and say the same.
 */
export function oracleOf(
  lefts: readonly OraclePrint[],
  rights: readonly OraclePrint[],
): OracleFigures {
  const [left, right] = [byShare(lefts), byShare(rights)];
  const figures = { matched: 0, merged: 0, answered: 0, joint: 0 };
  const end = Math.max(left.length, right.length);
  for (let share = 1; share < end; share++) {
    const [one, other] = [left[share], right[share]];
    if (one || other) figures.answered += 1;
    if (!one || !other) continue;
    figures.joint += 1;
    const piece = pieceAround(share, left, right);
    if (!piece) continue;
    const [those, these] = [within(piece, lefts), within(piece, rights)];
    if (!saysTheSame(those, these)) continue;
    figures.matched += 1;
    if (those.length + these.length > 2) figures.merged += 1;
  }
  return figures;
}

/** The print that each share (1, 2, 3…) belongs to. */
function byShare(prints: readonly OraclePrint[]): (OraclePrint | undefined)[] {
  const owners: (OraclePrint | undefined)[] = [];
  for (const print of prints) {
    if (!print.isLive) continue;
    for (let share = print.seq - print.size + 1; share <= print.seq; share++) owners[share] = print;
  }
  return owners;
}

/** The least span around a share that no print of either side crosses; null with a hole in it. */
function pieceAround(
  share: number,
  left: (OraclePrint | undefined)[],
  right: (OraclePrint | undefined)[],
): { from: number; to: number } | null {
  let [from, to] = [share - 1, share];
  for (let isGrowing = true; isGrowing;) {
    isGrowing = false;
    for (let at = from + 1; at <= to; at++) {
      for (const print of [left[at], right[at]]) {
        if (!print) return null;
        if (print.seq - print.size < from) [from, isGrowing] = [print.seq - print.size, true];
        if (print.seq > to) [to, isGrowing] = [print.seq, true];
      }
    }
  }
  return { from, to };
}

function within({ from, to }: { from: number; to: number }, prints: readonly OraclePrint[]) {
  return prints.filter(({ seq, size, isLive }) => isLive && from <= seq - size && seq <= to);
}

function saysTheSame(left: readonly OraclePrint[], right: readonly OraclePrint[]): boolean {
  if (left.length === 1 && right.length === 1) return agrees(left[0]!, right);
  return [
    ...left.map((print) => ({ print, others: right })),
    ...right.map((print) => ({ print, others: left })),
  ].every(({ print, others }) => {
    const touched = others.filter(
      (other) => other.seq - other.size < print.seq && print.seq - print.size < other.seq,
    );
    return touched.length < 2 || agrees(print, touched);
  });
}

function agrees(print: OraclePrint, others: readonly OraclePrint[]): boolean {
  const seconds = others.map(({ ms }) => ms / 1_000);
  return (
    others.some(({ price }) => price === print.price) &&
    others.some(({ side }) => side * print.side !== -1) &&
    print.ms / 1_000 >= Math.min(...seconds) - 1 &&
    print.ms / 1_000 <= Math.max(...seconds) + 1
  );
}
