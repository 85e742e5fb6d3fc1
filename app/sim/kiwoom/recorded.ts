// What a recorded REAL frame of Kiwoom says of itself, read no further than sending it again needs: type
// and item of each row.
import { isObject } from "../broker.ts";
import type { RecordKind } from "../counts.ts";
import type { RecordedFrame, Registration } from "../market/event.ts";

const KINDS: Readonly<Record<string, RecordKind>> = {
  ...{ "0B": "trade", FE: "trade", "0D": "book", FT: "book" },
  ...{ "0s": "status", "1h": "status", "0A": "status", "0H": "status" },
};
/** Registered under the empty item; their rows may name a symbol. */
const WHOLE_MARKET = new Set(["0s", "1h"]);
const US_VENUES: Readonly<Record<string, string>> = { ND: "NAS", NY: "NYS", NA: "AMS" };
const VENUES: Readonly<Record<string, string>> = { _NX: "NXT:", _AL: "UN:" };

/** A frame that is no REAL message is one record of garbage, for nobody in particular. */
export function readKiwoomFrame(
  bytes: Uint8Array,
): Pick<RecordedFrame, "registrations" | "records"> {
  const rows = rowsOf(bytes);
  if (!rows) return { registrations: [], records: ["garbage"] };
  const read = rows.map(readRow);
  return {
    registrations: read.filter((row) => row !== undefined),
    records: read.map((row) => row?.kind ?? "garbage"),
  };
}

function rowsOf(bytes: Uint8Array): unknown[] | undefined {
  try {
    const message: unknown = JSON.parse(Buffer.from(bytes).toString());
    return isObject(message) && Array.isArray(message.data) ? message.data : undefined;
  } catch {
    return undefined;
  }
}

function readRow(row: unknown): Registration | undefined {
  if (!isObject(row) || typeof row.type !== "string" || typeof row.item !== "string") {
    return undefined;
  }
  const { type, item } = row;
  const kind = KINDS[type];
  if (!kind) return undefined;
  if (WHOLE_MARKET.has(type)) return { type, key: "", kind, symbol: "" };
  return { type, key: item, kind, symbol: symbolOf(item, row.stexTp) };
}

/** 005930, NXT:005930, NAS:AAPL. */
function symbolOf(item: string, exchange: unknown): string {
  if (typeof exchange === "string") return `${US_VENUES[exchange] ?? exchange}:${item}`;
  const venue = VENUES[item.slice(-3)];
  return venue === undefined ? item : venue + item.slice(0, -3);
}
