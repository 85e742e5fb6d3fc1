// What KIS sends under each TR id: field order, the widths seen so far, and how many records a
// payload holds. The wire changes without notice (46 -> 47 fields on 2026-09-14, 59 -> 62 -> 63), so
// a width is learned from the frame, and only the positions up to `widthMin` are relied upon.
// Field order: koreainvestment/open-trading-api samples (2026-07) and captures of 2022-2026.
import type { RejectCode, Venue } from "../../../shared/tick.ts";
import type { FieldTable } from "./fields.ts";

export type RecordKind = "trade" | "book" | "us_trade" | "us_book" | "market";

export interface Layout {
  trId: string;
  kind: RecordKind;
  /** Empty for overseas TRs, whose symbol names the exchange. */
  venue: Venue;
  names: readonly string[];
  widthMin: number;
  /** Widths that are understood to the last field, ascending. */
  widths: readonly number[];
}

/** Positions in H0STCNT0, H0NXCNT0, H0UNCNT0. */
export const TRADE = {
  code: 0,
  time: 1,
  price: 2,
  ask: 10,
  bid: 11,
  size: 12,
  volume: 13,
  sellCount: 15,
  buyCount: 16,
  side: 21,
  day: 33,
  marketPhase: 34,
  halted: 35,
  hourClass: 43,
  session: 46,
} as const;

/** Positions in H0STASP0, H0NXASP0, H0UNASP0. */
export const BOOK = {
  code: 0,
  time: 1,
  hourClass: 2,
  levels: 3,
  askTotal: 43,
  bidTotal: 44,
  expectedPrice: 47,
  expectedSize: 48,
  volume: 53,
  tail: 59,
} as const;

/** Positions in HDFSCNT0. */
export const US_TRADE = {
  code: 0,
  tradingDay: 3,
  localDay: 4,
  localTime: 5,
  price: 11,
  bid: 15,
  ask: 16,
  size: 19,
  volume: 20,
  sold: 22,
  bought: 23,
} as const;

/** Positions in HDFSASP0; a level is bid, ask, bid size, ask size and the two changes. */
export const US_BOOK = {
  code: 0,
  localDay: 3,
  localTime: 4,
  bidTotal: 7,
  askTotal: 8,
  levels: 11,
  levelWidth: 6,
} as const;

/** Positions in H0STMKO0, H0NXMKO0, H0UNMKO0 (which has the symbol first, whatever its page says). */
export const MARKET = { code: 0, halted: 1, phase: 3, state: 7, vi: 8 } as const;

const words = (text: string): string[] => text.trim().split(/\s+/);
const upTo = (depth: number, name: string): string[] =>
  Array.from({ length: depth }, (_, i) => `${name}${i + 1}`);

const TRADE_NAMES = words(`
  MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC
  STCK_OPRC STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU
  SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE
  PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR
  HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE
  NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT
  PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE
  VI_STND_PRC MARKET_CLS_CODE`);
const BOOK_NAMES = [
  ...words("MKSC_SHRN_ISCD BSOP_HOUR HOUR_CLS_CODE"),
  ...upTo(10, "ASKP"),
  ...upTo(10, "BIDP"),
  ...upTo(10, "ASKP_RSQN"),
  ...upTo(10, "BIDP_RSQN"),
  ...words(`
    TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR ANTC_CNQN
    ANTC_VOL ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL TOTAL_ASKP_RSQN_ICDC
    TOTAL_BIDP_RSQN_ICDC OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC STCK_DEAL_CLS_CODE`),
];
const US_TRADE_NAMES = words(`
  RSYM SYMB ZDIV TYMD XYMD XHMS KYMD KHMS OPEN HIGH LOW LAST SIGN DIFF RATE PBID PASK VBID VASK EVOL
  TVOL TAMT BIVL ASVL STRN MTYP`);
const US_BOOK_NAMES = [
  ...words("RSYM SYMB ZDIV XYMD XHMS KYMD KHMS BVOL AVOL BDVL ADVL"),
  ...Array.from({ length: 10 }, (_, i) =>
    ["PBID", "PASK", "VBID", "VASK", "DBID", "DASK"].map((name) => `${name}${i + 1}`),
  ).flat(),
];
const MARKET_NAMES = words(`
  MKSC_SHRN_ISCD TRHT_YN TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE MRKT_TRTM_CLS_CODE
  DIVI_APP_CLS_CODE ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE EXCH_CLS_CODE`);

function layout(
  trId: string,
  kind: RecordKind,
  venue: Venue,
  names: readonly string[],
  widths: readonly number[],
): Layout {
  return { trId, kind, venue, names, widths, widthMin: widths[0]! };
}

/** Every TR that is collected. */
export const LAYOUTS: readonly Layout[] = [
  layout("H0STCNT0", "trade", "KRX", TRADE_NAMES, [46, 47]),
  layout("H0NXCNT0", "trade", "NXT", TRADE_NAMES, [46, 47]),
  layout("H0UNCNT0", "trade", "UN", TRADE_NAMES, [46, 47]),
  layout("H0STASP0", "book", "KRX", BOOK_NAMES, [59, 62, 63]),
  layout("H0NXASP0", "book", "NXT", BOOK_NAMES, [59, 62, 65]),
  layout("H0UNASP0", "book", "UN", BOOK_NAMES, [59, 65, 66]),
  layout("HDFSCNT0", "us_trade", "", US_TRADE_NAMES, [26]),
  layout("HDFSASP0", "us_book", "", US_BOOK_NAMES, [17, 71]),
  layout("H0STMKO0", "market", "KRX", MARKET_NAMES, [10, 11]),
  layout("H0NXMKO0", "market", "NXT", MARKET_NAMES, [10, 11]),
  layout("H0UNMKO0", "market", "UN", MARKET_NAMES, [10, 11]),
];

/** How a payload is cut into records. */
export interface Plan {
  width: number;
  records: number;
  /** The header and the fields disagree, or the width is new. */
  isDrift: boolean;
  /** What to call the fields after the last whole record; null when there are none. */
  leftover: RejectCode | null;
}

/**
 * Cuts a payload into records. The declared count is believed when it gives a known width and every
 * record begins like one; else a known width that fits, else the new width it implies, else the
 * whole records in front of a cut.
 */
export function planRecords(fields: FieldTable, declared: number, of: Layout): Plan {
  const total = fields.count;
  const width = declared > 0 ? total / declared : 0;
  // Twice the widest known is no longer a grown record but several with a wrong count.
  const isPossible =
    Number.isInteger(width) && width >= of.widthMin && width < 2 * of.widths.at(-1)!;
  const isKnown = of.widths.includes(width);
  if (isKnown && startRight(fields, width, of)) {
    return { width, records: declared, isDrift: false, leftover: null };
  }
  const fitting = of.widths.find((w) => total % w === 0 && startRight(fields, w, of));
  if (fitting) {
    return { width: fitting, records: total / fitting, isDrift: true, leftover: null };
  }
  if (isPossible && startRight(fields, width, of)) {
    return { width, records: declared, isDrift: true, leftover: null };
  }
  for (const known of of.widths) {
    const records = Math.min(Math.floor(total / known), Math.max(declared, 1));
    const isCut = records < declared;
    if (records === 0 || !startRight(fields, known, of, isCut ? total : records * known)) continue;
    return {
      width: known,
      records,
      isDrift: false,
      leftover: isCut ? "FRAME_TRUNCATED" : "RECORD_COUNT",
    };
  }
  // A damaged symbol in one record must not cost the others: each is checked by itself when read.
  if (isPossible) return { width, records: declared, isDrift: !isKnown, leftover: null };
  return {
    width: of.widthMin,
    records: 0,
    isDrift: false,
    leftover: nameOfRuin(fields, width, of),
  };
}

/** No record can be read: was the frame cut, or is the record narrower than any known? */
function nameOfRuin(fields: FieldTable, width: number, of: Layout): RejectCode {
  if (!Number.isInteger(width) || width === 0) return "FRAME_TRUNCATED";
  const isSingle = width === fields.count;
  const startsRight = startRight(fields, width, of);
  return isSingle === startsRight ? "FRAME_TRUNCATED" : "RECORD_WIDTH";
}

/** True when the field at every multiple of `width` below `total` looks like the first of a record. */
function startRight(fields: FieldTable, width: number, of: Layout, total = fields.count): boolean {
  for (let index = 0; index + 2 < total; index += width) {
    if (!startsRecord(fields, index, of.kind)) return false;
  }
  return true;
}

function startsRecord(fields: FieldTable, index: number, kind: RecordKind): boolean {
  const length = fields.endOf(index) - fields.startOf(index);
  const next = fields.endOf(index + 1) - fields.startOf(index + 1);
  switch (kind) {
    case "trade":
    case "book":
      return length >= 6 && length <= 9 && next === 6;
    case "market":
      return length >= 6 && length <= 9 && next <= 1;
    case "us_trade":
    case "us_book":
      // RSYM is D or R, three letters of exchange, and the symbol that follows in SYMB.
      return length > 4 && length === next + 4;
  }
}
