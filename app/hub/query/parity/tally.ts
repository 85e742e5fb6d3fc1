// The figures of a comparison: what became of each share of a day's volume, in whole numbers. Pure. Promises:
// `matched + value + time = joint`, and all of them with what is missing and unverified sum to the total.
import assert from "node:assert/strict";

/** What a difference is; docs/parity.md has each in a sentence. */
export const KINDS = [
  "merged-left",
  "merged-right",
  "merged-both",
  "value",
  "time",
  "missing-left",
  "missing-right",
  "unverified-left",
  "unverified-right",
] as const;
export type Kind = (typeof KINDS)[number];

/** The unchanged, the differing, and what neither side has a live print of. */
export type Outcome = "same" | Kind | "unverified-both";

export interface Count {
  /** Differences; of `same`, pairs of prints. */
  count: number;
  volume: number;
}

export type Tally = Record<Outcome, Count>;

export const OUTCOMES = ["same", ...KINDS, "unverified-both"] as const satisfies Outcome[];

export function noTally(): Tally {
  return Object.fromEntries(OUTCOMES.map((one) => [one, { count: 0, volume: 0 }])) as Tally;
}

export function addTo(tally: Tally, outcome: Outcome, volume: number, count = 1): void {
  tally[outcome].count += count;
  tally[outcome].volume += volume;
}

export function sumOf(tallies: Iterable<Tally>): Tally {
  const sum = noTally();
  for (const tally of tallies) {
    for (const outcome of OUTCOMES)
      addTo(sum, outcome, tally[outcome].volume, tally[outcome].count);
  }
  return sum;
}

/** Volumes in shares. */
export interface Volumes {
  /** The same on both sides, vendors' merges included. */
  matched: number;
  merged: number;
  /** Live on both sides. */
  joint: number;
  missingLeft: number;
  missingRight: number;
  /** What both sides had to have: joint and missing. The figure is matched over this. */
  answered: number;
  /** All that is known to have been traded. */
  total: number;
}

export function volumesOf(tally: Tally): Volumes {
  const of = (...outcomes: Outcome[]) =>
    outcomes.reduce((sum, outcome) => sum + tally[outcome].volume, 0);
  const merged = of("merged-left", "merged-right", "merged-both");
  const matched = of("same") + merged;
  const joint = matched + of("value", "time");
  const [missingLeft, missingRight] = [of("missing-left"), of("missing-right")];
  const answered = joint + missingLeft + missingRight;
  const total = answered + of("unverified-left", "unverified-right", "unverified-both");
  assert(Number.isSafeInteger(total), "a day's volume is a whole number");
  return { matched, merged, joint, missingLeft, missingRight, answered, total };
}

/** The least figure and the least coverage that the gate takes: 99.9 % and 95 %, as fractions. */
export const LEAST = { share: [999, 1_000], coverage: [95, 100] } as const;

/** Whether `part / whole` reaches a fraction; in whole numbers. Nothing of nothing does not. */
export function reaches(
  part: number | bigint,
  whole: number | bigint,
  [of, per]: readonly [number, number],
): boolean {
  return BigInt(whole) > 0n && BigInt(part) * BigInt(per) >= BigInt(whole) * BigInt(of);
}

/** For people and JSON: a share of 0 to 1, cut off after six digits, so never rounded up; null of nothing. */
export function shareOf(part: number | bigint, whole: number | bigint): number | null {
  if (BigInt(whole) === 0n) return null;
  return Number((BigInt(part) * 1_000_000n) / BigInt(whole)) / 1e6;
}

/** `99.8999 %`; never rounded up. */
export function percent(share: number | null): string {
  return share === null ? "none" : `${(Math.round(share * 1e6) / 1e4).toFixed(4)} %`;
}
