// The alphabet of a batch's payload: bytes, varints, doubles, strings. The reader never reads past its
// end and never trusts a length; every surprise is BATCH_CORRUPT.
import { Buffer } from "node:buffer";
import { TickhubError } from "../errors.ts";

/** Longest varint: zigzag of 2^52 needs 54 bits. */
const VARINT_BYTES_MAX = 8;

export class ByteWriter {
  #buffer: Buffer;
  #view: DataView;
  #length = 0;

  constructor(bytesExpected: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(bytesExpected, 64));
    this.#view = viewOf(this.#buffer);
  }

  /** What was written; valid until the next write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  doubles(values: Float64Array): void {
    for (const value of values) this.double(value);
  }

  /** LEB128 of an integer in 0..2^53. */
  varint(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    this.#length = putVarint(this.#buffer, this.#length, value);
  }

  /** Integers in ±2^52, as zigzag varints. */
  zigzags(values: Float64Array): void {
    this.#reserve(VARINT_BYTES_MAX * values.length);
    const buffer = this.#buffer;
    let at = this.#length;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const small = value | 0;
      if (small === value && small < 0x4000_0000 && small >= -0x4000_0000) {
        let rest = (small << 1) ^ (small >> 31);
        while (rest > 127) {
          buffer[at++] = (rest & 127) | 128;
          rest >>>= 7;
        }
        buffer[at++] = rest;
      } else {
        at = putVarint(buffer, at, value < 0 ? -2 * value - 1 : 2 * value);
      }
    }
    this.#length = at;
  }

  blob(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.varint(bytes.length);
    this.blob(bytes);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    grown.set(this.bytes());
    this.#buffer = grown;
    this.#view = viewOf(grown);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  double(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  doubles(count: number): Float64Array {
    this.#need(8 * count);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = this.double();
    return values;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > 2 ** 53) break;
        return value;
      }
      scale *= 128;
    }
    throw corrupt("varint out of range");
  }

  /** A varint that counts things of which each takes at least `bytesEach` of what is left. */
  count(bytesEach: number): number {
    const count = this.varint();
    if (count * bytesEach > this.left) throw corrupt("count exceeds the payload");
    return count;
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  zigzags(count: number): Float64Array {
    this.#need(count);
    const bytes = this.#bytes;
    const values = new Float64Array(count);
    let at = this.#at;
    for (let i = 0; i < count; i++) {
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      if (first < 128) {
        values[i] = (first >>> 1) ^ -(first & 1);
        at += 1;
      } else if (second < 128) {
        const value = (first & 127) | (second << 7);
        values[i] = (value >>> 1) ^ -(value & 1);
        at += 2;
      } else {
        this.#at = at;
        values[i] = this.zigzag();
        at = this.#at;
      }
    }
    this.#at = at;
    return values;
  }

  /** A view, not a copy. */
  blob(length: number): Uint8Array {
    this.#need(length);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  text(): string {
    const { buffer, byteOffset, length } = this.blob(this.count(1));
    return Buffer.from(buffer, byteOffset, length).toString("utf8");
  }

  end(): void {
    if (this.left !== 0) throw corrupt("bytes after the payload");
  }

  #need(bytes: number): void {
    if (bytes > this.left) throw corrupt("payload ends early");
  }
}

export function corrupt(what: string): TickhubError {
  return new TickhubError("BATCH_CORRUPT", { what });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function putVarint(buffer: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 127) {
    buffer[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  buffer[at++] = rest;
  return at;
}
