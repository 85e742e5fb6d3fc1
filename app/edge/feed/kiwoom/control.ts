// Kiwoom's messages that are no market data: answers to LOGIN, REG and REMOVE, heartbeats, notices.
// They are no records and travel no further than the session.
import type { Reject } from "../../../shared/tick.ts";
import { textOf } from "../bytes.ts";
import { malformedCode, quoted, rejectOf } from "../decoded.ts";
import type { ReadAt } from "../decoded.ts";

/** An answer. `returnCode` 0 is success; the token's own error (8005) may stand in `message` only. */
export interface KiwoomAnswer {
  kind: "login" | "reg" | "remove";
  returnCode: number;
  message: string;
}

/** R10001: the same key logged in elsewhere; R10002: heartbeat missed; R10004: no LOGIN came. */
export interface KiwoomSystem {
  kind: "system";
  code: string;
  message: string;
}

export type KiwoomControl = KiwoomAnswer | KiwoomSystem | { kind: "ping" };

const ANSWERS = new Map<string, KiwoomAnswer["kind"]>([
  ["LOGIN", "login"],
  ["REG", "reg"],
  ["REMOVE", "remove"],
]);

/** Reads `{"trnm":"LOGIN","return_code":0,…}`, `{"trnm":"PING"}`, `{"trnm":"SYSTEM",…}`. */
export function readControl(
  frame: Uint8Array,
  at: ReadAt,
): KiwoomControl | { kind: "reject"; reject: Reject } {
  const refuse = (code: Reject["code"], reason: string) =>
    ({ kind: "reject", reject: rejectOf(code, reason, at, frame) }) as const;
  const message = parse(textOf(frame, 0, frame.length));
  if (message === undefined) {
    const isBrokenText = malformedCode(frame) === "FRAME_NOT_UTF8";
    return refuse(isBrokenText ? "FRAME_NOT_UTF8" : "FRAME_NOT_JSON", "the frame is no JSON");
  }
  const { trnm } = message;
  if (typeof trnm !== "string") return refuse("FRAME_GRAMMAR", "a message without trnm");
  if (trnm === "PING") return { kind: "ping" };
  if (trnm === "SYSTEM") {
    return { kind: "system", code: text(message["code"]), message: text(message["message"]) };
  }
  if (trnm === "REAL") return refuse("FRAME_GRAMMAR", "a REAL message of no known form");
  const kind = ANSWERS.get(trnm);
  if (!kind) return refuse("RECORD_TYPE_UNKNOWN", `trnm ${quoted(trnm)} is not known`);
  const code = text(message["return_code"]).trim();
  const returnCode = code === "" ? Number.NaN : Number(code);
  if (Number.isNaN(returnCode)) {
    return refuse("FRAME_GRAMMAR", `${trnm} without return_code is a client's request, no answer`);
  }
  return { kind, returnCode, message: text(message["return_msg"]) };
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    const message = JSON.parse(json) as unknown;
    return typeof message === "object" && message !== null
      ? (message as Record<string, unknown>)
      : {};
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  if (typeof value === "number") return String(value);
  return typeof value === "string" ? value : "";
}
