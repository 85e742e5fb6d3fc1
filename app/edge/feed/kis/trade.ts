// KIS trade records to trades. One record of H0STCNT0 (KRX), H0NXCNT0 (NXT), H0UNCNT0 (both):
//   005930^140610^277750^2^3750^1.37^…^278000^277500^5^11955000^…^1^…^20260922^20^N^…^0^^283000^2
//   code   time   price               ask    bid size cum.vol    side  day  phase halted class  session
// and of HDFSCNT0 (US): DNASAAPL^AAPL^4^20230502^20230502^091912^…^169.7850^…^1^108464^…^24757^20513^…
// A record that is indicative, or moves the price without a trade, becomes a status.
import { kstMs, newYorkMs } from "../../../shared/market-time.ts";
import { NO_COUNT, NO_PRICE } from "../../../shared/tick.ts";
import type { Session, Side, Status, Tick, Trade } from "../../../shared/tick.ts";
import type { ReadAt } from "../decoded.ts";
import type { FieldTable } from "./fields.ts";
import type { Instrument } from "./instrument.ts";
import { TRADE, US_TRADE } from "./layout.ts";

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const SIDE_BUY = 0x31;
const SIDE_SELL = 0x35;
const YES = 0x59;
const CLASS_A = 0x41;
const CLASS_D = 0x44;

/** Reads the open record and appends what it says to `out`; leaves `fields.bad` set when it cannot. */
export function readTrade(
  fields: FieldTable,
  of: Instrument,
  width: number,
  at: ReadAt,
  out: Tick[],
): void {
  const day = fields.digits(TRADE.day, 8);
  const exchangeMs = kstMs(day, fields.digits(TRADE.time, 6));
  if (Number.isNaN(exchangeMs)) fields.reject(nameDayOrTime(day));
  const trade: Trade = {
    kind: "trade",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs,
    day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra: fields.surplus(TRADE.session + 1, width),
    chain: 0,
    seq: fields.whole(TRADE.volume),
    price: fields.amount(TRADE.price),
    size: fields.whole(TRADE.size),
    side: sideOf(fields.firstByte(TRADE.side)),
    session: sessionOf(fields, width),
    ask: quoteOr(fields, TRADE.ask),
    bid: quoteOr(fields, TRADE.bid),
    sellCount: fields.wholeOr(TRADE.sellCount, NO_COUNT),
    buyCount: fields.wholeOr(TRADE.buyCount, NO_COUNT),
  };
  const hourClass = fields.firstByte(TRADE.hourClass);
  const isExpected = hourClass >= CLASS_A && hourClass <= CLASS_D;
  const isTrade = !isExpected && trade.size > 0;
  if (isTrade && trade.price === 0) fields.reject(TRADE.price);
  if (fields.bad >= 0) return;

  if (isTrade) out.push(trade);
  else if (isExpected) out.push(priceStatus(trade, "expected", String.fromCharCode(hourClass)));
  else out.push(priceStatus(trade, "price", fields.text(TRADE.marketPhase)));
  const isHalted = fields.firstByte(TRADE.halted) === YES;
  if (isHalted !== of.isHalted) {
    of.isHalted = isHalted;
    out.push(priceStatus(trade, "halt", fields.text(TRADE.halted)));
  }
}

/** As {@link readTrade}, for the overseas record. The side is what grew: volume at the bid or at the ask. */
export function readUsTrade(
  fields: FieldTable,
  of: Instrument,
  width: number,
  at: ReadAt,
  out: Tick[],
): void {
  const localDay = fields.digits(US_TRADE.localDay, 8);
  const exchangeMs = newYorkMs(localDay, fields.digits(US_TRADE.localTime, 6));
  if (Number.isNaN(exchangeMs)) fields.reject(US_TRADE.localTime);
  const day = fields.digits(US_TRADE.tradingDay, 8);
  if (Number.isNaN(newYorkMs(day, 0))) fields.reject(US_TRADE.tradingDay);
  const sold = fields.wholeOr(US_TRADE.sold, NO_COUNT);
  const bought = fields.wholeOr(US_TRADE.bought, NO_COUNT);
  const size = fields.whole(US_TRADE.size);
  const trade: Trade = {
    kind: "trade",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs,
    day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra: fields.surplus(US_TRADE_WIDTH, width),
    chain: 0,
    seq: fields.whole(US_TRADE.volume),
    price: fields.amount(US_TRADE.price),
    size,
    side: grownSide(of, sold, bought, size),
    session: 0,
    ask: quoteOr(fields, US_TRADE.ask),
    bid: quoteOr(fields, US_TRADE.bid),
    sellCount: NO_COUNT,
    buyCount: NO_COUNT,
  };
  if (size > 0 && trade.price === 0) fields.reject(US_TRADE.price);
  if (fields.bad >= 0) return;
  of.sold = sold;
  of.bought = bought;
  out.push(size > 0 ? trade : priceStatus(trade, "price", ""));
}

const US_TRADE_WIDTH = 26;

/** A quote of 0 is an empty side of the book. */
function quoteOr(fields: FieldTable, field: number): number {
  return fields.amountOr(field, NO_PRICE) || NO_PRICE;
}

function nameDayOrTime(day: number): number {
  return Number.isNaN(kstMs(day, 0)) ? TRADE.day : TRADE.time;
}

function sideOf(code: number): Side {
  if (code === SIDE_BUY) return 1;
  return code === SIDE_SELL ? -1 : 0;
}

function grownSide(of: Instrument, sold: number, bought: number, size: number): Side {
  if (of.sold < 0 || of.bought < 0) return 0;
  const isSold = sold - of.sold === size;
  const isBought = bought - of.bought === size;
  if (isSold === isBought) return 0;
  return isBought ? 1 : -1;
}

/** MARKET_CLS_CODE where the record is wide enough, else the first digit of NEW_MKOP_CLS_CODE. */
function sessionOf(fields: FieldTable, width: number): Session {
  if (width > TRADE.session) {
    const code = fields.firstByte(TRADE.session);
    if (code >= DIGIT_0 && code <= DIGIT_9) return code - DIGIT_0;
  }
  const phase = fields.firstByte(TRADE.marketPhase) - DIGIT_0;
  return phase >= 1 && phase <= 3 ? phase : 0;
}

function priceStatus(trade: Trade, what: Status["what"], code: string): Status {
  const { symbol, venue, exchangeMs, day, edgeRecvMs, capture, extra } = trade;
  const { price, size, seq: volume, ask, bid } = trade;
  const detail = JSON.stringify({ price, size, volume, ask, bid });
  return {
    kind: "status",
    symbol,
    venue,
    exchangeMs,
    day,
    edgeRecvMs,
    capture,
    extra,
    what,
    code,
    detail,
  };
}
