// Open DART's list of disclosures (https://opendart.fss.or.kr/guide/detail.do?apiGrpCd=DS001&apiId=2019001):
//   GET /api/list.json?crtfc_key=…&bgn_de=20261126&end_de=20261127&page_no=1&page_count=100
//   {"status":"000","message":"정상","page_no":1,"page_count":100,"total_count":1312,"total_page":14,"list":[
//    {"corp_code":"00126380","corp_name":"삼성전자","stock_code":"005930","corp_cls":"Y","report_nm":"…",
//     "rcept_no":"20261127000123","flr_nm":"삼성전자","rcept_dt":"20261127","rm":""}]}
// It knows a disclosure's day and not its hour. Pure; the key is the fetcher's.
import { z } from "zod";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { Contents } from "./listed.ts";

export const DART_PAGE_ROWS = 100;
/** A key's requests a day (error 020); some are left to whoever else uses the key. */
export const DART_REQUESTS_PER_DAY = 18_000;

const text = z.string().optional().catch(undefined);
const rowSchema = z.object({
  corp_name: z.string().min(1),
  report_nm: z.string().min(1),
  rcept_no: z.string().regex(/^\d{14}$/),
  rcept_dt: z.string().regex(/^\d{8}$/),
  stock_code: text,
  flr_nm: text,
  rm: text,
});
const count = z.coerce.number().int().min(0);
const replySchema = z.object({
  status: z.string(),
  message: text,
  total_count: count.optional(),
  total_page: count.optional(),
  list: z.array(z.unknown()).optional(),
});

export type DartReply =
  | ({ name: "page"; total: number; pages: number } & Contents)
  | { name: "refused"; code: ErrorCode; status: string; message: string };

/** Days in Korea, YYYYMMDD, `back` days before the one of `nowMs`. */
export function dayInKorea(nowMs: number, back = 0): string {
  return new Date(nowMs + (9 - 24 * back) * 3_600_000)
    .toISOString()
    .slice(0, 10)
    .replaceAll("-", "");
}

/** Path and query of one page, without the key. */
export function dartPath(from: string, to: string, page: number): string {
  const query = new URLSearchParams({
    bgn_de: from,
    end_de: to,
    page_no: String(page),
    page_count: String(DART_PAGE_ROWS),
  });
  return `/api/list.json?${query.toString()}`;
}

/**
 * What an answer means. 013 is an empty day. 010 to 012 and 901 are the key's, 020 the day's limit, 800 a break
 * for maintenance; anything else that is no list is broken.
 */
export function readDartReply(body: string): DartReply {
  const reply = replySchema.safeParse(jsonIn(body));
  if (!reply.success) {
    const reason = "no answer of Open DART: no `status`";
    const broken = [{ code: "FRAME_GRAMMAR" as const, reason, text: body }];
    return { name: "page", total: 0, pages: 1, listed: [], broken };
  }
  const { status, message = "", list = [], total_count: total, total_page: pages } = reply.data;
  if (status === "013") return { name: "page", total: 0, pages: 1, listed: [], broken: [] };
  if (status !== "000") return { name: "refused", code: codeOfStatus(status), status, message };
  const contents: Contents = { listed: [], broken: [] };
  for (const [at, raw] of list.slice(0, DART_PAGE_ROWS).entries()) {
    const row = rowSchema.safeParse(raw);
    if (row.success) contents.listed.push(listedOf(row.data));
    else {
      const reason = `disclosure ${at + 1}: ${row.error.issues[0]?.path.join(".") ?? "a field"} is not as documented`;
      contents.broken.push({ code: "FIELD_MALFORMED", reason, text: JSON.stringify(raw) });
    }
  }
  return { name: "page", total: total ?? list.length, pages: pages ?? 1, ...contents };
}

function codeOfStatus(status: string): ErrorCode {
  if (["010", "011", "012", "901"].includes(status)) return "NEWS_KEY";
  return status === "020" ? "NEWS_LIMIT" : "NEWS_ANSWER";
}

function listedOf(row: z.infer<typeof rowSchema>): Contents["listed"][number] {
  const { corp_name: company, report_nm: report, rcept_no: id, rcept_dt: day } = row;
  const symbol = (row.stock_code ?? "").trim();
  const filer = (row.flr_nm ?? "").trim();
  return {
    id,
    title: `${company.trim()}, ${report.trim()}`,
    url: `https://dart.fss.or.kr/dsaf001/main.do?rcpNo=${id}`,
    summary: filer === "" || filer === company.trim() ? "" : filer,
    published: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`,
    symbols: /^[0-9A-Z]{6}$/.test(symbol) ? [symbol] : [],
  };
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
