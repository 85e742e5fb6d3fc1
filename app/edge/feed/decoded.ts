// What both decoders take and give besides ticks: the two clocks at the socket read, and the reject
// that carries unreadable bytes to quarantine.
import { isUtf8 } from "node:buffer";

import type { Reject, RejectCode } from "../../shared/tick.ts";

/** The clocks at the read of a frame. */
export interface ReadAt {
  /** Wall clock of the edge, epoch ms. */
  edgeRecvMs: number;
  /** Market clock, epoch ms: dates the stamps that come without a date. */
  marketMs: number;
}

/** What a decoder lets the network fill. */
export interface DecoderLimits {
  /** A longer frame is refused unread. */
  frameBytesMax: number;
  /** A frame of more records is refused. */
  recordsMax: number;
  /** Symbols remembered at a time. */
  symbolsMax: number;
  /** Surplus that may ride along with one record as `extra`. */
  extraBytesMax: number;
}

export const DECODER_LIMITS: DecoderLimits = {
  frameBytesMax: 1 << 20,
  recordsMax: 9_999,
  symbolsMax: 4_096,
  extraBytesMax: 4_096,
};

/** How much of a frame that is too large is kept. */
const HEAD_BYTES = 65_536;

/** Drifts remembered as told; a wire that invents more is told of no further ones. */
const TOLD_MAX = 1_024;

/** True the first time `key` is seen; the memory is bounded. */
export function isNews(told: Set<string>, key: string): boolean {
  if (told.has(key) || told.size >= TOLD_MAX) return false;
  told.add(key);
  return true;
}

/** A reject over `frame[start, end)`. The bytes are copied: the socket's buffer is reused. */
export function rejectOf(
  code: RejectCode,
  reason: string,
  at: ReadAt,
  frame: Uint8Array,
  start = 0,
  end = frame.length,
): Reject {
  const bytes = new Uint8Array(frame.subarray(start, end));
  return { kind: "reject", code, reason, bytes, edgeRecvMs: at.edgeRecvMs, capture: 0 };
}

/** The reject for a frame longer than the limit; keeps its first 64 KiB. */
export function tooLarge(frame: Uint8Array, bytesMax: number, at: ReadAt): Reject {
  const reason = `frame of ${frame.length} bytes, at most ${bytesMax} are read`;
  return rejectOf("FRAME_TOO_LARGE", reason, at, frame, 0, Math.min(frame.length, HEAD_BYTES));
}

/** Broken text is a fault of its own: it says that the line, not the layout, went wrong. */
export function malformedCode(bytes: Uint8Array): RejectCode {
  return isUtf8(bytes) ? "FIELD_MALFORMED" : "FRAME_NOT_UTF8";
}

/** A value as it may stand in a reject's reason: short, and quoted. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
