// What KIS says about a market event: which TRs and keys carry it, and their fields (kis.md §4).
import type { RecordKind } from "../counts.ts";
import type {
  Instrument,
  MarketBook,
  MarketEvent,
  MarketStatus,
  MarketTrade,
} from "../market/event.ts";
import { kst, newYork } from "../time.ts";
import { kisLayout } from "./layout.ts";
import type { KisFields } from "./template.ts";
import { renderRecord } from "./template.ts";

/** One registration an event is for, and its record, rendered when someone wants it. */
export interface KisTarget {
  tr: string;
  key: string;
  kind: RecordKind;
  record: () => string;
}

const VENUES = ["ST", "NX", "UN"];
/** Night and daytime keys of the three US exchanges (kis.md §4.7); our symbols are on Nasdaq. */
const US_PREFIXES = ["DNAS", "RBAQ"];

/** MKOP_CLS_CODE (kis.md §4.9). */
const SESSION_CODES = { opening: "110", open: "112", closing: "121", closed: "129" } as const;

/** Every registration `event` is for; a change of session is for every one of `instruments`. */
export function targetsOf(event: MarketEvent, instruments: readonly Instrument[]): KisTarget[] {
  switch (event.kind) {
    case "trade":
      return targets(event.instrument, "trade", (tr, key) =>
        tr === "HDFSCNT0" ? usTradeFields(event, key) : tradeFields(event),
      );
    case "book":
      return targets(event.instrument, "book", (tr, key) =>
        tr === "HDFSASP0" ? usBookFields(event, key) : bookFields(event),
      );
    case "status":
      return statusTargets(event, instruments);
  }
}

function statusTargets(event: MarketStatus, instruments: readonly Instrument[]): KisTarget[] {
  switch (event.what) {
    case "vi":
    case "halt":
      return targets(event.instrument, "status", () => statusFields(event));
    case "session":
      return instruments
        .filter((instrument) => instrument.market === "KRX")
        .flatMap((instrument) =>
          targets(instrument, "status", () => {
            const MKOP_CLS_CODE = SESSION_CODES[event.session];
            return { MKSC_SHRN_ISCD: instrument.code, MKOP_CLS_CODE };
          }),
        );
    case "expected":
    case "price":
      // KIS says the one inside its books and the other not at all.
      return [];
  }
}

/** The TR that carries `kind` for an instrument's venue: trade CNT0, book ASP0, status MKO0. */
function targets(
  instrument: Instrument,
  kind: "trade" | "book" | "status",
  fieldsOf: (tr: string, key: string) => KisFields,
): KisTarget[] {
  const suffix = { trade: "CNT0", book: "ASP0", status: "MKO0" }[kind];
  const keys: [tr: string, key: string][] =
    instrument.market === "US"
      ? US_PREFIXES.map((prefix) => [`HDFS${suffix}`, prefix + instrument.code])
      : VENUES.map((venue) => [`H0${venue}${suffix}`, instrument.code]);
  return keys.map(([tr, key]) => {
    return { tr, key, kind, record: () => renderRecord(kisLayout(tr)!, fieldsOf(tr, key)) };
  });
}

function tradeFields(trade: MarketTrade): KisFields {
  const { price, instrument } = trade;
  const { basePrice } = instrument;
  const stamp = kst(trade.marketMs);
  return {
    MKSC_SHRN_ISCD: instrument.code,
    STCK_CNTG_HOUR: stamp.time,
    STCK_PRPR: price,
    PRDY_VRSS_SIGN: sign(price, basePrice),
    PRDY_VRSS: price - basePrice,
    PRDY_CTRT: percent(price - basePrice, basePrice),
    WGHN_AVRG_STCK_PRC: (trade.cumValue / trade.cumVolume).toFixed(2),
    STCK_OPRC: trade.open,
    STCK_HGPR: trade.high,
    STCK_LWPR: trade.low,
    ASKP1: trade.ask,
    BIDP1: trade.bid,
    CNTG_VOL: trade.size,
    ACML_VOL: trade.cumVolume,
    ACML_TR_PBMN: trade.cumValue,
    SELN_CNTG_CSNU: trade.sellCount,
    SHNU_CNTG_CSNU: trade.buyCount,
    NTBY_CNTG_CSNU: trade.buyCount - trade.sellCount,
    CTTR: percent(trade.buyVolume, trade.sellVolume),
    SELN_CNTG_SMTN: trade.sellVolume,
    SHNU_CNTG_SMTN: trade.buyVolume,
    CCLD_DVSN: { 1: "1", [-1]: "5", 0: "" }[trade.side],
    SHNU_RATE: (trade.buyVolume / Math.max(1, trade.buyVolume + trade.sellVolume)).toFixed(2),
    OPRC_HOUR: kst(trade.openMs).time,
    OPRC_VRSS_PRPR_SIGN: sign(price, trade.open),
    OPRC_VRSS_PRPR: price - trade.open,
    HGPR_HOUR: kst(trade.highMs).time,
    HGPR_VRSS_PRPR_SIGN: sign(price, trade.high),
    HGPR_VRSS_PRPR: price - trade.high,
    LWPR_HOUR: kst(trade.lowMs).time,
    LWPR_VRSS_PRPR_SIGN: sign(price, trade.low),
    LWPR_VRSS_PRPR: price - trade.low,
    BSOP_DATE: stamp.date,
    ASKP_RSQN1: trade.askSize,
    BIDP_RSQN1: trade.bidSize,
    TOTAL_ASKP_RSQN: trade.askTotal,
    TOTAL_BIDP_RSQN: trade.bidTotal,
    VI_STND_PRC: trade.viPrice || trade.open,
  };
}

const LEVEL_NAMES = Array.from({ length: 10 }, (_, i) => {
  const n = i + 1;
  return { ask: `ASKP${n}`, bid: `BIDP${n}`, askSize: `ASKP_RSQN${n}`, bidSize: `BIDP_RSQN${n}` };
});

/** Whole from the start: keys that are added one by one would make each book a hash table. */
const NO_LEVELS = JSON.parse(
  JSON.stringify(Object.fromEntries(LEVEL_NAMES.flatMap(Object.values).map((key) => [key, 0]))),
) as Record<string, number>;

function bookFields(book: MarketBook): KisFields {
  const { basePrice, code } = book.instrument;
  const { expectedPrice } = book;
  const mid = ((book.asks[0]!.price + book.bids[0]!.price) / 2).toString();
  const fields: Record<string, string | number> = {
    ...NO_LEVELS,
    MKSC_SHRN_ISCD: code,
    BSOP_HOUR: kst(book.marketMs).time,
    HOUR_CLS_CODE: book.phase,
    TOTAL_ASKP_RSQN: book.askTotal,
    TOTAL_BIDP_RSQN: book.bidTotal,
    ANTC_CNPR: expectedPrice,
    ANTC_CNQN: book.expectedSize,
    ANTC_VOL: book.expectedSize,
    // Without an expected price the wire shows the whole base price as the move (kis.md §4.3).
    ANTC_CNTG_VRSS: expectedPrice - basePrice,
    ANTC_CNTG_VRSS_SIGN: sign(expectedPrice, basePrice),
    ANTC_CNTG_PRDY_CTRT: percent(expectedPrice - basePrice, basePrice),
    ACML_VOL: book.cumVolume,
    MID_PRC: mid,
    KMID_PRC: mid,
    NMID_PRC: mid,
  };
  for (const [i, names] of LEVEL_NAMES.entries()) {
    fields[names.ask] = book.asks[i]!.price;
    fields[names.bid] = book.bids[i]!.price;
    fields[names.askSize] = book.asks[i]!.size;
    fields[names.bidSize] = book.bids[i]!.size;
  }
  return fields;
}

function usTradeFields(trade: MarketTrade, key: string): KisFields {
  const { price, instrument } = trade;
  const diff = price - instrument.basePrice;
  return {
    ...usHead(instrument, key, trade.marketMs),
    TYMD: newYork(trade.marketMs).date,
    OPEN: usd(trade.open),
    HIGH: usd(trade.high),
    LOW: usd(trade.low),
    LAST: usd(price),
    SIGN: sign(price, instrument.basePrice),
    DIFF: usd(Math.abs(diff)),
    RATE: signed(percent(diff, instrument.basePrice)),
    PBID: usd(trade.bid),
    PASK: usd(trade.ask),
    VBID: trade.bidSize,
    VASK: trade.askSize,
    EVOL: trade.size,
    TVOL: trade.cumVolume,
    TAMT: Math.round(trade.cumValue),
    BIVL: trade.sellVolume,
    ASVL: trade.buyVolume,
    STRN: percent(trade.buyVolume, trade.sellVolume),
  };
}

function usBookFields(book: MarketBook, key: string): KisFields {
  const fields: Record<string, string | number> = {
    ...usHead(book.instrument, key, book.marketMs),
    BVOL: book.bidTotal,
    AVOL: book.askTotal,
  };
  for (let i = 0; i < 10; i++) {
    const n = i + 1;
    fields[`PBID${n}`] = usd(book.bids[i]!.price);
    fields[`PASK${n}`] = usd(book.asks[i]!.price);
    fields[`VBID${n}`] = book.bids[i]!.size;
    fields[`VASK${n}`] = book.asks[i]!.size;
  }
  return fields;
}

function usHead(instrument: Instrument, key: string, ms: number): Record<string, string> {
  const [there, here] = [newYork(ms), kst(ms)];
  return {
    RSYM: key,
    SYMB: instrument.code,
    XYMD: there.date,
    XHMS: there.time,
    KYMD: here.date,
    KHMS: here.time,
  };
}

function statusFields(status: MarketStatus & { what: "vi" | "halt" }): KisFields {
  const isHalt = status.what === "halt" && status.on;
  return {
    MKSC_SHRN_ISCD: status.instrument.code,
    TRHT_YN: isHalt ? "Y" : "N",
    MKOP_CLS_CODE: isHalt ? "164" : "112",
    ISCD_STAT_CLS_CODE: isHalt ? "58" : "55",
    VI_CLS_CODE: status.what === "vi" && status.on ? "Y" : "N",
  };
}

/** 2 up, 3 flat, 5 down; the limits' 1 and 4 never come, as the market stays within them. */
function sign(price: number, reference: number): string {
  return price > reference ? "2" : price < reference ? "5" : "3";
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "0.00" : ((100 * part) / whole).toFixed(2);
}

function signed(text: string): string {
  return Number(text) > 0 ? `+${text}` : text;
}

function usd(price: number): string {
  return price.toFixed(4);
}
