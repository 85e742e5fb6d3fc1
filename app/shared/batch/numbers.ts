// One column of numbers. A value is an integer over a power of ten wherever that is exact, and what is
// written is its difference from the row before it in its series, divided by what all differences share.
// Whatever is not exact that way is written as doubles: no value is ever changed.
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

/** The low four bits of a column's first byte; the high four are the decimal exponent. */
const MODE = {
  integers: 0,
  integersWithGaps: 1,
  doubles: 2,
  oneInteger: 3,
  oneDouble: 4,
  absent: 5,
};

const EXPONENT_MAX = 8;
export const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8] as const;

/** Two such differ by less than 2^52, whose zigzag a double still holds. */
export const INTEGER_MAX = 2 ** 51 - 1;

/**
 * Which row a row is predicted from: `of[i]` numbers row i's series, 0..count-1, and a row's
 * prediction is the row before it in the same series. null predicts nothing.
 */
export type Series = { of: Uint32Array; count: number } | null;

export function writeNumbers(out: ByteWriter, values: Float64Array, series: Series): void {
  if (isConstant(values)) {
    writeOne(out, values[0]!);
    return;
  }
  const gaps = hasGaps(values);
  const exponent = exponentOf(values);
  if (exponent === null) {
    out.byte(MODE.doubles);
    out.doubles(values);
    return;
  }
  out.byte((gaps ? MODE.integersWithGaps : MODE.integers) | (exponent << 4));
  if (gaps) writePresence(out, values);
  const steps = stepsOf(values, POWERS[exponent]!, series, gaps);
  const divisor = divisorOf(steps);
  out.varint(divisor);
  if (divisor > 1) for (let i = 0; i < steps.length; i++) steps[i]! /= divisor;
  out.zigzags(steps);
}

export function readNumbers(from: ByteReader, rows: number, series: Series): Float64Array {
  const first = from.byte();
  const mode = first & 15;
  const power = POWERS[first >> 4];
  if (power === undefined) throw corrupt("column exponent");
  if (mode === MODE.doubles) return from.doubles(rows);
  if (mode === MODE.oneInteger) return new Float64Array(rows).fill(from.zigzag() / power);
  if (mode === MODE.oneDouble) return new Float64Array(rows).fill(from.double());
  if (mode === MODE.absent) return new Float64Array(rows).fill(Number.NaN);
  if (mode === MODE.integers) {
    const divisor = from.varint();
    return sum(from.zigzags(rows), rows, null, divisor, power, series);
  }
  if (mode === MODE.integersWithGaps) {
    const presence = readPresence(from, rows);
    const divisor = from.varint();
    const steps = from.zigzags(presence.present);
    return sum(steps, rows, presence.bits, divisor, power, series);
  }
  throw corrupt("column mode");
}

/** The smallest exponent with which every value but NaN is exactly an integer; null when there is none. */
export function exponentOf(values: Float64Array, start = 0, stop = values.length): number | null {
  let exponent = 0;
  let power = 1;
  for (let i = start; i < stop; i++) {
    const value = values[i]!;
    const small = value | 0;
    // The usual case, an integer in 32 bits, is settled without rounding. -0 is not such a one.
    if (small === value && (small !== 0 || Object.is(value, 0))) continue;
    if (Number.isNaN(value)) continue;
    while (!isExact(value, power)) {
      exponent++;
      if (exponent > EXPONENT_MAX) return null;
      power = POWERS[exponent]!;
    }
  }
  // A later, finer value raised the power; the largest must still fit.
  const limit = INTEGER_MAX / power;
  for (let i = start; i < stop; i++) if (Math.abs(values[i]!) > limit) return null;
  return exponent;
}

/** What all the numbers are multiples of; 1 when nothing. */
export function divisorOf(numbers: Float64Array): number {
  let divisor = 0;
  for (let i = 0; i < numbers.length && divisor !== 1; i++) {
    let rest = Math.abs(numbers[i]!);
    if (rest === 0 || rest === divisor) continue;
    while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  }
  return divisor === 0 ? 1 : divisor;
}

function isExact(value: number, power: number): boolean {
  const integer = Math.round(value * power);
  return integer / power === value && Math.abs(integer) <= INTEGER_MAX && !Object.is(value, -0);
}

export function isConstant(values: Float64Array): boolean {
  const first = values[0]!;
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], first)) return false;
  return true;
}

export function hasGaps(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return true;
  return false;
}

function writeOne(out: ByteWriter, value: number): void {
  const exponent = exponentOf(Float64Array.of(value));
  if (Number.isNaN(value)) {
    out.byte(MODE.absent);
  } else if (exponent === null) {
    out.byte(MODE.oneDouble);
    out.double(value);
  } else {
    out.byte(MODE.oneInteger | (exponent << 4));
    out.zigzags(Float64Array.of(Math.round(value * POWERS[exponent]!)));
  }
}

function stepsOf(values: Float64Array, power: number, series: Series, gaps: boolean): Float64Array {
  const steps = new Float64Array(values.length);
  const before = new Float64Array(series?.count ?? 0);
  let present = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (gaps && Number.isNaN(value)) continue;
    const integer = power === 1 ? value : Math.round(value * power);
    if (series === null) {
      steps[present++] = integer;
    } else {
      const of = series.of[i]!;
      steps[present++] = integer - before[of]!;
      before[of] = integer;
    }
  }
  return steps.subarray(0, present);
}

/** The inverse of `stepsOf` and of the division. Numbers out of range come out wrong, never dangerous. */
function sum(
  steps: Float64Array,
  rows: number,
  presence: Uint8Array | null,
  divisor: number,
  power: number,
  series: Series,
): Float64Array {
  const values = new Float64Array(rows);
  const before = new Float64Array(series?.count ?? 0);
  let next = 0;
  for (let i = 0; i < rows; i++) {
    if (presence !== null && ((presence[i >> 3]! >> (i & 7)) & 1) === 0) {
      values[i] = Number.NaN;
      continue;
    }
    let integer = steps[next++]! * divisor;
    if (series !== null) {
      const of = series.of[i]!;
      integer += before[of]!;
      before[of] = integer;
    }
    values[i] = integer / power;
  }
  return values;
}

function writePresence(out: ByteWriter, values: Float64Array): void {
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) bits[i >> 3]! |= 1 << (i & 7);
  }
  out.blob(bits);
}

function readPresence(from: ByteReader, rows: number): { bits: Uint8Array; present: number } {
  const bits = from.blob(Math.ceil(rows / 8));
  let present = 0;
  for (let i = 0; i < rows; i++) present += (bits[i >> 3]! >> (i & 7)) & 1;
  return { bits, present };
}
