// KIS's REST history of trades: today's of a domestic symbol by the hour (FHPST01060000), today's and
// yesterday's of a US symbol page by page (HHDFS76200300). A row of each:
//   {"stck_cntg_hour":"100512","stck_pbpr":"71500","askp":"71500","bidp":"71400","acml_vol":"1216812","cnqn":"12"}
//   {"khms":"231512","last":"228.5000","pask":"228.5100","pbid":"228.4900","evol":"10","tvol":"108464"}
// Neither tells the side.
import { previousTradingDay } from "../../../shared/calendar.ts";
import type { Clock } from "../../../shared/clock.ts";
import { marketNow } from "../../../shared/market-clock.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { addDays, kstDay, kstMs, kstTime, newYorkDay } from "../../../shared/market-time.ts";
import { NO_PRICE } from "../../../shared/tick.ts";
import { amountIn, Listing, pageOf, sharesIn, timeIn } from "../history.ts";
import type { History, Past, PastTrade, Row, Wanted } from "../history.ts";
import type { JsonReply } from "../http.ts";
import { Pacer } from "../pacer.ts";
import { HourWalk } from "./hour-walk.ts";
import type { KisQuestion, KisRest } from "./rest.ts";

export interface KisHistoryOptions {
  rest: KisRest;
  clock: Clock;
  market: MarketClock;
  /** Default: ten requests a second, of the 18 an account may send. KIS recommends 100 to 150 ms. */
  spacingMs?: number;
}

const SPACING_MS = 100;
/** Mock accounts have one request a second. */
const SPACING_MAX_MS = 2_000;

const DOMESTIC = {
  path: "/uapi/domestic-stock/v1/quotations/inquire-time-itemconclusion",
  trId: "FHPST01060000",
};
const OVERSEAS = {
  path: "/uapi/overseas-price/v1/quotations/inquire-ccnl",
  trId: "HHDFS76200300",
};
const DIVISIONS: Readonly<Record<string, string>> = { KRX: "J", NXT: "NX", UN: "UN" };

type IsOver = (trades: number) => boolean;

export class KisHistory implements History {
  readonly #options: KisHistoryOptions;
  readonly #pacer: Pacer;

  constructor(options: KisHistoryOptions) {
    const { clock, spacingMs = SPACING_MS } = options;
    this.#options = options;
    this.#pacer = new Pacer({ clock, spacingMs, spacingMaxMs: SPACING_MAX_MS });
  }

  async past(wanted: Wanted, isOver: IsOver): Promise<Past | null> {
    const { clock, market } = this.#options;
    const nowMs = marketNow(market, clock);
    const division = DIVISIONS[wanted.venue];
    if (division !== undefined) {
      return wanted.day === kstDay(nowMs) ? await this.#domestic(wanted, division, isOver) : null;
    }
    const today = newYorkDay(nowMs);
    if (wanted.day === today) return await this.#overseas(wanted, "1", isOver);
    const isYesterday = wanted.day === previousTradingDay(wanted.venue, today)?.day;
    return isYesterday ? await this.#overseas(wanted, "0", isOver) : null;
  }

  async #domestic(wanted: Wanted, division: string, isOver: IsOver): Promise<Past> {
    const { symbol, day, untilMs } = wanted;
    const listing = new Listing(wanted);
    const walk = new HourWalk(listing, untilMs === null ? null : kstTime(untilMs));
    let requests = 0;
    for (let { time } = walk; time !== null && !listing.isDeepEnough; { time } = walk) {
      if (isOver(listing.size)) break;
      const query = {
        FID_COND_MRKT_DIV_CODE: division,
        FID_INPUT_ISCD: symbol,
        FID_INPUT_HOUR_1: String(time).padStart(6, "0"),
      };
      const { body } = await this.#ask({ ...DOMESTIC, query }, () => isOver(listing.size));
      requests++;
      const page = pageOf(body["output2"], (row) => domesticTrade(row, day));
      walk.take(page, (row: Row) => (row ? kstTime(row.exchangeMs) : Number.NaN));
    }
    return listing.past(walk.isWhole, requests);
  }

  async #overseas(wanted: Wanted, TDAY: "0" | "1", isOver: IsOver): Promise<Past> {
    const { venue: EXCD, symbol: SYMB, day } = wanted;
    const listing = new Listing(wanted);
    let KEYB = "";
    let trCont: "" | "N" = "";
    let isWhole = false;
    let requests = 0;
    while (!isWhole && !listing.isDeepEnough && !isOver(listing.size)) {
      const query = { EXCD, TDAY, SYMB, AUTH: "", KEYB };
      const question: KisQuestion = { ...OVERSEAS, query, trCont };
      const { body, headers } = await this.#ask(question, () => isOver(listing.size));
      requests++;
      const news = listing.add(
        pageOf(body["output1"] ?? body["output2"], (row) => overseasTrade(row, day)),
      );
      const isMore = ["M", "F"].includes(headers.get("tr_cont") ?? "");
      // A page that repeats the one before would go on for ever.
      if (isMore && news === 0) {
        listing.cut();
        break;
      }
      isWhole = !isMore;
      trCont = "N";
      KEYB = typeof body["keyb"] === "string" ? body["keyb"] : "";
    }
    return listing.past(isWhole, requests);
  }

  #ask(question: KisQuestion, isOver: () => boolean): Promise<JsonReply> {
    return this.#pacer.ask(() => this.#options.rest.ask(question), isOver);
  }
}

function domesticTrade(row: Record<string, unknown>, day: number): PastTrade {
  return {
    exchangeMs: kstMs(day, timeIn(row["stck_cntg_hour"])),
    seq: sharesIn(row["acml_vol"]),
    size: sharesIn(row["cnqn"]),
    price: amountIn(row["stck_pbpr"] ?? row["stck_prpr"]),
    side: 0,
    ask: amountIn(row["askp"]) || NO_PRICE,
    bid: amountIn(row["bidp"]) || NO_PRICE,
  };
}

function overseasTrade(row: Record<string, unknown>, day: number): PastTrade {
  return {
    exchangeMs: newYorkDayMs(timeIn(row["khms"]), day),
    seq: sharesIn(row["tvol"]),
    size: sharesIn(row["evol"]),
    price: amountIn(row["last"]),
    side: 0,
    ask: amountIn(row["pask"]) || NO_PRICE,
    bid: amountIn(row["pbid"]) || NO_PRICE,
  };
}

/** Of a Korean time of day, on the one of two Korean days that is `day` in New York. */
function newYorkDayMs(khms: number, day: number): number {
  const sameDayMs = kstMs(day, khms);
  return newYorkDay(sameDayMs) === day ? sameDayMs : kstMs(addDays(day, 1), khms);
}
