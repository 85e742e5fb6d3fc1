// What a recorded KIS frame says of itself, read no further than sending it again needs: head and first
// field. `0|H0STCNT0|003|005930^…` is three trades that were registered as (H0STCNT0, 005930).
import type { RecordKind } from "../counts.ts";
import type { RecordedFrame, Registration } from "../market/event.ts";
import { kisLayout } from "./layout.ts";

/** Head and first field are far shorter. */
const HEAD_BYTES = 64;
const HEAD = /^0\|(?<tr>[A-Z0-9]{8})\|(?<count>\d{3})\|(?<key>[^^|]+)\^/;
const US_KEY = /^D(NAS|NYS|AMS)(.+)$/;
const KINDS: Readonly<Record<string, RecordKind>> = { CNT0: "trade", ASP0: "book", MKO0: "status" };
const PREFIXES: Readonly<Record<string, string>> = { ST: "", NX: "NXT:", UN: "UN:" };

/** A frame without a head that can be read is one record of garbage, for nobody in particular. */
export function readKisFrame(bytes: Uint8Array): Pick<RecordedFrame, "registrations" | "records"> {
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES)).toString("latin1");
  const { tr = "", count = "", key = "" } = HEAD.exec(head)?.groups ?? {};
  const kind = KINDS[tr.slice(4)];
  const symbol = kisLayout(tr) && symbolOf(tr, key);
  if (!kind || symbol === undefined) return { registrations: [], records: ["garbage"] };
  const registration: Registration = { type: tr, key, kind, symbol };
  return { registrations: [registration], records: Array<RecordKind>(Number(count)).fill(kind) };
}

/** 005930, NXT:005930, NAS:AAPL; a US key is D, exchange, code. */
function symbolOf(tr: string, key: string): string | undefined {
  if (!tr.startsWith("HDFS")) return PREFIXES[tr.slice(2, 4)]! + key;
  const [, venue, code] = US_KEY.exec(key) ?? [];
  return venue === undefined ? undefined : `${venue}:${code!}`;
}
