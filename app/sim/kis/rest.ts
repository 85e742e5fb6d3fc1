// KIS over HTTP: keys, today's trades page by page, holidays (kis.md §1, §5). Errors come the way the
// broker sends them: HTTP 500 with a msg_cd, also for too many calls.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { BrokerContext } from "../broker.ts";
import type { Faults } from "../faults.ts";
import type { MarketTrade } from "../market/event.ts";
import { RateLimit } from "../rate.ts";
import { kst } from "../time.ts";
import type { KisKeys } from "./keys.ts";

const PAGE_ROWS = 30;
const DAY_MS = 86_400_000;
const DOMESTIC = "/uapi/domestic-stock/v1/quotations";
const OVERSEAS = "/uapi/overseas-price/v1/quotations";

type Query = Record<string, string | undefined>;
type Answer = (query: Query, reply: FastifyReply) => object;

/** Adds KIS's routes to `server`. */
export function serveKisRest(
  server: FastifyInstance,
  context: BrokerContext,
  keys: KisKeys,
  faults: Faults,
): void {
  const { clock, options } = context;
  const tradesOf = (code: string) => context.tradesOf(code);
  const limit = new RateLimit(clock, options.kisRequestsPerSecond);

  server.post("/oauth2/Approval", (request, reply) => {
    const { appkey, secretkey } = bodyOf(request);
    const isAsked = isText(appkey) && isText(secretkey);
    if (!isAsked || faults.take("auth-refuse")) return refuseKey(reply);
    const approval_key = keys.approve(appkey);
    return approval_key === undefined ? refuseKey(reply) : reply.send({ approval_key });
  });

  server.post("/oauth2/tokenP", (request, reply) => {
    const { appkey, appsecret } = bodyOf(request);
    const isAsked = isText(appkey) && isText(appsecret);
    if (!isAsked || faults.take("auth-refuse")) return refuseKey(reply);
    const token = keys.issue(appkey, clock.nowMs());
    if (token === undefined) return refuseKey(reply);
    if (token === "too-soon") {
      const error_description = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)";
      return reply.code(403).send({ error_description, error_code: "EGW00133" });
    }
    return reply.send({
      access_token: token.token,
      access_token_token_expired: dashed(token.expiresMs),
      token_type: "Bearer",
      expires_in: Math.floor((token.expiresMs - clock.nowMs()) / 1000),
    });
  });

  /** A quotation route: asks for token, TR id and rate first, as the broker does. */
  const quotation = (path: string, tr: string, answer: Answer) =>
    server.get(path, (request, reply) => {
      const { authorization = "", appkey, tr_id } = request.headers;
      const account = keys.tokenAccount(authorization.replace(/^Bearer /, ""));
      if (account === undefined || account !== appkey) {
        return refuse(reply, "EGW00121", "유효하지 않은 token 입니다.");
      }
      if (!limit.take(account) || faults.take("rate-limit")) {
        return refuse(reply, "EGW00201", "초당 거래건수를 초과하였습니다.");
      }
      if (tr_id !== tr) return refuse(reply, "EGW00203", "TR_ID 가 올바르지 않습니다.");
      return reply.send({
        rt_cd: "0",
        msg_cd: "MCA00000",
        msg1: "정상처리 되었습니다.",
        ...answer(request.query as Query, reply),
      });
    });

  quotation(`${DOMESTIC}/inquire-time-itemconclusion`, "FHPST01060000", (query) => {
    const { FID_INPUT_ISCD: code = "", FID_INPUT_HOUR_1: hour = "" } = query;
    return { output2: latest(tradesOf(code), hour || "999999").map(conclusion) };
  });
  quotation(`${DOMESTIC}/inquire-ccnl`, "FHKST01010300", ({ FID_INPUT_ISCD: code = "" }) => {
    return { output: latest(tradesOf(code), "999999").map(lastTrade) };
  });
  quotation(`${DOMESTIC}/chk-holiday`, "CTCA0903R", ({ BASS_DT: from = "" }) => {
    return { ctx_area_nk: "", ctx_area_fk: "", output: openDays(from, context.marketMs()) };
  });
  quotation(`${OVERSEAS}/inquire-ccnl`, "HHDFS76200300", (query, reply) => {
    const { SYMB: code = "", TDAY: today, KEYB: key = "" } = query;
    // This market has no yesterday.
    const trades = today === "1" ? tradesOf(code) : [];
    const end = key === "" ? trades.length : Math.min(Number(key) || 0, trades.length);
    const start = Math.max(0, end - PAGE_ROWS);
    void reply.header("tr_cont", start > 0 ? "M" : "D");
    const page = trades.slice(start, end).reverse().map(overseasTrade);
    return { keyb: start > 0 ? String(start) : "", output1: page };
  });
}

/** The newest trades at or before `hour` (HHMMSS), newest first, one page of them. */
function latest(trades: readonly MarketTrade[], hour: string): MarketTrade[] {
  const page: MarketTrade[] = [];
  for (let i = trades.length - 1; i >= 0 && page.length < PAGE_ROWS; i--) {
    if (kst(trades[i]!.marketMs).time <= hour) page.push(trades[i]!);
  }
  return page;
}

function conclusion(trade: MarketTrade) {
  return {
    stck_cntg_hour: kst(trade.marketMs).time,
    stck_pbpr: String(trade.price),
    ...changeOf(trade),
    askp: String(trade.ask),
    bidp: String(trade.bid),
    tday_rltv: strength(trade),
    acml_vol: String(trade.cumVolume),
    cnqn: String(trade.size),
  };
}

function overseasTrade(trade: MarketTrade) {
  const { price, ask, bid } = trade;
  return {
    khms: kst(trade.marketMs).time,
    last: price.toFixed(4),
    evol: String(trade.size),
    tvol: String(trade.cumVolume),
    mtyp: "1",
    pbid: bid.toFixed(4),
    pask: ask.toFixed(4),
    vpow: strength(trade),
  };
}

function lastTrade(trade: MarketTrade) {
  return {
    stck_cntg_hour: kst(trade.marketMs).time,
    stck_prpr: String(trade.price),
    ...changeOf(trade),
    cntg_vol: String(trade.size),
    tday_rltv: strength(trade),
  };
}

function changeOf({ price, instrument: { basePrice } }: MarketTrade) {
  const change = price - basePrice;
  return {
    prdy_vrss: String(change),
    prdy_vrss_sign: change > 0 ? "2" : change < 0 ? "5" : "3",
    prdy_ctrt: ((100 * change) / basePrice).toFixed(2),
  };
}

function strength({ buyVolume, sellVolume }: MarketTrade): string {
  return ((100 * buyVolume) / Math.max(1, sellVolume)).toFixed(2);
}

/** Ten days from `from` (YYYYMMDD), all open: this market never closes. */
function openDays(from: string, marketMs: number) {
  const [, y, m, d] = /^(\d{4})(\d\d)(\d\d)$/.exec(from) ?? [];
  const startMs = y === undefined ? marketMs : Date.UTC(Number(y), Number(m) - 1, Number(d));
  return Array.from({ length: 10 }, (_, i) => {
    const ms = startMs + i * DAY_MS;
    const wday_dvsn_cd = `0${new Date(ms).getUTCDay() + 1}`;
    const open = { bzdy_yn: "Y", tr_day_yn: "Y", opnd_yn: "Y", sttl_day_yn: "Y" };
    return { bass_dt: kst(ms).date, wday_dvsn_cd, ...open };
  });
}

function refuse(reply: FastifyReply, msg_cd: string, msg1: string) {
  return reply.code(500).send({ rt_cd: "1", msg_cd, msg1 });
}

function refuseKey(reply: FastifyReply) {
  const error_description = "유효하지 않은 AppKey입니다.";
  return reply.code(403).send({ error_description, error_code: "EGW00103" });
}

function bodyOf(request: FastifyRequest): Record<string, unknown> {
  return (request.body ?? {}) as Record<string, unknown>;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function dashed(ms: number): string {
  const { date, time } = kst(ms);
  const day = date.replace(/^(\d{4})(\d\d)/, "$1-$2-");
  return `${day} ${time.replace(/^(\d\d)(\d\d)/, "$1:$2:")}`;
}
