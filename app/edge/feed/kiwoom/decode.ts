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

/** A FID that rows of this type had not carried before. Told once each. */
export interface KiwoomDrift {
  type: string;
  fid: string;
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

  constructor(limits: Partial<DecoderLimits> = {}) {
    this.#limits = { ...DECODER_LIMITS, ...limits };
    const { symbolsMax, recordsMax } = this.#limits;
    this.#scanner = new RealScanner(this.#row, recordsMax);
    this.#types = new SymbolTable(symbolsMax, (type) => ROW_TYPES.get(type));
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
      const reject = rejectOf(failure.code, failure.reason, at, frame, from, to);
      if (reject.code === "FIELD_MALFORMED") reject.code = malformedCode(reject.bytes);
      out.rejects.push(reject);
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
      if (failure) return failure;
    }
    const type = this.#types.get(row.bytes, row.typeFrom, row.typeTo);
    if (!type) return typeFailure(textOf(row.bytes, row.typeFrom, row.typeTo));
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
    for (const [fid] of unknown) {
      if (isNews(this.#told, `${type} ${fid}`)) out.drifts.push({ type, fid });
    }
    return JSON.stringify(Object.fromEntries(unknown));
  }
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
