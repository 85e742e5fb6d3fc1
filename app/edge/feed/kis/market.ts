// KIS market status records to statuses: VI on and off, trading halts, session changes, per symbol.
//   003160^N^(null)^AB1^311^^^55^Y^      code, halted, reason, phase, …, ISCD_STAT 55, VI_CLS_CODE Y
// The record has no time at all: the market clock gives it.
import { kstDay } from "../../../shared/market-time.ts";
import type { Status, Tick } from "../../../shared/tick.ts";
import type { ReadAt } from "../decoded.ts";
import type { FieldTable } from "./fields.ts";
import type { Instrument } from "./instrument.ts";
import { MARKET } from "./layout.ts";

/** ISCD_STAT_CLS_CODE of a halted issue; every other value is a classification. */
const STATE_HALTED = "58";

/** Appends the status the open record announces. */
export function readMarket(
  fields: FieldTable,
  of: Instrument,
  width: number,
  names: readonly string[],
  at: ReadAt,
  out: Tick[],
): void {
  const known = names.slice(0, Math.min(width, names.length));
  const vi = fields.text(MARKET.vi);
  const hasViNews = vi === "Y" || (of.vi !== "" && vi !== of.vi);
  of.vi = vi;
  out.push({
    kind: "status",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs: Math.floor(at.marketMs / 1_000) * 1_000,
    day: kstDay(at.marketMs),
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra: fields.surplus(names.length, width),
    what: hasViNews ? "vi" : otherNews(fields),
    code: fields.text(MARKET.phase),
    detail: JSON.stringify(
      Object.fromEntries(known.map((name, field) => [name, fields.text(field)])),
    ),
  });
}

function otherNews(fields: FieldTable): Status["what"] {
  const isHalted = fields.text(MARKET.halted) === "Y" || fields.text(MARKET.state) === STATE_HALTED;
  return isHalted ? "halt" : "market";
}
