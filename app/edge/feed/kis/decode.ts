// KIS frames to ticks: the first step of a tick's path behind the socket. `0|H0STCNT0|003|A^B^…` is a
// header and 3 records in one row of fields. No byte sequence makes it throw: every frame comes out as
// records, as a control message, or as rejects that carry the bytes they could not read.
import type { Reject, Tick } from "../../../shared/tick.ts";
import { digits, SymbolTable, textOf } from "../bytes.ts";
import { DECODER_LIMITS, isNews, malformedCode, quoted, rejectOf, tooLarge } from "../decoded.ts";
import type { DecoderLimits, ReadAt } from "../decoded.ts";
import { readBook, readUsBook, usDepth } from "./book.ts";
import { readControl } from "./control.ts";
import type { KisControl } from "./control.ts";
import { FieldTable } from "./fields.ts";
import { instrumentOf } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";
import { BOOK, LAYOUTS, planRecords, US_BOOK } from "./layout.ts";
import type { Layout, Plan } from "./layout.ts";
import { readMarket } from "./market.ts";
import { readTrade, readUsTrade } from "./trade.ts";

/**
 * A TR or a record width KIS had not sent before, a header that contradicts its fields, or a field that
 * cannot be read any more. Told once each.
 */
export interface KisDrift {
  trId: string;
  /** Fields ÷ count as the header has it, rounded down; 0 without a count, or for an unknown TR. */
  width: number;
  /** The width that is understood of it; 0 for an unknown TR. */
  knownWidth: number;
  /** The field that cannot be read. */
  field?: string;
}

export interface KisData {
  kind: "data";
  trId: string;
  ticks: Tick[];
  rejects: Reject[];
  drifts: KisDrift[];
}

export type KisFrame = KisData | KisControl | KisReject;

interface KisReject {
  kind: "reject";
  reject: Reject;
  drifts?: KisDrift[];
}

interface Channel {
  layout: Layout;
  instruments: SymbolTable<Instrument>;
}

const PIPE = 0x7c;
const BRACE = 0x7b;
const ZERO = 0x30;
const ONE = 0x31;

/** Decodes the frames of one socket, in their order. */
export class KisDecoder {
  readonly #limits: DecoderLimits;
  readonly #fields = new FieldTable();
  readonly #channels: Map<string, Channel>;
  readonly #trIds: SymbolTable<Channel>;
  readonly #told = new Set<string>();

  constructor(limits: Partial<DecoderLimits> = {}, layouts: readonly Layout[] = LAYOUTS) {
    this.#limits = { ...DECODER_LIMITS, ...limits };
    this.#channels = new Map(layouts.map((layout) => [layout.trId, this.#channelOf(layout)]));
    this.#trIds = new SymbolTable(this.#limits.symbolsMax, (trId) => this.#channels.get(trId));
  }

  /** Reads one frame. Ticks leave with `capture` 0; the sequencer stamps them. */
  decode(frame: Uint8Array, at: ReadAt): KisFrame {
    const { frameBytesMax } = this.#limits;
    if (frame.length > frameBytesMax) {
      return { kind: "reject", reject: tooLarge(frame, frameBytesMax, at) };
    }
    if (frame[1] === PIPE && (frame[0] === ZERO || frame[0] === ONE)) return this.#data(frame, at);
    if (frame.length > 0 && frame[0]! <= BRACE && firstInk(frame) === BRACE) {
      return readControl(frame, at);
    }
    const head = quoted(textOf(frame, 0, Math.min(frame.length, 40)));
    return refuse("FRAME_GRAMMAR", `neither 0|TR|COUNT|… nor JSON: ${head}`, at, frame);
  }

  #data(frame: Uint8Array, at: ReadAt): KisFrame {
    const trEnd = frame.indexOf(PIPE, 2);
    const countEnd = trEnd < 0 ? -1 : frame.indexOf(PIPE, trEnd + 1);
    if (countEnd < 0) {
      return refuse("FRAME_GRAMMAR", "the header has no three bars", at, frame);
    }
    const trId = textOf(frame, 2, Math.min(trEnd, 34));
    if (frame[0] === ONE) {
      return refuse("FRAME_ENCRYPTED", `${trId} is encrypted, no quote is`, at, frame);
    }
    const channel = this.#trIds.get(frame, 2, trEnd);
    if (!channel) {
      const drifts = isNews(this.#told, trId) ? [{ trId, width: 0, knownWidth: 0 }] : [];
      const reason = `TR ${quoted(trId)} is not collected`;
      return { ...refuse("RECORD_TYPE_UNKNOWN", reason, at, frame), drifts };
    }
    const count = digits(frame, trEnd + 1, countEnd, countEnd - trEnd - 1);
    if (!(count <= this.#limits.recordsMax)) {
      return refuse("FRAME_GRAMMAR", `${trId}: COUNT is no possible number`, at, frame);
    }
    this.#fields.split(frame, countEnd + 1);
    const plan = planRecords(this.#fields, count, channel.layout);
    if (plan.records > this.#limits.recordsMax) {
      return refuse("FRAME_TOO_LARGE", `${trId}: ${plan.records} records`, at, frame);
    }
    return this.#records(channel, plan, count, at);
  }

  #records(channel: Channel, plan: Plan, count: number, at: ReadAt): KisData {
    const { layout } = channel;
    const fields = this.#fields;
    const out: KisData = { kind: "data", trId: layout.trId, ticks: [], rejects: [], drifts: [] };
    if (plan.isDrift || plan.records === 0) this.#tellDrift(plan, count, layout, out);
    for (let record = 0; record < plan.records; record++) {
      fields.open(record * plan.width);
      this.#record(channel, plan.width, at, out);
    }
    if (plan.leftover) {
      const from = plan.records * plan.width;
      const reason =
        `${layout.trId}: COUNT ${count} and ${fields.count} fields; ` +
        `${plan.records} records of ${plan.width} read, ${fields.count - from} fields left`;
      const rest = fields.bytes.subarray(fields.startOf(from));
      const bytes = plan.records === 0 ? fields.bytes : frameOf(layout.trId, 1, rest);
      out.rejects.push(rejectOf(plan.leftover, reason, at, bytes));
    }
    return out;
  }

  #record(channel: Channel, width: number, at: ReadAt, out: KisData): void {
    const { layout } = channel;
    const fields = this.#fields;
    const start = fields.startOf(fields.base);
    const end = fields.endOf(fields.base + width - 1);
    const surplusFrom = surplusOf(layout, width);
    if (surplusFrom < width) {
      const surplusBytes = end - fields.startOf(fields.base + surplusFrom);
      if (surplusBytes > this.#limits.extraBytesMax) {
        const reason = `${layout.trId}: ${surplusBytes} bytes beyond the known fields`;
        const bytes = frameOf(layout.trId, 1, fields.bytes.subarray(start, end));
        out.rejects.push(rejectOf("RECORD_WIDTH", reason, at, bytes));
        return;
      }
    }
    const instrument = channel.instruments.get(fields.bytes, start, fields.endOf(fields.base));
    if (!instrument) fields.reject(0);
    else this.#read(layout, instrument, width, at, out.ticks);
    if (fields.bad < 0) return;
    const name = layout.names[fields.bad] ?? `field ${fields.bad}`;
    const reason = `${layout.trId}: ${name} is ${quoted(fields.text(fields.bad))}`;
    const bytes = frameOf(layout.trId, 1, fields.bytes.subarray(start, end));
    out.rejects.push(rejectOf(malformedCode(bytes), reason, at, bytes));
    if (isNews(this.#told, `${layout.trId} ${name}`)) {
      out.drifts.push({
        trId: layout.trId,
        width,
        knownWidth: knownOf(layout, width),
        field: name,
      });
    }
  }

  #read(layout: Layout, of: Instrument, width: number, at: ReadAt, out: Tick[]): void {
    switch (layout.kind) {
      case "trade":
        return readTrade(this.#fields, of, width, at, out);
      case "book":
        return readBook(this.#fields, of, width, at, out);
      case "us_trade":
        return readUsTrade(this.#fields, of, width, at, out);
      case "us_book":
        return readUsBook(this.#fields, of, width, at, out);
      case "market":
        return readMarket(this.#fields, of, width, layout.names, at, out);
    }
  }

  #tellDrift(plan: Plan, count: number, layout: Layout, out: KisData): void {
    const { trId } = layout;
    const width = count > 0 ? Math.floor(this.#fields.count / count) : 0;
    if (!isNews(this.#told, `${trId} ${width}`)) return;
    out.drifts.push({ trId, width, knownWidth: knownOf(layout, plan.width) });
  }

  #channelOf(layout: Layout): Channel {
    const make = (code: string) => instrumentOf(code, layout);
    return { layout, instruments: new SymbolTable(this.#limits.symbolsMax, make) };
  }
}

/** The widest known layout within `width`. */
function knownOf({ widths, widthMin }: Layout, width: number): number {
  return widths.findLast((known) => known <= width) ?? widthMin;
}

/** Records cut out of a frame as one that can be decoded by itself: what quarantine keeps. */
function frameOf(trId: string, count: number, records: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`0|${trId}|${String(count).padStart(3, "0")}|`), records]);
}

/** Index of the first field that goes to `extra` in a record of `width`. */
function surplusOf(layout: Layout, width: number): number {
  switch (layout.kind) {
    case "book":
      return BOOK.tail;
    case "us_book":
      return US_BOOK.levels + usDepth(width) * US_BOOK.levelWidth;
    default:
      return layout.names.length;
  }
}

function refuse(code: Reject["code"], reason: string, at: ReadAt, frame: Uint8Array): KisReject {
  return { kind: "reject", reject: rejectOf(code, reason, at, frame) };
}

/** The first byte that is no blank. */
function firstInk(frame: Uint8Array): number | undefined {
  return frame.find((byte) => byte > 0x20);
}
