// The fields of one KIS payload, as offsets into the frame: `A^B^^C` has four, the third empty. The
// record readers (trade.ts, book.ts, market.ts) ask for a field by its index within the record; the
// first that cannot be read is remembered in `bad`, so that readers stay straight lines.
import { decimal, digits, textOf } from "../bytes.ts";

const CARET = 0x5e;

export class FieldTable {
  bytes: Uint8Array = new Uint8Array(0);
  /** Fields in the payload. */
  count = 0;
  /** First field of the record being read; the readers' indexes count from here. */
  base = 0;
  /** Index of the record's first unreadable field; -1 while all is well. */
  bad = -1;
  /** starts[i] is the first byte of field i; field i ends one byte before starts[i + 1]. */
  #starts: Int32Array = new Int32Array(1_024);

  /** Takes the payload that begins at `from`. Its fields are bounded by the frame's size. */
  split(bytes: Uint8Array, from: number): void {
    let starts = this.#starts;
    let count = 0;
    starts[0] = from;
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] !== CARET) continue;
      count++;
      if (count + 1 >= starts.length) starts = this.#grow();
      starts[count] = at + 1;
    }
    starts[count + 1] = bytes.length + 1;
    this.bytes = bytes;
    this.count = count + 1;
  }

  /** Turns to the record whose first field is `base`. */
  open(base: number): void {
    this.base = base;
    this.bad = -1;
  }

  /** First byte of field `index`, counted from the payload's beginning. */
  startOf(index: number): number {
    return this.#starts[index]!;
  }
  /** The byte after field `index`, counted from the payload's beginning. */
  endOf(index: number): number {
    return this.#starts[index + 1]! - 1;
  }

  /** A price or another amount, not negative. */
  amount(field: number): number {
    const index = this.base + field;
    const value = decimal(this.bytes, this.startOf(index), this.endOf(index));
    if (value >= 0) return value;
    return this.#fail(field);
  }
  /** A count of shares or trades: whole and not negative. */
  whole(field: number): number {
    const value = this.amount(field);
    return Number.isSafeInteger(value) ? value : this.#fail(field);
  }
  /** As {@link amount}, `missing` when the field is empty. */
  amountOr(field: number, missing: number): number {
    return this.isEmpty(field) ? missing : this.amount(field);
  }
  /** As {@link whole}, `missing` when the field is empty. */
  wholeOr(field: number, missing: number): number {
    return this.isEmpty(field) ? missing : this.whole(field);
  }
  /** A number of exactly `length` digits: HHMMSS, YYYYMMDD. Whether it is a time is not its business. */
  digits(field: number, length: number): number {
    const index = this.base + field;
    const value = digits(this.bytes, this.startOf(index), this.endOf(index), length);
    return Number.isNaN(value) ? this.#fail(field) : value;
  }
  /** The only character of a one-letter code, as its byte; 0 when empty. */
  letter(field: number): number {
    const index = this.base + field;
    const start = this.startOf(index);
    const length = this.endOf(index) - start;
    if (length === 0) return 0;
    return length === 1 ? this.bytes[start]! : this.#fail(field);
  }
  /** First byte of a code of any length; 0 when empty. */
  firstByte(field: number): number {
    return this.isEmpty(field) ? 0 : this.bytes[this.startOf(this.base + field)]!;
  }
  isEmpty(field: number): boolean {
    const index = this.base + field;
    return this.endOf(index) === this.startOf(index);
  }
  text(field: number): string {
    const index = this.base + field;
    return textOf(this.bytes, this.startOf(index), this.endOf(index));
  }
  /** Fields `from` up to `to` of the record, as they came, with their carets; null when none. */
  surplus(from: number, to: number): string | null {
    if (to <= from) return null;
    const first = this.startOf(this.base + from);
    return textOf(this.bytes, first, this.endOf(this.base + to - 1));
  }
  /** Marks `field` as unreadable unless an earlier one is marked. NaN, for the reader's convenience. */
  #fail(field: number): number {
    this.reject(field);
    return Number.NaN;
  }
  reject(field: number): void {
    if (this.bad < 0) this.bad = field;
  }

  #grow(): Int32Array {
    const larger = new Int32Array(this.#starts.length * 2);
    larger.set(this.#starts);
    this.#starts = larger;
    return larger;
  }
}
