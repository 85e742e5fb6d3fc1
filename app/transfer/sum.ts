// What is compared of a chunk: how many rows, and the sum of their hashes, whatever order they lie in. Pure.
import type { Chunk } from "./jobs.ts";

/** Rows and the sum of their hashes. */
export interface Sum {
  rows: number;
  sum: string;
}

export function totalOf(sums: readonly Sum[]): Sum {
  return {
    rows: sums.reduce((total, { rows }) => total + rows, 0),
    sum: String(sums.reduce((total, { sum }) => total + BigInt(sum), 0n)),
  };
}

export function isEqual(one: Sum, other: Sum): boolean {
  return one.rows === other.rows && BigInt(one.sum) === BigInt(other.sum);
}

/** What the target should have when the source has `total`. */
export function plus(total: Sum, { moreRows, moreSum }: Chunk): Sum {
  return { rows: total.rows + moreRows, sum: String(BigInt(total.sum) + BigInt(moreSum)) };
}

/** Whether the source has changed since both sides were last equal. */
export function isMoved({ rows, sum }: Chunk, total: Sum): boolean {
  return rows === null || sum === null || !isEqual({ rows, sum }, total);
}
