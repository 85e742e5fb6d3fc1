// Kiwoom frames to ticks: the first step of a tick's path behind the socket. A REAL frame holds rows
// of mixed types, each an object of FIDs; the scanner reads it from the bytes, JSON.parse what the
// scanner declines. No byte sequence makes it throw: every frame comes out as records, as a control
// message, or as rejects that carry the bytes they could not read.
import type { Reject, Tick } from "../../../shared/tick.ts";
import { spells, SymbolTable, textOf } from "../bytes.ts";
import { DECODER_LIMITS, isNews, malformedCode, quoted, rejectOf, tooLarge } from "../decoded.ts";
import type { DecoderLimits, ReadAt } from "../decoded.ts";
import { readControl } from "./control.ts";
import type { KiwoomControl } from "./control.ts";
import { domesticItem, marketItem, usItem } from "./item.ts";
import type { Item } from "./item.ts";
import { parseRow } from "./parsed.ts";
import type { Failure } from "./parsed.ts";
import { readRow } from "./records.ts";
import { Row } from "./row.ts";
import { RealScanner } from "./scan.ts";
import { FID, ROW_TYPES, UNCOLLECTED } from "./types.ts";
import type { RowType } from "./types.ts";

/** A FID that rows of this type had not carried before, or that is not as it was. Told once each. */
export interface KiwoomDrift {
  type: string;
  /** Empty where it is about the row as a whole. */
  fid: string;
  /** What became of a FID that is needed, or of the row; absent where type or FID are merely new. */
  is?: "missing" | "unreadable";
}

export interface KiwoomData {
  kind: "data";
  ticks: Tick[];
  rejects: Reject[];
  drifts: KiwoomDrift[];
}

export type KiwoomFrame = KiwoomData | KiwoomControl | { kind: "reject"; reject: Reject };

/** Decodes the frames of one socket, in their order. */
export class KiwoomDecoder {
  readonly #limits: DecoderLimits;
  readonly #row = new Row();
  readonly #scanner: RealScanner;
  readonly #types: SymbolTable<RowType>;
  readonly #items: SymbolTable<Item>;
  readonly #told = new Set<string>();

  constructor(
    limits: Partial<DecoderLimits> = {},
    rowTypes: ReadonlyMap<string, RowType> = ROW_TYPES,
  ) {
    this.#limits = { ...DECODER_LIMITS, ...limits };
    const { symbolsMax, recordsMax } = this.#limits;
    this.#scanner = new RealScanner(this.#row, recordsMax);
    this.#types = new SymbolTable(symbolsMax, (type) => rowTypes.get(type));
    this.#items = new SymbolTable(symbolsMax, domesticItem);
  }

  /** Reads one frame. Ticks leave with `capture` 0; the sequencer stamps them. */
  decode(frame: Uint8Array, at: ReadAt): KiwoomFrame {
    const { frameBytesMax } = this.#limits;
    if (frame.length > frameBytesMax) {
      return { kind: "reject", reject: tooLarge(frame, frameBytesMax, at) };
    }
    const out: KiwoomData = { kind: "data", ticks: [], rejects: [], drifts: [] };
    const isReal = this.#scanner.scan(frame, (from, to, isRead) => {
      const failure = this.#readRow(frame, from, to, isRead, at, out);
      if (!failure) return;
      const bytes = frameOf(frame.subarray(from, to));
      const isBroken = failure.code === "FIELD_MALFORMED";
      const code = isBroken ? malformedCode(bytes) : failure.code;
      out.rejects.push(rejectOf(code, failure.reason, at, bytes));
    });
    return isReal ? out : readControl(frame, at);
  }

  /** Appends what a row says to `out`, or returns why it says nothing. */
  #readRow(
    frame: Uint8Array,
    from: number,
    to: number,
    isRead: boolean,
    at: ReadAt,
    out: KiwoomData,
  ): Failure | undefined {
    const row = this.#row;
    if (!isRead) {
      const failure = parseRow(row, textOf(frame, from, to));
      if (failure) {
        this.#tell({ type: "row", fid: "", is: "unreadable" }, out);
        return failure;
      }
    }
    const type = this.#types.get(row.bytes, row.typeFrom, row.typeTo);
    if (!type) {
      const name = textOf(row.bytes, row.typeFrom, row.typeTo);
      if (!UNCOLLECTED.has(name)) this.#tell({ type: name, fid: "" }, out);
      return typeFailure(name);
    }
    const of = this.#itemOf(type, row);
    if (!of) return itemFailure(type.type, row);
    const extra = this.#extraOf(type, row, out);
    if (extra !== null && extra.length > this.#limits.extraBytesMax) {
      return { code: "RECORD_WIDTH", reason: `${type.type}: ${extra.length} bytes of new FIDs` };
    }
    const tick = readRow(type, row, of, extra, at);
    if (row.bad < 0) {
      out.ticks.push(tick);
      return undefined;
    }
    const { bad, isMissing } = row;
    const is = isMissing ? "missing" : "unreadable";
    this.#tell({ type: type.type, fid: String(bad), is }, out);
    if (isMissing) return { code: "FIELD_MISSING", reason: `${type.type}: FID ${bad} is missing` };
    const reason = `${type.type}: FID ${bad} is ${quoted(row.text(bad))}`;
    return { code: "FIELD_MALFORMED", reason };
  }

  #itemOf({ kind }: RowType, row: Row): Item | undefined {
    switch (kind) {
      case "clock":
        return marketItem(row.text(FID.marketPhase));
      case "us_trade":
      case "us_book": {
        const exchange = textOf(row.bytes, row.venueFrom, row.venueTo);
        return usItem(textOf(row.bytes, row.itemFrom, row.itemTo), exchange);
      }
      case "vi":
        // FID 9001 repeats the code; in some messages it is the only one.
        if (row.itemFrom === row.itemTo) return domesticItem(row.text(FID.code));
    }
    return this.#items.get(row.bytes, row.itemFrom, row.itemTo);
  }

  /** The values nobody knows, as a JSON object; null when there are none. */
  #extraOf({ type, known }: RowType, row: Row, out: KiwoomData): string | null {
    const unknown = [...row.strays];
    for (let i = 0; i < row.count; i++) {
      const fid = row.fids[i]!;
      if (known[fid] !== 1) unknown.push([String(fid), row.textAt(i)]);
    }
    if (unknown.length === 0) return null;
    for (const [fid] of unknown) this.#tell({ type, fid }, out);
    return JSON.stringify(Object.fromEntries(unknown));
  }

  #tell(drift: KiwoomDrift, out: KiwoomData): void {
    const { type, fid, is = "new" } = drift;
    if (isNews(this.#told, `${type} ${fid} ${is}`)) out.drifts.push(drift);
  }
}

/** A row cut out of a frame as one that can be decoded by itself: what quarantine keeps. */
function frameOf(row: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('{"trnm":"REAL","data":['), row, Buffer.from("]}")]);
}

function typeFailure(type: string): Failure {
  const why = UNCOLLECTED.has(type) ? "is not collected" : "is not known";
  return { code: "RECORD_TYPE_UNKNOWN", reason: `type ${quoted(type)} ${why}` };
}

function itemFailure(type: string, row: Row): Failure {
  const item = textOf(row.bytes, row.itemFrom, row.itemTo);
  const exchange = textOf(row.bytes, row.venueFrom, row.venueTo);
  const isUs = spells(row.bytes, row.typeFrom, row.typeFrom + 1, "F");
  if (item === "") return { code: "FIELD_MISSING", reason: `${type}: item is missing` };
  if (isUs && exchange === "")
    return { code: "FIELD_MISSING", reason: `${type}: stexTp is missing` };
  return { code: "FIELD_MALFORMED", reason: `${type}: item ${quoted(item)} ${quoted(exchange)}` };
}
