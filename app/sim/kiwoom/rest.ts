// Kiwoom over HTTP: tokens, and today's trades page by page (kiwoom.md §1, §4). Errors are HTTP 200 with
// a return_code; only too many calls are 429.
import type { FastifyInstance, FastifyReply } from "fastify";
import type { BrokerContext } from "../broker.ts";
import type { Faults } from "../faults.ts";
import type { MarketTrade } from "../market/event.ts";
import { RateLimit } from "../rate.ts";
import { kst } from "../time.ts";
import type { KiwoomKeys } from "./keys.ts";

const CHART_ROWS = 900;
const INPUT_ERROR = 2;
const AUTH_ERROR = 3;
const RATE_ERROR = 5;

type Body = Record<string, unknown>;

/** One API id: where it lives, its list's name, its page's length and its rows, oldest first. */
interface Api {
  path: string;
  list: string;
  pageRows: number;
  rows(trades: readonly MarketTrade[], body: Body): readonly object[];
}

/** Adds Kiwoom's routes to `server`. */
export function serveKiwoomRest(
  server: FastifyInstance,
  context: BrokerContext,
  keys: KiwoomKeys,
  faults: Faults,
): void {
  const { clock, options } = context;
  const limit = new RateLimit(clock, options.kiwoomRequestsPerSecond);
  const apis = apiTable(options.pageRows);

  server.post("/oauth2/token", ({ body }, reply) => {
    const { appkey, secretkey } = (body ?? {}) as Body;
    if (!isText(appkey) || !isText(secretkey)) {
      return refuse(
        reply,
        AUTH_ERROR,
        "8020",
        "입력파라미터로 appkey 또는 secretkey가 들어오지 않았습니다",
      );
    }
    if (faults.take("auth-refuse")) {
      return refuse(reply, AUTH_ERROR, "8050", "지정단말기 인증에 실패했습니다");
    }
    const issued = keys.issue(appkey, clock.nowMs());
    if (!issued) return refuse(reply, AUTH_ERROR, "8006", "접근토큰 발급에 실패했습니다");
    const { date, time } = kst(issued.expiresMs);
    return reply.send({
      expires_dt: date + time,
      token_type: "bearer",
      token: issued.token,
      return_code: 0,
      return_msg: "정상적으로 처리되었습니다",
    });
  });

  server.post("/oauth2/revoke", ({ body }, reply) => {
    const { token } = (body ?? {}) as Body;
    if (!isText(token) || !keys.revoke(token)) {
      return refuse(reply, AUTH_ERROR, "8015", "접근토큰 폐기에 실패했습니다");
    }
    return reply.send({ return_code: 0, return_msg: "정상적으로 처리되었습니다" });
  });

  server.post("/api/dostk/*", (request, reply) => {
    const { authorization = "", "next-key": nextKey = "" } = request.headers;
    const id = request.headers["api-id"];
    if (!isText(id)) return refuse(reply, INPUT_ERROR, "1501", "API ID가 Null이거나 값이 없습니다");
    const api = apis[id];
    if (!api) return refuse(reply, INPUT_ERROR, "1505", "해당 API ID는 존재하지 않습니다");
    if (request.url !== api.path) {
      return refuse(reply, INPUT_ERROR, "1504", "해당 URI에서는 지원하는 API ID가 아닙니다");
    }
    const account = keys.account(authorization.replace(/^Bearer /, ""));
    if (account === undefined)
      return refuse(reply, AUTH_ERROR, "8005", "Token이 유효하지 않습니다");
    if (!limit.take(`${account} ${id}`) || faults.take("rate-limit")) {
      const reason = `허용된 요청 개수를 초과하였습니다. 유량=${options.kiwoomRequestsPerSecond}, API ID=${id}`;
      return refuse(reply.code(429), RATE_ERROR, "1700", reason);
    }
    const body = (request.body ?? {}) as Body;
    if (!isText(body.stk_cd))
      return refuse(reply, INPUT_ERROR, "1511", "필수 입력 값이 없습니다. stk_cd");
    const trades = context.tradesOf(body.stk_cd.replace(/_(NX|AL)$/, ""));
    return sendPage(reply, api, api.rows(trades, body), nextKey);
  });
}

/** Newest first; the cursor counts from the oldest row, so that new trades do not move it. */
function sendPage(
  reply: FastifyReply,
  { list, pageRows }: Api,
  rows: readonly object[],
  nextKey: string | string[],
) {
  const cursor = /^A(\d{1,12})$/.exec(String(nextKey));
  const end = cursor ? Math.min(Number(cursor[1]), rows.length) : rows.length;
  const start = Math.max(0, end - pageRows);
  if (start > 0) void reply.header("cont-yn", "Y").header("next-key", `A${start}`);
  const page = rows.slice(start, end).reverse();
  return reply.send({ [list]: page, return_code: 0, return_msg: "정상적으로 처리되었습니다" });
}

function apiTable(pageRows: number): Readonly<Record<string, Api>> {
  const info = "/api/dostk/stkinfo";
  const chart = "/api/dostk/chart";
  return {
    ka10003: { path: info, list: "cntr_infr", pageRows, rows: (trades) => trades.map(tradeRow) },
    ka10084: { path: info, list: "tdy_pred_cntr", pageRows, rows: dayRows },
    ka10079: {
      path: chart,
      list: "stk_tic_chart_qry",
      pageRows: CHART_ROWS,
      rows: (trades) => trades.map(tickRow),
    },
    ka10080: {
      path: chart,
      list: "stk_min_pole_chart_qry",
      pageRows: CHART_ROWS,
      rows: minuteRows,
    },
  };
}

function tradeRow(trade: MarketTrade) {
  const { price, size, side } = trade;
  return {
    tm: kst(trade.marketMs).time,
    cur_prc: directed(trade, price),
    ...changeOf(trade),
    pri_sel_bid_unit: directed(trade, trade.ask),
    pri_buy_bid_unit: directed(trade, trade.bid),
    cntr_trde_qty: (side === 1 ? "+" : side === -1 ? "-" : "") + String(size),
    sign: signOf(trade),
    acc_trde_qty: String(trade.cumVolume),
    acc_trde_prica: String(trade.cumValue),
    cntr_str: ((100 * trade.buyVolume) / Math.max(1, trade.sellVolume)).toFixed(2),
    stex_tp: "KRX",
  };
}

/** Today only: this market has no yesterday. `tm` (HHMM) is the latest minute wanted. */
function dayRows(trades: readonly MarketTrade[], { tdy_pred, tm }: Body): readonly object[] {
  if (tdy_pred === "2") return [];
  const until = isText(tm) ? `${tm}59` : "999999";
  return trades.filter((trade) => kst(trade.marketMs).time <= until).map(tradeRow);
}

function tickRow(trade: MarketTrade) {
  const { date, time } = kst(trade.marketMs);
  const price = directed(trade, trade.price);
  return {
    cur_prc: price,
    trde_qty: String(trade.size),
    cntr_tm: date + time,
    open_pric: price,
    high_pric: price,
    low_pric: price,
    pred_pre: changeOf(trade).pred_pre,
    pred_pre_sig: signOf(trade),
  };
}

/** Bars of `tic_scope` minutes; the label is the start of the bar. */
function minuteRows(trades: readonly MarketTrade[], { tic_scope }: Body): readonly object[] {
  const minutes = Math.max(1, Number(tic_scope) || 1);
  const bars = new Map<number, MarketTrade[]>();
  for (const trade of trades) {
    const bar = Math.floor(trade.marketMs / 60_000 / minutes);
    const members = bars.get(bar);
    if (members) members.push(trade);
    else bars.set(bar, [trade]);
  }
  return [...bars].map(([bar, members]) => {
    const [first, last] = [members[0]!, members.at(-1)!];
    const { date, time } = kst(bar * minutes * 60_000);
    const prices = members.map((trade) => trade.price);
    return {
      cur_prc: directed(last, last.price),
      trde_qty: String(members.reduce((sum, trade) => sum + trade.size, 0)),
      cntr_tm: date + time,
      open_pric: directed(first, first.price),
      high_pric: directed(last, Math.max(...prices)),
      low_pric: directed(last, Math.min(...prices)),
      acc_trde_qty: String(last.cumVolume),
      pred_pre: changeOf(last).pred_pre,
      pred_pre_sig: signOf(last),
    };
  });
}

function changeOf({ price, instrument: { basePrice } }: MarketTrade) {
  const change = price - basePrice;
  const plus = change > 0 ? "+" : "";
  return {
    pred_pre: plus + String(change),
    pre_rt: plus + ((100 * change) / basePrice).toFixed(2),
  };
}

function signOf({ price, instrument: { basePrice } }: MarketTrade): string {
  return price > basePrice ? "2" : price < basePrice ? "5" : "3";
}

function directed({ instrument: { basePrice } }: MarketTrade, price: number): string {
  return (price > basePrice ? "+" : price < basePrice ? "-" : "") + String(price);
}

function refuse(reply: FastifyReply, return_code: number, code: string, reason: string) {
  return reply.send({ return_code, return_msg: `${titleOf(return_code)}[${code}:${reason}]` });
}

function titleOf(returnCode: number): string {
  if (returnCode === INPUT_ERROR) return "입력 값 오류입니다";
  return returnCode === AUTH_ERROR ? "인증에 실패했습니다" : "";
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
