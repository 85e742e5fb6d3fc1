// The slow way into a Row: a row the scanner declined (escapes, numbers without quotes, keys that are
// no FID) goes through JSON.parse and its values are laid out as bytes, so that one set of readers
// serves both ways.
import type { RejectCode } from "../../../shared/tick.ts";
import type { Row } from "./row.ts";
import { fidOf } from "./scan.ts";

const utf8 = new TextEncoder();

/** Why a row says nothing. */
export interface Failure {
  code: RejectCode;
  reason: string;
}

/** Fills `row` from JSON text. Returns why it cannot, or nothing when it did. */
export function parseRow(row: Row, text: string): Failure | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text) as unknown;
  } catch {
    return { code: "FRAME_NOT_JSON", reason: "the row is no JSON" };
  }
  if (!isObject(parsed)) return malformed("the row is no object");
  const { values } = parsed;
  if (!isObject(values)) return malformed("values is no object of FIDs");
  const heads = ["type", "item", "stexTp"].map((name) => scalarText(parsed[name]) ?? "");
  const texts = Object.values(values).map(scalarText);
  if (!texts.every((text) => text !== undefined)) {
    return malformed("a value is neither text nor number");
  }
  return layOut(row, heads, Object.keys(values), texts);
}

function layOut(
  row: Row,
  heads: readonly string[],
  keys: readonly string[],
  texts: readonly string[],
): Failure | undefined {
  const parts = [...heads, ...texts].map((text) => utf8.encode(text));
  row.open(Buffer.concat(parts));
  row.typeTo = row.itemFrom = parts[0]!.length;
  row.itemTo = row.venueFrom = row.itemFrom + parts[1]!.length;
  row.venueTo = row.venueFrom + parts[2]!.length;
  let from = row.venueTo;
  for (const [i, key] of keys.entries()) {
    const name = utf8.encode(key);
    const fid = fidOf(name, 0, name.length);
    const to = from + parts[heads.length + i]!.length;
    if (fid < 0) row.strays.push([key, texts[i]!]);
    else if (!row.add(fid, from, to)) {
      return { code: "RECORD_WIDTH", reason: "more values than any row has" };
    }
    from = to;
  }
  return undefined;
}

function malformed(reason: string): Failure {
  return { code: "FIELD_MALFORMED", reason };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text as it is, a number as it prints, nothing for null; undefined for what is no single value. */
function scalarText(value: unknown): string | undefined {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" ? value : undefined;
}
