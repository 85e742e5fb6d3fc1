// KIS's JSON messages: heartbeats and the answers to registrations. They are no records and travel no
// further than the session. The keys an answer carries (output.key, output.iv, the approval key in
// its text) are dropped here, before anything can log them.
import type { Reject } from "../../../shared/tick.ts";
import { textOf } from "../bytes.ts";
import { malformedCode, rejectOf } from "../decoded.ts";
import type { ReadAt } from "../decoded.ts";

export interface KisPingpong {
  kind: "pingpong";
  /** YYYYMMDDHHMMSS, KST. */
  datetime: string;
}

/** An answer to a registration, correlated by (trId, trKey); both are empty in OPSP8996. */
export interface KisAck {
  kind: "ack";
  trId: string;
  trKey: string;
  /** 0 done, 1 refused, 9 fatal. */
  rtCd: string;
  msgCd: string;
  msg: string;
}

export type KisControl = KisPingpong | KisAck;

type Json = Record<string, unknown>;
const APPROVAL_KEY = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

/** Reads `{"header":{"tr_id":"PINGPONG",…}}` and `{"header":{…},"body":{"rt_cd":"0",…}}`. */
export function readControl(
  frame: Uint8Array,
  at: ReadAt,
): KisControl | { kind: "reject"; reject: Reject } {
  const message = parse(textOf(frame, 0, frame.length));
  if (message === undefined) {
    const code = malformedCode(frame) === "FRAME_NOT_UTF8" ? "FRAME_NOT_UTF8" : "FRAME_NOT_JSON";
    return { kind: "reject", reject: rejectOf(code, "starts like JSON and is none", at, frame) };
  }
  const header = objectIn(message, "header");
  if (textIn(header, "tr_id") === "PINGPONG") {
    return { kind: "pingpong", datetime: textIn(header, "datetime") };
  }
  const body = objectIn(message, "body");
  if (textIn(body, "rt_cd") === "") {
    const reason = "a JSON message with neither PINGPONG nor rt_cd";
    return { kind: "reject", reject: rejectOf("FRAME_GRAMMAR", reason, at, frame) };
  }
  return {
    kind: "ack",
    trId: textIn(header, "tr_id"),
    trKey: textIn(header, "tr_key"),
    rtCd: textIn(body, "rt_cd"),
    msgCd: textIn(body, "msg_cd"),
    msg: textIn(body, "msg1").replace(APPROVAL_KEY, "***"),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function objectIn(from: unknown, name: string): Json {
  const value = isObject(from) ? from[name] : undefined;
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}

/** A field as text; KIS writes `(null)` for what it does not know. */
function textIn(from: Json, name: string): string {
  const value = from[name];
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "(null)" ? value : "";
}
