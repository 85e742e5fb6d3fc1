// Finds the rows of a REAL frame and their values without JSON.parse and without a string per field:
//   {"data":[{"values":{"20":"102755","10":"+1851000",…},"type":"0B","name":"주식체결","item":"000660"}],
//    "trnm":"REAL"}
// Keys may come in any order, blanks anywhere. The scanner accepts a strict subset of JSON (no
// escapes, only strings as values); whatever else it meets it declines, and the caller asks
// JSON.parse. So the two can never read one row differently.
import { spells } from "../bytes.ts";
import type { Row } from "./row.ts";
import { FID_MAX } from "./types.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const ZERO = 0x30;

/** What to do with a row found in `[from, to)`; `isRead` tells whether the scanner filled `row`. */
export type OnRow = (from: number, to: number, isRead: boolean) => void;

export class RealScanner {
  readonly #row: Row;
  readonly #rowsMax: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The string last read. */
  #from = 0;
  #to = 0;

  constructor(row: Row, rowsMax: number) {
    this.#row = row;
    this.#rowsMax = rowsMax;
  }

  /**
   * Walks a frame and calls `onRow` for each element of `data`. True when the frame is a REAL frame
   * as described above and of at most `rowsMax` rows; when false, what `onRow` was told is to be
   * thrown away.
   */
  scan(bytes: Uint8Array, onRow: OnRow): boolean {
    this.#bytes = bytes;
    this.#at = 0;
    let isReal = false;
    let hasData = false;
    if (!this.#take(OBJECT)) return false;
    do {
      if (!this.#string()) return false;
      const isData = this.#spells("data");
      const isName = this.#spells("trnm");
      if (!this.#take(COLON)) return false;
      if (isData) {
        if (hasData || !this.#rows(onRow)) return false;
        hasData = true;
      } else if (isName) {
        if (!this.#string() || !this.#spells("REAL")) return false;
        isReal = true;
      } else if (!this.#skipValue()) {
        return false;
      }
    } while (this.#take(COMMA));
    return this.#take(OBJECT_END) && this.#next() === undefined && isReal && hasData;
  }

  #rows(onRow: OnRow): boolean {
    if (!this.#take(ARRAY)) return false;
    if (this.#take(ARRAY_END)) return true;
    let rows = 0;
    do {
      if (++rows > this.#rowsMax) return false;
      this.#next();
      const from = this.#at;
      const isRead = this.#readRow();
      if (!isRead) {
        this.#at = from;
        if (!this.#skipValue() || this.#at === from) return false;
      }
      onRow(from, this.#at, isRead);
    } while (this.#take(COMMA));
    return this.#take(ARRAY_END);
  }

  #readRow(): boolean {
    const row = this.#row;
    row.open(this.#bytes);
    if (!this.#take(OBJECT)) return false;
    let hasValues = false;
    do {
      if (!this.#string()) return false;
      const from = this.#from;
      const to = this.#to;
      if (!this.#take(COLON)) return false;
      if (spells(this.#bytes, from, to, "values")) {
        if (hasValues || !this.#readValues()) return false;
        hasValues = true;
      } else {
        if (!this.#string() || !this.#keep(from, to)) return false;
      }
    } while (this.#take(COMMA));
    return hasValues && this.#take(OBJECT_END);
  }

  /** Puts the string just read where its key says. */
  #keep(keyFrom: number, keyTo: number): boolean {
    const row = this.#row;
    if (spells(this.#bytes, keyFrom, keyTo, "type")) {
      row.typeFrom = this.#from;
      row.typeTo = this.#to;
    } else if (spells(this.#bytes, keyFrom, keyTo, "item")) {
      row.itemFrom = this.#from;
      row.itemTo = this.#to;
    } else if (spells(this.#bytes, keyFrom, keyTo, "stexTp")) {
      row.venueFrom = this.#from;
      row.venueTo = this.#to;
    } else {
      return spells(this.#bytes, keyFrom, keyTo, "name");
    }
    return true;
  }

  #readValues(): boolean {
    if (!this.#take(OBJECT)) return false;
    if (this.#take(OBJECT_END)) return true;
    do {
      if (!this.#string()) return false;
      const fid = fidOf(this.#bytes, this.#from, this.#to);
      if (fid < 0 || !this.#take(COLON) || !this.#string()) return false;
      if (!this.#row.add(fid, this.#from, this.#to)) return false;
    } while (this.#take(COMMA));
    return this.#take(OBJECT_END);
  }

  /** The next byte that is no blank; the cursor stands on it. */
  #next(): number | undefined {
    const bytes = this.#bytes;
    let at = this.#at;
    while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) {
      at++;
    }
    this.#at = at;
    return bytes[at];
  }

  #take(byte: number): boolean {
    if (this.#next() !== byte) return false;
    this.#at++;
    return true;
  }

  /** Reads a string without escapes; declines others. */
  #string(): boolean {
    if (!this.#take(QUOTE)) return false;
    const bytes = this.#bytes;
    const from = this.#at;
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.#from = from;
        this.#to = at;
        this.#at = at + 1;
        return true;
      }
      if (byte === BACKSLASH || byte < 0x20) return false;
    }
    return false;
  }

  #spells(text: string): boolean {
    return spells(this.#bytes, this.#from, this.#to, text);
  }

  /** Passes over one value of any kind, only to find its end. */
  #skipValue(): boolean {
    const bytes = this.#bytes;
    let depth = 0;
    let isInString = false;
    for (let at = this.#at; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (isInString) {
        if (byte === BACKSLASH) at++;
        else if (byte === QUOTE) isInString = false;
      } else if (byte === QUOTE) {
        isInString = true;
      } else if (byte === OBJECT || byte === ARRAY) {
        depth++;
      } else if (depth > 0 && (byte === OBJECT_END || byte === ARRAY_END)) {
        depth--;
      } else if (depth === 0 && (byte === COMMA || byte === ARRAY_END || byte === OBJECT_END)) {
        this.#at = at;
        return true;
      }
    }
    return false;
  }
}

/** The FID a key spells; -1 when it is none, or is written with a leading zero. */
export function fidOf(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length === 0 || length > 5 || (length > 1 && bytes[from] === ZERO)) return -1;
  let fid = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    fid = fid * 10 + digit;
  }
  return fid <= FID_MAX ? fid : -1;
}
