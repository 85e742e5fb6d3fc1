// What Kiwoom says about a market event: which type and items carry it, and their FIDs (kiwoom.md §3).
import type { RecordKind } from "../counts.ts";
import type {
  Instrument,
  MarketBook,
  MarketEvent,
  MarketStatus,
  MarketTrade,
} from "../market/event.ts";
import { kst, newYork } from "../time.ts";
import { defaultFrame, kiwoomLayout } from "./layout.ts";
import type { KiwoomRow } from "./template.ts";
import { narrow, readTemplate, renderRow } from "./template.ts";

/** One registration an event is for, and its row, rendered when someone wants it. */
export interface KiwoomTarget {
  /** Which of the broker's two sockets carries it. */
  market: Instrument["market"];
  type: string;
  /** The item as registered: a code, a code with venue suffix, or "" for the whole market. */
  item: string;
  kind: RecordKind;
  row: () => string;
}

/** Values by FID; `item` is added when rendered. */
type Fields = Record<string, string | number>;

const SUFFIXES = ["", "_NX", "_AL"];

/** Every registration `event` is for. */
export function targetsOf(event: MarketEvent): KiwoomTarget[] {
  switch (event.kind) {
    case "trade":
      return event.instrument.market === "US"
        ? [target("FE", event.instrument, "trade", () => usTradeFields(event))]
        : targets("0B", event.instrument, "trade", (item) => tradeFields(event, item));
    case "book":
      return event.instrument.market === "US"
        ? [target("FT", event.instrument, "book", () => usBookFields(event))]
        : targets("0D", event.instrument, "book", () => bookFields(event));
    case "status":
      return statusTargets(event);
  }
}

function statusTargets(event: MarketStatus): KiwoomTarget[] {
  switch (event.what) {
    case "session":
      return [whole("0s", "", () => sessionFields(event))];
    case "vi":
      return [whole("1h", event.instrument.code, () => viFields(event))];
    case "expected":
      return targets("0H", event.instrument, "status", () => expectedFields(event));
    case "price":
      return targets("0A", event.instrument, "status", () => priceFields(event.last));
    case "halt":
      return [];
  }
}

function targets(
  type: string,
  instrument: Instrument,
  kind: RecordKind,
  fieldsOf: (item: string) => Fields,
): KiwoomTarget[] {
  return SUFFIXES.map((suffix) => {
    const item = instrument.code + suffix;
    const row = () => renderFields(type, item, fieldsOf(item));
    return { market: instrument.market, type, item, kind, row };
  });
}

function target(
  type: string,
  { market, code }: Instrument,
  kind: RecordKind,
  fieldsOf: () => Fields,
): KiwoomTarget {
  return { market, type, item: code, kind, row: () => renderFields(type, code, fieldsOf()) };
}

/** Registered under the empty item; the row names the symbol it is about. */
function whole(type: string, about: string, fieldsOf: () => Fields): KiwoomTarget {
  const row = () => renderFields(type, about, fieldsOf());
  return { market: "KRX", type, item: "", kind: "status", row };
}

/** Rows with the slots a type fills; each type fills the same ones every time. */
const rows = new Map<string, KiwoomRow>();

function renderFields(type: string, item: string, fields: Fields): string {
  fields["item"] = item;
  let row = rows.get(type);
  if (!row) {
    const [full] = readTemplate(defaultFrame(kiwoomLayout(type)!)).rows;
    row = narrow(full!, new Set(Object.keys(fields)));
    rows.set(type, row);
  }
  return renderRow(row, fields);
}

function tradeFields(trade: MarketTrade, item: string): Fields {
  const { size, side, instrument, sellVolume, buyVolume } = trade;
  const share = (100 * buyVolume) / Math.max(1, sellVolume + buyVolume);
  const thousands = Math.floor((trade.price * size) / 1000);
  return {
    ...priceFields(trade),
    20: kst(trade.marketMs).time,
    15: bySide(side, size),
    228: percent(buyVolume, sellVolume),
    1890: kst(trade.openMs).time,
    1891: kst(trade.highMs).time,
    1892: kst(trade.lowMs).time,
    1030: sellVolume,
    1031: buyVolume,
    1032: (share < 50 ? "-" : "+") + share.toFixed(2),
    1071: trade.sellCount,
    1072: trade.buyCount,
    1313: bySide(side, thousands),
    1315: side === -1 ? `-${size}` : " 0",
    1316: side === 1 ? `+${size}` : " 0",
    1314: bySide(side, side === 0 ? 0 : size),
    1497: Math.floor(trade.price * 0.4),
    1498: Math.floor(trade.price * 0.32),
    620: Math.round(trade.cumValue / trade.cumVolume),
    9081: item === `${instrument.code}_NX` ? "NXT" : "KRX",
  };
}

/** What 0A and 0B have in common. */
function priceFields(trade: MarketTrade): Fields {
  const { price, instrument, cumVolume, cumValue } = trade;
  const { basePrice } = instrument;
  const towards = (value: number) => directed(value, basePrice);
  return {
    10: towards(price),
    11: plus(price - basePrice),
    12: plus(percent(price - basePrice, basePrice)),
    27: towards(trade.ask),
    28: towards(trade.bid),
    13: cumVolume,
    14: Math.floor(cumValue / 1_000_000),
    16: towards(trade.open),
    17: towards(trade.high),
    18: towards(trade.low),
    25: change(price, basePrice),
    26: plus(cumVolume),
    29: plus(cumValue),
    30: "+100.00",
  };
}

function bookFields(book: MarketBook): Fields {
  const { basePrice } = book.instrument;
  const { expectedPrice, askTotal, bidTotal } = book;
  const isAuction = expectedPrice > 0;
  const fields: Fields = {
    21: kst(book.marketMs).time,
    121: askTotal,
    125: bidTotal,
    23: isAuction ? directed(expectedPrice, basePrice) : "0",
    24: book.expectedSize,
    128: plus(bidTotal - askTotal),
    129: percent(bidTotal, askTotal),
    138: plus(askTotal - bidTotal),
    139: percent(askTotal, bidTotal),
    200: isAuction ? plus(expectedPrice - basePrice) : "0",
    201: isAuction ? plus(percent(expectedPrice - basePrice, basePrice)) : "0.00",
    238: isAuction ? change(expectedPrice, basePrice) : "3",
    291: isAuction ? directed(expectedPrice, basePrice) : "0",
    292: book.expectedSize,
    13: book.cumVolume,
  };
  addLevels(fields, book, (price) => (price === 0 ? "-0" : directed(price, basePrice)));
  return fields;
}

function addLevels(fields: Fields, book: MarketBook, text: (price: number) => string): void {
  for (let i = 0; i < 10; i++) {
    fields[41 + i] = text(book.asks[i]!.price);
    fields[51 + i] = text(book.bids[i]!.price);
    fields[61 + i] = book.asks[i]!.size;
    fields[71 + i] = book.bids[i]!.size;
  }
}

function expectedFields(status: MarketStatus & { what: "expected" }): Fields {
  const { basePrice } = status.instrument;
  return {
    20: kst(status.marketMs).time,
    10: directed(status.price, basePrice),
    11: plus(status.price - basePrice),
    12: plus(percent(status.price - basePrice, basePrice)),
    15: status.size,
    13: status.cumVolume,
    25: change(status.price, basePrice),
  };
}

/** FID 215 (kiwoom.md §3, 0s); the letters of the closing phases are the broker's undocumented ones. */
const SESSION_CODES = { opening: "0", open: "3", closing: "2", closed: "4" } as const;

function sessionFields(status: MarketStatus & { what: "session" }): Fields {
  return {
    215: SESSION_CODES[status.session],
    20: kst(status.marketMs).time,
    214: String(Math.floor(status.leftS)).padStart(6, "0"),
  };
}

function viFields(status: MarketStatus & { what: "vi" }): Fields {
  return {
    9001: status.instrument.code,
    302: status.instrument.name,
    13: status.cumVolume,
    14: Math.floor(status.cumValue / 1_000_000),
    9068: status.on ? "1" : "2",
    1221: status.price,
    1223: kst(status.onMs).time,
    1224: status.on ? "000000" : kst(status.marketMs).time,
    1236: status.viPrice,
  };
}

function usTradeFields(trade: MarketTrade): Fields {
  const { price, instrument } = trade;
  const { basePrice } = instrument;
  const towards = (value: number) => directed(value, basePrice, 4);
  const stamp = newYork(trade.marketMs);
  return {
    10: towards(price),
    11: plus((price - basePrice).toFixed(4)),
    12: plus(percent(price - basePrice, basePrice)),
    13: trade.cumVolume,
    14: (trade.cumValue / 1000).toFixed(6),
    15: bySide(trade.side, trade.size),
    16: towards(trade.open),
    17: towards(trade.high),
    18: towards(trade.low),
    20: stamp.time,
    22: stamp.date,
    25: change(price, basePrice),
    27: towards(trade.ask),
    28: towards(trade.bid),
    228: percent(trade.buyVolume, trade.sellVolume),
    51020: stamp.time,
  };
}

function usBookFields(book: MarketBook): Fields {
  const fields: Fields = {
    21: newYork(book.marketMs).time,
    121: book.askTotal,
    125: book.bidTotal,
  };
  addLevels(fields, book, (price) => directed(price, book.instrument.basePrice, 4));
  return fields;
}

/** A price with its direction against the previous close in front: `+71100`, `-70900`, `71000`. */
function directed(price: number, basePrice: number, decimals = 0): string {
  const prefix = price > basePrice ? "+" : price < basePrice ? "-" : "";
  return prefix + price.toFixed(decimals);
}

/** 2 up, 3 flat, 5 down. */
function change(price: number, basePrice: number): string {
  return price > basePrice ? "2" : price < basePrice ? "5" : "3";
}

/** A figure by who started the trade: + buyer, - seller, bare in an auction. */
function bySide(side: MarketTrade["side"], value: number): string {
  return (side === 1 ? "+" : side === -1 ? "-" : "") + String(value);
}

/** A number that always shows its sign, except zero. */
function plus(value: number | string): string {
  return Number(value) > 0 ? `+${value}` : String(value);
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "0.00" : ((100 * part) / whole).toFixed(2);
}
