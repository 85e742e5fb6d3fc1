// The values of one REAL row by FID, as offsets into bytes: the scanner fills it straight from the
// frame, and JSON.parse fills it where the scanner was not sure, so both ways end in the same readers.
// The first value that cannot be read is remembered in `bad`, so that readers stay straight lines.
import { decimal, digits, textOf } from "../bytes.ts";
import { FID_MAX } from "./types.ts";

const PLUS = 0x2b;
const MINUS = 0x2d;
const SPACE = 0x20;
/** The fullest row known has 163. */
const VALUES_MAX = 512;

export class Row {
  bytes: Uint8Array = new Uint8Array(0);
  /** Spans of type, item and stexTp; empty when absent. */
  typeFrom = 0;
  typeTo = 0;
  itemFrom = 0;
  itemTo = 0;
  venueFrom = 0;
  venueTo = 0;
  /** Values by position: their FIDs and spans. */
  count = 0;
  readonly fids = new Int32Array(VALUES_MAX);
  readonly #from = new Int32Array(VALUES_MAX);
  readonly #to = new Int32Array(VALUES_MAX);
  /** First FID that could not be read; -1 while all is well. `isMissing` says how, when one is. */
  bad = -1;
  isMissing = false;
  // Where a FID stands in this row. A cell counts only when its mark is this row's, which spares
  // clearing the table between rows.
  readonly #position = new Uint16Array(FID_MAX + 1);
  readonly #mark = new Uint32Array(FID_MAX + 1);
  #generation = 0;
  /** Values whose key is no FID. The scanner declines such a row, so they come by JSON.parse only. */
  strays: (readonly [key: string, value: string])[] = [];

  /** Forgets the row before. */
  open(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.typeFrom = this.typeTo = this.itemFrom = this.itemTo = this.venueFrom = this.venueTo = 0;
    this.count = 0;
    this.strays.length = 0;
    this.bad = -1;
    this.#generation = (this.#generation + 1) >>> 0;
    if (this.#generation === 0) {
      this.#mark.fill(0);
      this.#generation = 1;
    }
  }

  /** Adds a value; false when the row is full or has the FID already. */
  add(fid: number, from: number, to: number): boolean {
    if (this.count >= VALUES_MAX || this.#mark[fid] === this.#generation) return false;
    this.#mark[fid] = this.#generation;
    this.#position[fid] = this.count;
    this.fids[this.count] = fid;
    this.#from[this.count] = from;
    this.#to[this.count] = to;
    this.count++;
    return true;
  }

  /** True when the FID is there and not empty. */
  has(fid: number): boolean {
    if (this.#mark[fid] !== this.#generation) return false;
    const position = this.#position[fid]!;
    return this.#to[position]! > this.#from[position]!;
  }
  /** A needed value without its sign, which in a price tells the direction since yesterday only. */
  magnitude(fid: number): number {
    if (!this.has(fid)) return this.#fail(fid, true);
    const position = this.#position[fid]!;
    const value = decimal(this.bytes, this.#from[position]!, this.#to[position]!);
    return Number.isNaN(value) ? this.#fail(fid, false) : Math.abs(value);
  }
  /** A needed count of shares, without its sign, which in a trade's size tells the side. */
  wholeMagnitude(fid: number): number {
    const value = this.magnitude(fid);
    return Number.isNaN(value) || Number.isSafeInteger(value) ? value : this.#fail(fid, false);
  }
  /** A needed count of shares or trades, not negative. */
  whole(fid: number): number {
    const value = this.wholeMagnitude(fid);
    return value > 0 && this.sign(fid) < 0 ? this.#fail(fid, false) : value;
  }
  /** As {@link magnitude}, `missing` when absent or empty. */
  magnitudeOr(fid: number, missing: number): number {
    return this.has(fid) ? this.magnitude(fid) : missing;
  }
  /** As {@link whole}, `missing` when absent or empty. */
  wholeOr(fid: number, missing: number): number {
    return this.has(fid) ? this.whole(fid) : missing;
  }
  /** 1 for a leading plus, -1 for a minus, 0 for neither. */
  sign(fid: number): 1 | -1 | 0 {
    if (!this.has(fid)) return 0;
    const position = this.#position[fid]!;
    let at = this.#from[position]!;
    while (this.bytes[at] === SPACE) at++;
    if (this.bytes[at] === PLUS) return 1;
    return this.bytes[at] === MINUS ? -1 : 0;
  }
  /** Exactly `length` digits: HHMMSS, YYYYMMDD. NaN when absent or anything else; marks nothing. */
  digits(fid: number, length: number): number {
    if (!this.has(fid)) return Number.NaN;
    const position = this.#position[fid]!;
    return digits(this.bytes, this.#from[position]!, this.#to[position]!, length);
  }
  /** First byte of a code; 0 when absent or empty. */
  firstByte(fid: number): number {
    return this.has(fid) ? this.bytes[this.#from[this.#position[fid]!]!]! : 0;
  }
  /** The value as text, empty when absent. */
  text(fid: number): string {
    return this.has(fid) ? this.textAt(this.#position[fid]!) : "";
  }
  /** The value at a position as text. */
  textAt(position: number): string {
    return textOf(this.bytes, this.#from[position]!, this.#to[position]!);
  }

  /** Marks `fid` as unreadable unless an earlier one is marked. */
  reject(fid: number): void {
    this.#fail(fid, !this.has(fid));
  }
  #fail(fid: number, isMissing: boolean): number {
    if (this.bad < 0) {
      this.bad = fid;
      this.isMissing = isMissing;
    }
    return Number.NaN;
  }
}
