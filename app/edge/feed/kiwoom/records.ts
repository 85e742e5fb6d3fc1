// Rows of Kiwoom's REAL frames to ticks: 0B and FE are trades, 0D and FT books, 0A, 0H, 0s and 1h
// statuses. Prices carry a sign that means up or down since yesterday and is dropped; the sign of a
// trade's size is its side. Domestic rows have no date: the market clock gives it.
import { kstDay, newYorkMs, stampDomestic, stampNewYork } from "../../../shared/market-time.ts";
import type { MarketStamp } from "../../../shared/market-time.ts";
import { BOOK_DEPTH, NO_COUNT, NO_PRICE } from "../../../shared/tick.ts";
import type { Book, Session, Side, Status, Tick, Venue } from "../../../shared/tick.ts";
import type { ReadAt } from "../decoded.ts";
import type { Item } from "./item.ts";
import type { Row } from "./row.ts";
import { FID } from "./types.ts";
import type { RowType } from "./types.ts";

const DIGIT_0 = 0x30;

/** What the open row says; what it says is void when `row.bad` is set after. */
export function readRow(
  { type, kind }: RowType,
  row: Row,
  of: Item,
  extra: string | null,
  at: ReadAt,
): Tick {
  switch (kind) {
    case "trade":
      return readTrade(type, row, of, stampBy(stampDomestic, row, FID.time, at), extra, at);
    case "us_trade":
      return readTrade(type, row, of, usStamp(row, at), extra, at);
    case "book":
      return readBook(row, of, stampBy(stampDomestic, row, FID.quoteTime, at), extra, at);
    case "us_book":
      return readBook(row, of, stampBy(stampNewYork, row, FID.quoteTime, at), extra, at);
    case "price":
      return priceStatus(row, of, clockStamp(at), "price", type, extra, at);
    case "expected": {
      const stamp = stampBy(stampDomestic, row, FID.time, at);
      return priceStatus(row, of, stamp, "expected", type, extra, at);
    }
    case "clock":
      return plainStatus(row, of, "clock", FID.time, row.text(FID.marketPhase), extra, at);
    case "vi": {
      const state = row.text(FID.viState);
      const time = state === "2" ? FID.viReleased : FID.viSet;
      return plainStatus(row, of, "vi", time, state, extra, at);
    }
  }
}

/** A row without cumulative volume has no key, so none is a trade. A size of 0 moved the price only. */
function readTrade(
  type: string,
  row: Row,
  of: Item,
  stamp: MarketStamp,
  extra: string | null,
  at: ReadAt,
): Tick {
  const size = row.wholeMagnitude(FID.size);
  const seq = row.whole(FID.volume);
  if (size === 0) return priceStatus(row, of, stamp, "price", type, extra, at);
  const price = row.magnitude(FID.price);
  if (price === 0) row.reject(FID.price);
  const side: Side = row.sign(FID.size);
  return {
    kind: "trade",
    symbol: of.symbol,
    venue: venueOf(row, of),
    exchangeMs: stamp.exchangeMs,
    day: stamp.day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra,
    chain: 0,
    seq,
    price,
    size,
    side,
    session: sessionOf(row),
    // A quote of 0 is an empty side of the book.
    ask: row.magnitudeOr(FID.ask, NO_PRICE) || NO_PRICE,
    bid: row.magnitudeOr(FID.bid, NO_PRICE) || NO_PRICE,
    sellCount: row.wholeOr(FID.sellCount, NO_COUNT),
    buyCount: row.wholeOr(FID.buyCount, NO_COUNT),
  };
}

function readBook(row: Row, of: Item, stamp: MarketStamp, extra: string | null, at: ReadAt): Book {
  if (!row.has(FID.askPrices)) row.reject(FID.askPrices);
  if (!row.has(FID.bidPrices)) row.reject(FID.bidPrices);
  const levels = new Float64Array(4 * BOOK_DEPTH);
  for (let i = 0; i < BOOK_DEPTH; i++) {
    putLevel(row, levels, i, FID.askPrices + i, FID.askSizes + i);
    putLevel(row, levels, i + 2 * BOOK_DEPTH, FID.bidPrices + i, FID.bidSizes + i);
  }
  return {
    kind: "book",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs: stamp.exchangeMs,
    day: stamp.day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra,
    levels,
    askTotal: row.wholeOr(FID.askTotal, NO_COUNT),
    bidTotal: row.wholeOr(FID.bidTotal, NO_COUNT),
    expectedPrice: row.magnitudeOr(FID.expectedPrice, 0),
    expectedSize: row.wholeOr(FID.expectedSize, 0),
    phase: "",
    seq: row.wholeOr(FID.volume, NO_COUNT),
  };
}

/** A price of 0 (`-0` on the wire) is no level; what size stands beside it means nothing. */
function putLevel(
  row: Row,
  levels: Float64Array,
  slot: number,
  priceFid: number,
  sizeFid: number,
): void {
  const price = row.magnitudeOr(priceFid, 0);
  const size = row.wholeOr(sizeFid, 0);
  levels[slot] = price;
  levels[slot + BOOK_DEPTH] = price > 0 ? size : 0;
}

function priceStatus(
  row: Row,
  of: Item,
  stamp: MarketStamp,
  what: Status["what"],
  code: string,
  extra: string | null,
  at: ReadAt,
): Status {
  const detail = {
    price: row.magnitude(FID.price),
    size: row.has(FID.size) ? row.wholeMagnitude(FID.size) : 0,
    volume: row.magnitudeOr(FID.volume, NO_PRICE),
    ask: row.magnitudeOr(FID.ask, NO_PRICE),
    bid: row.magnitudeOr(FID.bid, NO_PRICE),
  };
  return status(venueOf(row, of), of, stamp, what, code, JSON.stringify(detail), extra, at);
}

/** A status that keeps its values as they came, by FID. Its time is a hint: a broken one is replaced. */
function plainStatus(
  row: Row,
  of: Item,
  what: Status["what"],
  timeFid: number,
  code: string,
  extra: string | null,
  at: ReadAt,
): Status {
  let stamp = stampDomestic(row.digits(timeFid, 6), at.marketMs);
  if (Number.isNaN(stamp.exchangeMs)) stamp = clockStamp(at);
  const detail: Record<string, string> = {};
  for (let i = 0; i < row.count; i++) detail[row.fids[i]!] = row.textAt(i);
  return status(venueOf(row, of), of, stamp, what, code, JSON.stringify(detail), extra, at);
}

function status(
  venue: Venue,
  { symbol }: Item,
  { exchangeMs, day }: MarketStamp,
  what: Status["what"],
  code: string,
  detail: string,
  extra: string | null,
  { edgeRecvMs }: ReadAt,
): Status {
  return {
    kind: "status",
    symbol,
    venue,
    exchangeMs,
    day,
    edgeRecvMs,
    capture: 0,
    extra,
    what,
    code,
    detail,
  };
}

/** FID 9081 names the venue of a plain code: `KRX` and `NXT` on the wire, 0, 1, 2 in the reference. */
function venueOf(row: Row, of: Item): Venue {
  if (!of.isPlain) return of.venue;
  switch (String.fromCharCode(row.firstByte(FID.venue))) {
    case "N":
    case "2":
      return "NXT";
    case "0":
      return "UN";
    default:
      return of.venue;
  }
}

function sessionOf(row: Row): Session {
  const session = row.firstByte(FID.session) - DIGIT_0;
  return session >= 1 && session <= 5 ? session : 0;
}

function stampBy(
  stamp: (hhmmss: number, marketMs: number) => MarketStamp,
  row: Row,
  fid: number,
  at: ReadAt,
): MarketStamp {
  const stamped = stamp(row.digits(fid, 6), at.marketMs);
  if (Number.isNaN(stamped.exchangeMs)) row.reject(fid);
  return stamped;
}

/** US trades have their local time in FID 51020 and, on the real server, their date in 22. */
function usStamp(row: Row, at: ReadAt): MarketStamp {
  const timeFid = row.has(FID.usTime) ? FID.usTime : FID.time;
  if (!row.has(FID.date)) return stampBy(stampNewYork, row, timeFid, at);
  const day = row.digits(FID.date, 8);
  if (Number.isNaN(newYorkMs(day, 0))) row.reject(FID.date);
  const exchangeMs = newYorkMs(day, row.digits(timeFid, 6));
  if (Number.isNaN(exchangeMs)) row.reject(timeFid);
  return { exchangeMs, day };
}

function clockStamp({ marketMs }: ReadAt): MarketStamp {
  return { exchangeMs: Math.floor(marketMs / 1_000) * 1_000, day: kstDay(marketMs) };
}
