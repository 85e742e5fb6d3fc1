// What is remembered of one symbol on one KIS TR between records: its name, and the few last values
// that give the next record its meaning. Forgetting it costs one unknown side or a repeated status.
import type { Venue } from "../../../shared/tick.ts";
import type { Layout } from "./layout.ts";

export interface Instrument {
  symbol: string;
  venue: Venue;
  isHalted: boolean;
  /** Last VI_CLS_CODE; empty before the first. */
  vi: string;
  /** Cumulative volume that hit the bid, and that lifted the ask (US); -1 before the first. */
  sold: number;
  bought: number;
}

/** KIS names US exchanges twice: the night keys and the daytime session's. */
const US_VENUES: Readonly<Record<string, Venue>> = {
  NAS: "NAS",
  NYS: "NYS",
  AMS: "AMS",
  BAQ: "NAS",
  BAY: "NYS",
  BAA: "AMS",
};

/** The instrument a record's first field names; undefined when it names none. */
export function instrumentOf(code: string, layout: Layout): Instrument | undefined {
  if (layout.venue !== "") {
    return /^[0-9A-Z]{6,9}$/.test(code) ? instrument(code, layout.venue) : undefined;
  }
  const match = /^[DR]([A-Z]{3})([\x21-\x7e]+)$/.exec(code);
  const venue = match && US_VENUES[match[1]!];
  return venue ? instrument(match[2]!, venue) : undefined;
}

function instrument(symbol: string, venue: Venue): Instrument {
  return { symbol, venue, isHalted: false, vi: "", sold: -1, bought: -1 };
}
