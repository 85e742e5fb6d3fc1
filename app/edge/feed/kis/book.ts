// KIS order books to books. One record of H0STASP0 / H0NXASP0 / H0UNASP0:
//   005930^143354^0^324000^…(ask 1-10)^323500^…(bid 1-10)^34364^…(ask sizes)^28602^…(bid sizes)
//   ^221049^209586^…(totals, expected price and size, cumulative volume)…^323750^0^0 (mid price block)
// and of HDFSASP0 (US), where bid and ask alternate: …^182.8500^182.8700^350^57^0^-10^182.8400^…
// Domestic books carry no date: the market clock gives it.
import { newYorkMs, stampDomestic } from "../../../shared/market-time.ts";
import { BOOK_DEPTH, NO_COUNT } from "../../../shared/tick.ts";
import type { Tick } from "../../../shared/tick.ts";
import type { ReadAt } from "../decoded.ts";
import type { FieldTable } from "./fields.ts";
import type { Instrument } from "./instrument.ts";
import { BOOK, US_BOOK } from "./layout.ts";

/** Reads the open record and appends its book to `out`; leaves `fields.bad` set when it cannot. */
export function readBook(
  fields: FieldTable,
  of: Instrument,
  width: number,
  at: ReadAt,
  out: Tick[],
): void {
  const { exchangeMs, day } = stampDomestic(fields.digits(BOOK.time, 6), at.marketMs);
  if (Number.isNaN(exchangeMs)) fields.reject(BOOK.time);
  const hourClass = fields.letter(BOOK.hourClass);
  const levels = new Float64Array(4 * BOOK_DEPTH);
  for (let i = 0; i < BOOK_DEPTH; i++) {
    const ask = BOOK.levels + i;
    putLevel(fields, levels, i, ask, ask + 2 * BOOK_DEPTH);
    putLevel(fields, levels, i + 2 * BOOK_DEPTH, ask + BOOK_DEPTH, ask + 3 * BOOK_DEPTH);
  }
  const askTotal = fields.wholeOr(BOOK.askTotal, NO_COUNT);
  const bidTotal = fields.wholeOr(BOOK.bidTotal, NO_COUNT);
  const expectedPrice = fields.amountOr(BOOK.expectedPrice, 0);
  const expectedSize = fields.wholeOr(BOOK.expectedSize, 0);
  const seq = fields.wholeOr(BOOK.volume, NO_COUNT);
  if (fields.bad >= 0) return;
  out.push({
    kind: "book",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs,
    day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra: fields.surplus(BOOK.tail, width),
    levels,
    askTotal,
    bidTotal,
    expectedPrice,
    expectedSize,
    phase: hourClass === 0 ? "" : String.fromCharCode(hourClass),
    seq,
  });
}

/** As {@link readBook}, for the overseas record of one or ten levels. */
export function readUsBook(
  fields: FieldTable,
  of: Instrument,
  width: number,
  at: ReadAt,
  out: Tick[],
): void {
  const day = fields.digits(US_BOOK.localDay, 8);
  const exchangeMs = newYorkMs(day, fields.digits(US_BOOK.localTime, 6));
  if (Number.isNaN(exchangeMs)) fields.reject(US_BOOK.localTime);
  const depth = usDepth(width);
  const levels = new Float64Array(4 * BOOK_DEPTH);
  for (let i = 0; i < depth; i++) {
    const bid = US_BOOK.levels + i * US_BOOK.levelWidth;
    putLevel(fields, levels, i, bid + 1, bid + 3);
    putLevel(fields, levels, i + 2 * BOOK_DEPTH, bid, bid + 2);
  }
  const askTotal = fields.wholeOr(US_BOOK.askTotal, NO_COUNT);
  const bidTotal = fields.wholeOr(US_BOOK.bidTotal, NO_COUNT);
  if (fields.bad >= 0) return;
  out.push({
    kind: "book",
    symbol: of.symbol,
    venue: of.venue,
    exchangeMs,
    day,
    edgeRecvMs: at.edgeRecvMs,
    capture: 0,
    extra: fields.surplus(US_BOOK.levels + depth * US_BOOK.levelWidth, width),
    levels,
    askTotal,
    bidTotal,
    expectedPrice: 0,
    expectedSize: 0,
    phase: "",
    seq: NO_COUNT,
  });
}

/** Levels in an overseas record of `width` fields. */
export function usDepth(width: number): number {
  return Math.min(BOOK_DEPTH, Math.floor((width - US_BOOK.levels) / US_BOOK.levelWidth));
}

/** A price of 0 is no level; what size stands beside it means nothing. */
function putLevel(
  fields: FieldTable,
  levels: Float64Array,
  slot: number,
  priceField: number,
  sizeField: number,
): void {
  const price = fields.amountOr(priceField, 0);
  const size = fields.wholeOr(sizeField, 0);
  levels[slot] = price;
  levels[slot + BOOK_DEPTH] = price > 0 ? size : 0;
}
