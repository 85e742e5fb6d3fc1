// Two sides' prints of one symbol and chain, compared: which are the same, which are a vendor's merge of
// several, which differ, and which one side lacks. Pure. Promises: the result does not depend on the order of
// the prints; leaving out prints that are the same on both sides changes nothing of the rest; each share of
// volume is counted once.
//
//   left   ├──10──┼──10──┼────15────┤  ├─5─┤        same seq, size, price, side, time: same
//   right  ├──10──┼────────25───────┤               volumes add up: the right side has merged two
//                                      └── no print on the right: missing, or unverified while it was away
import type { Claim, Print, Side } from "./print.ts";
import { claimOf, inOrder, lengthWithout } from "./print.ts";
import type { Kind } from "./tally.ts";

/** Exchange times are whole seconds; two brokers may cut them differently. */
const TIME_MS_MAX = 1_000;

export interface Difference {
  kind: Kind;
  /** Shares. */
  volume: number;
  /** Exchange time of its first print, the left one where both have one. */
  ms: number;
  /** The prints it is about, by volume. */
  left: readonly Print[];
  right: readonly Print[];
  /** Of what a side lacks: it has come there later, by a refill. */
  isRefilled: boolean;
}

export interface Comparison {
  same: { ms: number; volume: number }[];
  differences: Difference[];
}

/** Whether a side's feed was alive when something of this exchange time should have come. */
export type Vouch = (side: Side, ms: number) => boolean;

interface Item extends Claim {
  side: Side;
  print: Print;
}

/** Compares the live prints; those that are not live only say what was refilled. */
export function compare(
  lefts: readonly Print[],
  rights: readonly Print[],
  vouch: Vouch,
): Comparison {
  return new Comparing(lefts, rights, vouch).run();
}

class Comparing {
  readonly #result: Comparison = { same: [], differences: [] };
  readonly #vouch: Vouch;
  readonly #refilled: Record<Side, ReadonlySet<number>>;
  readonly #left: Print[];
  readonly #right: Print[];

  constructor(lefts: readonly Print[], rights: readonly Print[], vouch: Vouch) {
    this.#vouch = vouch;
    this.#refilled = { left: refilledOf(lefts), right: refilledOf(rights) };
    this.#left = inOrder(lefts);
    this.#right = inOrder(rights);
  }

  run(): Comparison {
    const rest = this.#pair();
    for (const group of overlapping(rest)) this.#group(group);
    this.#result.differences.sort((a, b) => a.ms - b.ms || seqOf(a) - seqOf(b));
    return this.#result;
  }

  /** Settles prints that both sides have with one seq and size. Returns the others. */
  #pair(): Item[] {
    const rest: Item[] = [];
    let [at, other] = [0, 0];
    while (at < this.#left.length || other < this.#right.length) {
      const [left, right] = [this.#left[at], this.#right[other]];
      if (left && right && left.seq === right.seq) {
        if (left.size === right.size) this.#same(left, right);
        else rest.push(itemOf("left", left), itemOf("right", right));
        at += 1;
        other += 1;
      } else if (left && (!right || left.seq < right.seq)) {
        rest.push(itemOf("left", left));
        at += 1;
      } else {
        rest.push(itemOf("right", right!));
        other += 1;
      }
    }
    return rest;
  }

  #same(left: Print, right: Print): void {
    const kind = differenceOf(left, [right]);
    if (kind === null) this.#result.same.push({ ms: left.ms, volume: left.size });
    else this.#differ(kind, left.size, [left], [right]);
  }

  /** Prints of which each overlaps another, through others at least. */
  #group(group: readonly Item[]): void {
    const [lefts, rights] = [of("left", group), of("right", group)];
    if (this.#merge(group, lefts, rights, [])) return;
    // Sizes do not add up. What has the same seq is the same print, of another size.
    const taken: Claim[] = [];
    const paired = new Set<Print>();
    for (const left of lefts) {
      const right = rights.find(({ seq }) => seq === left.seq);
      if (!right) continue;
      paired.add(left).add(right);
      this.#sizes(left, right, taken);
    }
    const rest = group.filter(({ print }) => !paired.has(print));
    for (const part of overlapping(rest)) this.#alone(part, taken);
  }

  #sizes(left: Print, right: Print, taken: Claim[]): void {
    const larger = left.size > right.size ? left : right;
    const smaller: Side = larger === left ? "right" : "left";
    const volume = lengthWithout(claimOf(larger), taken);
    taken.push(claimOf(larger));
    // At the edge of a time for which a side does not answer, it may have missed a part of a merge.
    const kind: Kind = this.#vouch(smaller, larger.ms) ? "value" : `unverified-${smaller}`;
    this.#differ(kind, volume, [left], [right]);
  }

  /** What is left of a group without its pairs: a merge beside them, or prints that the other side lacks. */
  #alone(part: readonly Item[], taken: Claim[]): void {
    if (this.#merge(part, of("left", part), of("right", part), taken)) return;
    for (const side of ["left", "right"] as const) {
      for (const print of of(side, part)) {
        const volume = lengthWithout(claimOf(print), taken);
        taken.push(claimOf(print));
        if (volume > 0) this.#lacking(side === "left" ? "right" : "left", print, volume);
      }
    }
  }

  /** Whether both sides fill the same volume without holes: then they are one merge, or differ as one. */
  #merge(
    group: readonly Item[],
    lefts: readonly Print[],
    rights: readonly Print[],
    taken: Claim[],
  ): boolean {
    const [left, right] = [tiled(lefts), tiled(rights)];
    if (!left || !right || left.from !== right.from || left.to !== right.to) return false;
    const volume = lengthWithout(left, taken);
    taken.push(left);
    this.#differ(mergeOf(group, lefts, rights), volume, lefts, rights);
    return true;
  }

  #lacking(side: Side, print: Print, volume: number): void {
    const kind: Kind = `${this.#vouch(side, print.ms) ? "missing" : "unverified"}-${side}`;
    const isRefilled = this.#refilled[side].has(print.seq);
    const [left, right] = side === "right" ? [[print], []] : [[], [print]];
    this.#differ(kind, volume, left, right, isRefilled);
  }

  #differ(
    kind: Kind,
    volume: number,
    left: readonly Print[],
    right: readonly Print[],
    isRefilled = false,
  ): void {
    const { ms } = left[0] ?? right[0]!;
    this.#result.differences.push({ kind, volume, ms, left, right, isRefilled });
  }
}

function refilledOf(prints: readonly Print[]): ReadonlySet<number> {
  return new Set(prints.filter(({ isLive }) => !isLive).map(({ seq }) => seq));
}

function itemOf(side: Side, print: Print): Item {
  return { side, print, ...claimOf(print) };
}

function of(side: Side, items: readonly Item[]): Print[] {
  return items.filter((item) => item.side === side).map(({ print }) => print);
}

function seqOf({ left, right }: Difference): number {
  return (left[0] ?? right[0]!).seq;
}

/** Items in groups: claims of one group overlap, directly or through others; each group in the order of seq. */
function overlapping(items: readonly Item[]): Item[][] {
  const groups: Item[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const item of items.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (item.from >= end) groups.push([]);
    groups.at(-1)!.push(item);
    end = Math.max(end, item.to);
  }
  for (const group of groups) group.sort((a, b) => a.to - b.to);
  return groups;
}

/** The volume that `prints`, in order, fill without holes or overlap; null where they do not. */
function tiled(prints: readonly Print[]): Claim | null {
  const [first, last] = [prints[0], prints.at(-1)];
  if (!first || !last) return null;
  const isTiled = prints.every(
    (print, index) => index === 0 || claimOf(print).from === prints[index - 1]!.seq,
  );
  return isTiled ? { from: claimOf(first).from, to: last.seq } : null;
}

/** What a merged print says has to be true of one of the prints in it. */
function mergeOf(group: readonly Item[], lefts: readonly Print[], rights: readonly Print[]): Kind {
  const kinds = group.map(({ side, print, from, to }) => {
    const others = (side === "left" ? rights : lefts).filter((other) => {
      const claim = claimOf(other);
      return claim.from < to && from < claim.to;
    });
    return others.length > 1 ? differenceOf(print, others) : null;
  });
  if (kinds.includes("value")) return "value";
  if (kinds.includes("time")) return "time";
  if (lefts.length === 1) return "merged-left";
  return rights.length === 1 ? "merged-right" : "merged-both";
}

/** How `print` differs from what it stands beside; null where it says the same of one of them. */
function differenceOf(print: Print, others: readonly Print[]): "value" | "time" | null {
  const isPrice = others.some(({ price }) => Object.is(price + 0, print.price + 0));
  const isSide = others.some(({ side }) => side === print.side || side === 0 || print.side === 0);
  if (!isPrice || !isSide) return "value";
  const times = others.map(({ ms }) => ms);
  const [fromMs, toMs] = [Math.min(...times), Math.max(...times)];
  const isTime = fromMs - TIME_MS_MAX <= print.ms && print.ms <= toMs + TIME_MS_MAX;
  return isTime ? null : "time";
}
