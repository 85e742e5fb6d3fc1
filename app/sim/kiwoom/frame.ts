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

/**
 * Values by FID with an f in front; `item` is added when rendered. Bare numbers as keys, or keys that are
 * added one by one, would make each of these objects a hash table, at twice the cost of a whole frame.
 */
type Fields = Record<string, string | number>;

const LEVELS = Array.from({ length: 10 }, (_, i) => {
  return { ask: `f${41 + i}`, bid: `f${51 + i}`, askSize: `f${61 + i}`, bidSize: `f${71 + i}` };
});
/** What JSON makes is a plain object, whatever it was made of. */
const NO_LEVELS = JSON.parse(
  JSON.stringify(Object.fromEntries(LEVELS.flatMap(Object.values).map((key) => [key, 0]))),
) as Fields;

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
    const filled = Object.keys(fields).map((key) => key.replace(/^f(?=\d)/, ""));
    const narrowed = narrow(full!, new Set(filled));
    const slots = narrowed.slots.map(({ key, value }) => ({
      key: /^\d/.test(key) ? `f${key}` : key,
      value,
    }));
    row = { ...narrowed, slots };
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
    f20: kst(trade.marketMs).time,
    f15: bySide(side, size),
    f228: percent(buyVolume, sellVolume),
    f1890: kst(trade.openMs).time,
    f1891: kst(trade.highMs).time,
    f1892: kst(trade.lowMs).time,
    f1030: sellVolume,
    f1031: buyVolume,
    f1032: (share < 50 ? "-" : "+") + share.toFixed(2),
    f1071: trade.sellCount,
    f1072: trade.buyCount,
    f1313: bySide(side, thousands),
    f1315: side === -1 ? `-${size}` : " 0",
    f1316: side === 1 ? `+${size}` : " 0",
    f1314: bySide(side, side === 0 ? 0 : size),
    f1497: Math.floor(trade.price * 0.4),
    f1498: Math.floor(trade.price * 0.32),
    f620: Math.round(trade.cumValue / trade.cumVolume),
    f9081: item === `${instrument.code}_NX` ? "NXT" : "KRX",
  };
}

/** What 0A and 0B have in common. */
function priceFields(trade: MarketTrade): Fields {
  const { price, instrument, cumVolume, cumValue } = trade;
  const { basePrice } = instrument;
  const towards = (value: number) => directed(value, basePrice);
  return {
    f10: towards(price),
    f11: plus(price - basePrice),
    f12: plus(percent(price - basePrice, basePrice)),
    f27: towards(trade.ask),
    f28: towards(trade.bid),
    f13: cumVolume,
    f14: Math.floor(cumValue / 1_000_000),
    f16: towards(trade.open),
    f17: towards(trade.high),
    f18: towards(trade.low),
    f25: change(price, basePrice),
    f26: plus(cumVolume),
    f29: plus(cumValue),
    f30: "+100.00",
  };
}

function bookFields(book: MarketBook): Fields {
  const { basePrice } = book.instrument;
  const { expectedPrice, askTotal, bidTotal } = book;
  const isAuction = expectedPrice > 0;
  const fields: Fields = {
    ...NO_LEVELS,
    f21: kst(book.marketMs).time,
    f121: askTotal,
    f125: bidTotal,
    f23: isAuction ? directed(expectedPrice, basePrice) : "0",
    f24: book.expectedSize,
    f128: plus(bidTotal - askTotal),
    f129: percent(bidTotal, askTotal),
    f138: plus(askTotal - bidTotal),
    f139: percent(askTotal, bidTotal),
    f200: isAuction ? plus(expectedPrice - basePrice) : "0",
    f201: isAuction ? plus(percent(expectedPrice - basePrice, basePrice)) : "0.00",
    f238: isAuction ? change(expectedPrice, basePrice) : "3",
    f291: isAuction ? directed(expectedPrice, basePrice) : "0",
    f292: book.expectedSize,
    f13: book.cumVolume,
  };
  addLevels(fields, book, (price) => (price === 0 ? "-0" : directed(price, basePrice)));
  return fields;
}

function addLevels(fields: Fields, book: MarketBook, text: (price: number) => string): void {
  for (const [i, level] of LEVELS.entries()) {
    const [ask, bid] = [book.asks[i]!, book.bids[i]!];
    fields[level.ask] = text(ask.price);
    fields[level.bid] = text(bid.price);
    fields[level.askSize] = ask.size;
    fields[level.bidSize] = bid.size;
  }
}

function expectedFields(status: MarketStatus & { what: "expected" }): Fields {
  const { basePrice } = status.instrument;
  return {
    f20: kst(status.marketMs).time,
    f10: directed(status.price, basePrice),
    f11: plus(status.price - basePrice),
    f12: plus(percent(status.price - basePrice, basePrice)),
    f15: status.size,
    f13: status.cumVolume,
    f25: change(status.price, basePrice),
  };
}

/** FID 215 (kiwoom.md §3, 0s); the letters of the closing phases are the broker's undocumented ones. */
const SESSION_CODES = { opening: "0", open: "3", closing: "2", closed: "4" } as const;

function sessionFields(status: MarketStatus & { what: "session" }): Fields {
  return {
    f215: SESSION_CODES[status.session],
    f20: kst(status.marketMs).time,
    f214: String(Math.floor(status.leftS)).padStart(6, "0"),
  };
}

function viFields(status: MarketStatus & { what: "vi" }): Fields {
  return {
    f9001: status.instrument.code,
    f302: status.instrument.name,
    f13: status.cumVolume,
    f14: Math.floor(status.cumValue / 1_000_000),
    f9068: status.on ? "1" : "2",
    f1221: status.price,
    f1223: kst(status.onMs).time,
    f1224: status.on ? "000000" : kst(status.marketMs).time,
    f1236: status.viPrice,
  };
}

function usTradeFields(trade: MarketTrade): Fields {
  const { price, instrument } = trade;
  const { basePrice } = instrument;
  const towards = (value: number) => directed(value, basePrice, 4);
  const stamp = newYork(trade.marketMs);
  return {
    f10: towards(price),
    f11: plus((price - basePrice).toFixed(4)),
    f12: plus(percent(price - basePrice, basePrice)),
    f13: trade.cumVolume,
    f14: (trade.cumValue / 1000).toFixed(6),
    f15: bySide(trade.side, trade.size),
    f16: towards(trade.open),
    f17: towards(trade.high),
    f18: towards(trade.low),
    f20: stamp.time,
    f22: stamp.date,
    f25: change(price, basePrice),
    f27: towards(trade.ask),
    f28: towards(trade.bid),
    f228: percent(trade.buyVolume, trade.sellVolume),
    f51020: stamp.time,
  };
}

function usBookFields(book: MarketBook): Fields {
  const fields: Fields = {
    ...NO_LEVELS,
    f21: newYork(book.marketMs).time,
    f121: book.askTotal,
    f125: book.bidTotal,
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
