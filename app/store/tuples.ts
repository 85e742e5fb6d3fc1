// The bytes of `copy … from stdin (format binary)`: fields of a row, one after the other.
// https://www.postgresql.org/docs/17/sql-copy.html ("Binary Format"). Times are microseconds since 2000.

export const COPY_HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

const EPOCH_MS = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;
const TWO_32 = 2 ** 32;
const FLOAT8_OID = 701;
const INT8_OID = 20;
const TEXT_OID = 25;

/** A text with its length in front, as it stands in a row: made once per dictionary entry. */
export function textField(text: string): Uint8Array {
  return bytesField(Buffer.from(text, "utf8"));
}

export function bytesField(bytes: Uint8Array): Uint8Array {
  const field = Buffer.allocUnsafe(4 + bytes.length);
  field.writeInt32BE(bytes.length);
  field.set(bytes, 4);
  return field;
}

/** Days since 2000 of a day written YYYYMMDD; undefined when the calendar does not have it. */
export function daysOf(day: number): number | undefined {
  const [year, month, date] = [Math.floor(day / 10_000), Math.floor(day / 100) % 100, day % 100];
  const at = new Date(Date.UTC(year, month - 1, date));
  const exists = at.getUTCMonth() === month - 1 && at.getUTCDate() === date && year >= 1900;
  return exists ? (at.getTime() - EPOCH_MS) / DAY_MS : undefined;
}

/** Builds rows; grows as needed. A field method may be called only after `row` reserved its bytes. */
export class TupleWriter {
  #buffer: Buffer;
  #view: DataView;
  #at = 0;

  constructor(bytesExpected: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(bytesExpected, 1_024));
    this.#view = viewOf(this.#buffer);
  }

  /** Begins a row of `fields` fields that take at most `bytesMax`. */
  row(fields: number, bytesMax: number): void {
    if (this.#at + bytesMax + 2 > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(2 * this.#buffer.length + bytesMax);
      grown.set(this.#buffer.subarray(0, this.#at));
      this.#buffer = grown;
      this.#view = viewOf(grown);
    }
    this.#view.setInt16(this.#at, fields);
    this.#at += 2;
  }

  null(): void {
    this.#view.setInt32(this.#at, -1);
    this.#at += 4;
  }

  int16(value: number): void {
    this.#view.setInt32(this.#at, 2);
    this.#view.setInt16(this.#at + 4, value);
    this.#at += 6;
  }

  int32(value: number): void {
    this.#view.setInt32(this.#at, 4);
    this.#view.setInt32(this.#at + 4, value);
    this.#at += 8;
  }

  int64(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#setInt64(this.#at + 4, value);
    this.#at += 12;
  }

  /** A count; -1 is null. */
  count(value: number): void {
    if (value === -1) this.null();
    else this.int64(value);
  }

  float8(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setFloat64(this.#at + 4, value);
    this.#at += 12;
  }

  /** A price; NaN is null. */
  price(value: number): void {
    if (Number.isNaN(value)) this.null();
    else this.float8(value);
  }

  timestamp(epochMs: number): void {
    this.int64(Math.round((epochMs - EPOCH_MS) * 1_000));
  }

  /** Bytes with their length in front, from `textField` or `bytesField`. */
  field(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > 32) this.#buffer.set(bytes, this.#at);
    else for (let i = 0; i < length; i++) this.#buffer[this.#at + i] = bytes[i]!;
    this.#at += length;
  }

  /** float8[] of `values[from]` to `values[to - 1]`. */
  float8s(values: Float64Array, from: number, to: number): void {
    this.#array(FLOAT8_OID, to - from);
    for (let i = from; i < to; i++) this.float8(values[i]!);
  }

  /** bigint[] of the same. */
  int64s(values: Float64Array, from: number, to: number): void {
    this.#array(INT8_OID, to - from);
    for (let i = from; i < to; i++) this.int64(values[i]!);
  }

  /** text[] of fields from `textField`. */
  texts(items: readonly Uint8Array[]): void {
    const bytes = items.reduce((sum, item) => sum + item.length, 0);
    const isEmpty = items.length === 0;
    // An empty array has no dimension.
    this.#int32s(isEmpty ? [12, 0, 0, TEXT_OID] : [20 + bytes, 1, 0, TEXT_OID, items.length, 1]);
    for (const item of items) this.field(item);
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** One dimension, no nulls, subscripts from 1. */
  #array(elementOid: number, length: number): void {
    this.#int32s([20 + 12 * length, 1, 0, elementOid, length, 1]);
  }

  #int32s(values: readonly number[]): void {
    for (const value of values) {
      this.#view.setInt32(this.#at, value);
      this.#at += 4;
    }
  }

  #setInt64(at: number, value: number): void {
    const high = Math.floor(value / TWO_32);
    this.#view.setInt32(at, high);
    this.#view.setUint32(at + 4, value - high * TWO_32);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
