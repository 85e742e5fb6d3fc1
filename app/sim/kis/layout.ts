// KIS record layouts: the names of the fields in wire order (kis.md §4), and what a field says when the
// market has nothing to put there. Values are of our own making; nothing is copied from a recording.

export interface KisLayout {
  tr: string;
  /** Field names, wire order. */
  names: readonly string[];
  /** Widths this TR has had; the first is today's and equals `names.length`. */
  widths: readonly number[];
  /** Of fields the market does not fill; all others are empty. */
  defaults: Readonly<Record<string, string>>;
}

const TRADE_NAMES = words(`
  MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC
  STCK_OPRC STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU
  SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE
  PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR
  HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE
  NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT
  PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE
  VI_STND_PRC MARKET_CLS_CODE`);
const TRADE_DEFAULTS = {
  PRDY_VOL_VRSS_ACML_VOL_RATE: "100.00",
  NEW_MKOP_CLS_CODE: "20",
  TRHT_YN: "N",
  VOL_TNRT: "0.10",
  PRDY_SMNS_HOUR_ACML_VOL: "1000000",
  PRDY_SMNS_HOUR_ACML_VOL_RATE: "100.00",
  HOUR_CLS_CODE: "0",
  MARKET_CLS_CODE: "2",
};

const BOOK_NAMES = [
  ...words("MKSC_SHRN_ISCD BSOP_HOUR HOUR_CLS_CODE"),
  ...["ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN"].flatMap((name) => levels((n) => [`${name}${n}`])),
  ...words(`
    TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR ANTC_CNQN
    ANTC_VOL ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL TOTAL_ASKP_RSQN_ICDC
    TOTAL_BIDP_RSQN_ICDC OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC STCK_DEAL_CLS_CODE`),
];
const BOOK_DEFAULTS = {
  OVTM_TOTAL_ASKP_RSQN: "0",
  OVTM_TOTAL_BIDP_RSQN: "0",
  TOTAL_ASKP_RSQN_ICDC: "0",
  TOTAL_BIDP_RSQN_ICDC: "0",
  OVTM_TOTAL_ASKP_ICDC: "0",
  OVTM_TOTAL_BIDP_ICDC: "0",
  STCK_DEAL_CLS_CODE: "0",
  MIDP_TOTAL_RSQN: "0",
  MIDP_CLS_CODE: "0",
  MARKET_CLS_CODE: "2",
  KMID_TOTAL_RSQN: "0",
  KMID_CLS_CODE: "0",
  NMID_TOTAL_RSQN: "0",
  NMID_CLS_CODE: "0",
  ANTC_EXCH_CLS_CODE: "1",
};

const US_TRADE_NAMES = words(`
  RSYM SYMB ZDIV TYMD XYMD XHMS KYMD KHMS OPEN HIGH LOW LAST SIGN DIFF RATE PBID PASK VBID VASK EVOL
  TVOL TAMT BIVL ASVL STRN MTYP`);
const US_BOOK_NAMES = [
  ...words("RSYM SYMB ZDIV XYMD XHMS KYMD KHMS BVOL AVOL BDVL ADVL"),
  ...levels((n) => ["PBID", "PASK", "VBID", "VASK", "DBID", "DASK"].map((name) => `${name}${n}`)),
];
const US_DEFAULTS = {
  ...{ ZDIV: "4", MTYP: "1", BDVL: "0", ADVL: "0" },
  ...Object.fromEntries(levels((n) => [`DBID${n}`, `DASK${n}`]).map((name) => [name, "0"])),
};

const STATUS_NAMES = words(`
  MKSC_SHRN_ISCD TRHT_YN TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE MRKT_TRTM_CLS_CODE
  DIVI_APP_CLS_CODE ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE`);
const STATUS_DEFAULTS = {
  TRHT_YN: "N",
  TR_SUSP_REAS_CNTT: "(null)",
  ANTC_MKOP_CLS_CODE: "311",
  ISCD_STAT_CLS_CODE: "55",
  VI_CLS_CODE: "N",
  OVTM_VI_CLS_CODE: "N",
  EXCH_CLS_CODE: "2",
};

const LAYOUTS: readonly KisLayout[] = [
  ...["H0STCNT0", "H0NXCNT0", "H0UNCNT0"].map((tr) =>
    layout(tr, TRADE_NAMES, TRADE_DEFAULTS, [46]),
  ),
  layout(
    "H0STASP0",
    [...BOOK_NAMES, ...words("MID_PRC MIDP_TOTAL_RSQN MIDP_CLS_CODE MARKET_CLS_CODE")],
    BOOK_DEFAULTS,
    [62, 59],
  ),
  layout(
    "H0NXASP0",
    [...BOOK_NAMES, ...words("NMID_PRC NMID_TOTAL_RSQN NMID_CLS_CODE")],
    BOOK_DEFAULTS,
  ),
  layout(
    "H0UNASP0",
    [
      ...BOOK_NAMES,
      ...words("KMID_PRC KMID_TOTAL_RSQN KMID_CLS_CODE NMID_PRC NMID_TOTAL_RSQN NMID_CLS_CODE"),
      "ANTC_EXCH_CLS_CODE",
    ],
    BOOK_DEFAULTS,
  ),
  layout("HDFSCNT0", US_TRADE_NAMES, US_DEFAULTS),
  layout("HDFSASP0", US_BOOK_NAMES, US_DEFAULTS),
  layout("H0STMKO0", STATUS_NAMES, STATUS_DEFAULTS),
  layout("H0UNMKO0", STATUS_NAMES, STATUS_DEFAULTS),
  layout("H0NXMKO0", [...STATUS_NAMES, "EXCH_CLS_CODE"], STATUS_DEFAULTS),
];

const BY_TR = new Map(LAYOUTS.map((known) => [known.tr, known]));

/** The layout of a TR; undefined when the simulator does not play it. */
export function kisLayout(tr: string): KisLayout | undefined {
  return BY_TR.get(tr);
}

function layout(
  tr: string,
  names: readonly string[],
  defaults: Readonly<Record<string, string>>,
  olderWidths: readonly number[] = [],
): KisLayout {
  return { tr, names, widths: [names.length, ...olderWidths], defaults };
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function levels(namesOf: (level: number) => string[]): string[] {
  return Array.from({ length: 10 }, (_, i) => namesOf(i + 1)).flat();
}
