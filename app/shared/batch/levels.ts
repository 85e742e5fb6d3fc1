// The levels of order books. A side is predicted from the same instrument's book before: the next price
// is the old ladder's next one, its size the old size at that price. One order changes one level, so
// almost every difference is 0, even when a level that came or went has shifted all those below it.
import { BOOK_DEPTH } from "../tick.ts";
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { divisorOf, exponentOf, hasGaps, POWERS, type Series } from "./numbers.ts";

/** Numbers of one book: ask prices, ask sizes, bid prices, bid sizes. */
export const CELLS = 4 * BOOK_DEPTH;
const SIDE_CELLS = 2 * BOOK_DEPTH;

const MODE = { doubles: 0, ladders: 1 };

export function writeLevels(
  out: ByteWriter,
  levels: Float64Array,
  series: NonNullable<Series>,
): void {
  const prices = half(levels, 0);
  const sizes = half(levels, BOOK_DEPTH);
  const priceExponent = exponentOf(prices);
  const sizeExponent = exponentOf(sizes);
  if (priceExponent === null || sizeExponent === null || hasGaps(levels)) {
    out.byte(MODE.doubles);
    out.doubles(levels);
    return;
  }
  toIntegers(prices, POWERS[priceExponent]!);
  toIntegers(sizes, POWERS[sizeExponent]!);
  const divisor = divisorOf(prices);
  if (divisor > 1) for (let i = 0; i < prices.length; i++) prices[i]! /= divisor;
  out.byte(MODE.ladders | (priceExponent << 4));
  out.byte(sizeExponent);
  out.varint(divisor);
  const before = booksBefore(series);
  // Backwards, because a book in front has to be whole while the later one is replaced by its steps.
  for (let row = before.length - 1; row >= 0; row--)
    predictBook(prices, sizes, row, before[row]!, "write");
  out.zigzags(prices);
  out.zigzags(sizes);
}

export function readLevels(
  from: ByteReader,
  rows: number,
  series: NonNullable<Series>,
): Float64Array {
  const first = from.byte();
  if (first === MODE.doubles) return from.doubles(CELLS * rows);
  const pricePower = POWERS[first >> 4];
  if ((first & 15) !== MODE.ladders || pricePower === undefined) throw corrupt("levels mode");
  const sizePower = POWERS[from.byte()];
  if (sizePower === undefined) throw corrupt("levels exponent");
  const divisor = from.varint();
  const prices = from.zigzags(SIDE_CELLS * rows);
  const sizes = from.zigzags(SIDE_CELLS * rows);
  const before = booksBefore(series);
  for (let row = 0; row < rows; row++) predictBook(prices, sizes, row, before[row]!, "read");
  const levels = new Float64Array(CELLS * rows);
  for (let side = 0; side < 2 * rows; side++) {
    for (let i = 0; i < BOOK_DEPTH; i++) {
      const price = prices[side * BOOK_DEPTH + i]! * divisor;
      levels[side * SIDE_CELLS + i] = price / pricePower;
      levels[side * SIDE_CELLS + BOOK_DEPTH + i] = sizes[side * BOOK_DEPTH + i]! / sizePower;
    }
  }
  return levels;
}

type Direction = "write" | "read";

/** Turns one book into its differences from the prediction, or back, in place. */
function predictBook(
  prices: Float64Array,
  sizes: Float64Array,
  row: number,
  rowBefore: number,
  direction: Direction,
): void {
  const at = row * SIDE_CELLS;
  const old = rowBefore < 0 ? -1 : rowBefore * SIDE_CELLS;
  predictSide(prices, sizes, at, old, 1, direction);
  predictSide(prices, sizes, at + BOOK_DEPTH, old < 0 ? -1 : old + BOOK_DEPTH, -1, direction);
}

/** `sign` is 1 where prices ascend (asks) and -1 where they descend; `start` is the old ladder or -1. */
function predictSide(
  prices: Float64Array,
  sizes: Float64Array,
  at: number,
  start: number,
  sign: 1 | -1,
  direction: Direction,
): void {
  let old = start;
  const end = start < 0 ? start : start + BOOK_DEPTH;
  let last = 0;
  for (let cell = at; cell < at + BOOK_DEPTH; cell++) {
    const expected = old < end ? prices[old]! : last === 0 ? 0 : last + sign;
    const price = direction === "write" ? prices[cell]! : prices[cell]! + expected;
    prices[cell] = direction === "write" ? price - expected : price;
    while (old < end && prices[old] !== 0 && sign * (prices[old]! - price) < 0) old++;
    if (old < end && prices[old] === price) {
      sizes[cell]! += direction === "write" ? -sizes[old]! : sizes[old]!;
      old++;
    }
    last = price;
  }
}

/** For each row the row of the same instrument's book before it, -1 when there is none. */
function booksBefore(series: NonNullable<Series>): Int32Array {
  const latest = new Int32Array(series.count).fill(-1);
  return Int32Array.from(series.of, (of, row) => {
    const before = latest[of]!;
    latest[of] = row;
    return before;
  });
}

/** Prices (`offset` 0) or sizes (`offset` 10) of both sides of all books. */
function half(levels: Float64Array, offset: number): Float64Array {
  const values = new Float64Array(levels.length / 2);
  for (let to = 0, from = offset; to < values.length; to += BOOK_DEPTH, from += SIDE_CELLS) {
    for (let i = 0; i < BOOK_DEPTH; i++) values[to + i] = levels[from + i]!;
  }
  return values;
}

function toIntegers(values: Float64Array, power: number): void {
  if (power === 1) return;
  for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i]! * power);
}
