// Kiwoom's REST history of trades: of today from the newest (ka10003), of today from a given minute and
// of the trading day before (ka10084), page by page. A row of both:
//   {"tm":"100512","cur_prc":"+71500","pri_sel_bid_unit":"+71500","pri_buy_bid_unit":"+71400",
//    "cntr_trde_qty":"-12","acc_trde_qty":"1216812","stex_tp":"KRX"}
// The sign of the quantity is the side. US trades have no such list.
import { previousTradingDay } from "../../../shared/calendar.ts";
import type { Clock } from "../../../shared/clock.ts";
import { marketNow } from "../../../shared/market-clock.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { kstDay, kstMs, kstTime } from "../../../shared/market-time.ts";
import { NO_PRICE } from "../../../shared/tick.ts";
import type { Side } from "../../../shared/tick.ts";
import { amountIn, Listing, pageOf, sharesIn, timeIn } from "../history.ts";
import type { History, Past, PastTrade, Wanted } from "../history.ts";
import { Pacer } from "../pacer.ts";
import type { KiwoomRest } from "./rest.ts";

export interface KiwoomHistoryOptions {
  rest: KiwoomRest;
  clock: Clock;
  market: MarketClock;
  /** Default: four requests a second, of the five an API allows. */
  spacingMs?: number;
}

const SPACING_MS = 250;
const SPACING_MAX_MS = 4_000;
const PATH = "/api/dostk/stkinfo";
/** Behind the symbol; docs of the venues: `protocol.ts`. */
const SUFFIXES: Readonly<Record<string, string>> = { KRX: "", NXT: "_NX", UN: "_AL" };

/** One API with its body, and the name of its list. */
interface Question {
  apiId: string;
  list: string;
  body: Record<string, string>;
}

export class KiwoomHistory implements History {
  readonly #options: KiwoomHistoryOptions;
  readonly #pacer: Pacer;

  constructor(options: KiwoomHistoryOptions) {
    const { clock, spacingMs = SPACING_MS } = options;
    this.#options = options;
    // One for both APIs: slower than it had to be, and below the broker's unpublished total.
    this.#pacer = new Pacer({ clock, spacingMs, spacingMaxMs: SPACING_MAX_MS });
  }

  async past(wanted: Wanted, isOver: (trades: number) => boolean): Promise<Past | null> {
    const { clock, market, rest } = this.#options;
    const question = questionFor(wanted, kstDay(marketNow(market, clock)));
    if (!question) return null;
    const { apiId, list, body } = question;
    const listing = new Listing(wanted);
    let nextKey: string | undefined;
    let isWhole = false;
    let requests = 0;
    while (!isWhole && !listing.isDeepEnough && !isOver(listing.size)) {
      const page = nextKey === undefined ? {} : { nextKey };
      const { headers, body: answer } = await this.#pacer.ask(
        () => rest.ask({ path: PATH, apiId, body, ...page }),
        () => isOver(listing.size),
      );
      requests++;
      const news = listing.add(pageOf(answer[list], (row) => pastTrade(row, wanted.day)));
      const key = headers.get("cont-yn") === "Y" ? headers.get("next-key") : null;
      // A cursor that does not move would go on for ever.
      if (key !== null && (key === nextKey || news === 0)) {
        listing.cut();
        break;
      }
      isWhole = key === null;
      nextKey = key ?? undefined;
    }
    return listing.past(isWhole, requests);
  }
}

function questionFor({ venue, symbol, day, untilMs }: Wanted, today: number): Question | null {
  const suffix = SUFFIXES[venue];
  if (suffix === undefined) return null;
  const stk_cd = symbol + suffix;
  const isToday = day === today;
  if (isToday && untilMs === null) return { apiId: "ka10003", list: "cntr_infr", body: { stk_cd } };
  if (!isToday && day !== previousTradingDay(venue, today)?.day) return null;
  // HHMM; empty: from the newest.
  const tm = untilMs === null ? "" : String(Math.floor(kstTime(untilMs) / 100)).padStart(4, "0");
  const body = { stk_cd, tdy_pred: isToday ? "1" : "2", tic_min: "0", tm };
  return { apiId: "ka10084", list: "tdy_pred_cntr", body };
}

function pastTrade(row: Record<string, unknown>, day: number): PastTrade {
  return {
    exchangeMs: kstMs(day, timeIn(row["tm"])),
    seq: sharesIn(row["acc_trde_qty"]),
    size: sharesIn(row["cntr_trde_qty"]),
    price: amountIn(row["cur_prc"]),
    side: sideOf(row["cntr_trde_qty"]),
    ask: amountIn(row["pri_sel_bid_unit"]) || NO_PRICE,
    bid: amountIn(row["pri_buy_bid_unit"]) || NO_PRICE,
  };
}

function sideOf(quantity: unknown): Side {
  const sign = typeof quantity === "string" ? quantity.trim()[0] : "";
  return sign === "+" ? 1 : sign === "-" ? -1 : 0;
}
