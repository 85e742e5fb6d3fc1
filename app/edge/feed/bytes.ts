// Reads numbers, times and symbols straight from a frame's bytes, so that a tick costs no string per
// field. First step after the socket, used by both brokers' decoders. Nothing here throws: what
// cannot be read is NaN, and the caller says which field it was.

const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const MANTISSA_MAX = Number.MAX_SAFE_INTEGER;
const POWERS = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/**
 * The decimal number in `bytes[start, end)`: an optional sign, digits, an optional fraction, blanks
 * around it (`-100`, `+0.11`, ` 67300`, `-0`). NaN for anything else, also for nothing at all and for
 * more digits than a double holds. Equal to `Number(text)` to the last bit.
 */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let last = end;
  while (at < last && bytes[at] === SPACE) at++;
  while (last > at && bytes[last - 1] === SPACE) last--;
  const sign = bytes[at];
  if (at < last && (sign === PLUS || sign === MINUS)) at++;
  let mantissa = 0;
  let decimals = -1;
  const digitsFrom = at;
  for (; at < last; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      if (decimals >= 0) decimals++;
    } else if (bytes[at] === POINT && decimals < 0 && at > digitsFrom) {
      decimals = 0;
    } else {
      return Number.NaN;
    }
  }
  if (at === digitsFrom || decimals === 0 || decimals > 22 || mantissa > MANTISSA_MAX) {
    return Number.NaN;
  }
  // Both operands are exact, so the one rounding is the right one.
  const value = decimals > 0 ? mantissa / POWERS[decimals]! : mantissa;
  return sign === MINUS ? 0 - value : value;
}

/** The number written with exactly `length` digits (HHMMSS: 6, YYYYMMDD: 8); NaN otherwise. */
export function digits(bytes: Uint8Array, start: number, end: number, length: number): number {
  if (end - start !== length) return Number.NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** True when the bytes spell `text`, which is ASCII. */
export function spells(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The bytes as text. Broken UTF-8 and NUL, which no database text holds, become U+FFFD. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return utf8.decode(bytes.subarray(start, end)).replaceAll("\0", "\ufffd");
}

interface Entry<T> {
  key: Uint8Array;
  value: T | undefined;
  next: Entry<T> | undefined;
}

/**
 * Remembers what `make` said about a symbol's bytes, so that a symbol becomes a string once and not
 * once a tick. Holds at most `symbolsMax`; beyond, it forgets all and starts anew.
 */
export class SymbolTable<T> {
  readonly #make: (text: string) => T | undefined;
  readonly #symbolsMax: number;
  readonly #buckets = new Map<number, Entry<T>>();
  #size = 0;

  constructor(symbolsMax: number, make: (text: string) => T | undefined) {
    this.#symbolsMax = symbolsMax;
    this.#make = make;
  }

  /** What `make` returned for the bytes in `[start, end)`; undefined when they are no symbol. */
  get(bytes: Uint8Array, start: number, end: number): T | undefined {
    if (end - start > 32) return undefined;
    let hash = 0;
    for (let at = start; at < end; at++) hash = (hash * 31 + bytes[at]!) | 0;
    for (let entry = this.#buckets.get(hash); entry; entry = entry.next) {
      if (sameBytes(entry.key, bytes, start, end)) return entry.value;
    }
    if (this.#size >= this.#symbolsMax) this.#forget();
    const key = new Uint8Array(bytes.subarray(start, end));
    const value = this.#make(textOf(key, 0, key.length));
    this.#buckets.set(hash, { key, value, next: this.#buckets.get(hash) });
    this.#size++;
    return value;
  }

  #forget(): void {
    this.#buckets.clear();
    this.#size = 0;
  }
}

function sameBytes(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== bytes[start + i]) return false;
  }
  return true;
}
