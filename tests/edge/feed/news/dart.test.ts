import { describe, expect, test } from "vitest";
import { dartPath, dayInKorea, readDartReply } from "../../../../app/edge/feed/news/dart.ts";
import { itemOf } from "../../../../app/edge/feed/news/listed.ts";

const row = {
  corp_code: "00126380",
  corp_name: "삼성전자",
  stock_code: "005930",
  corp_cls: "Y",
  report_nm: "[기재정정]주요사항보고서(자기주식취득결정)        ",
  rcept_no: "20261127000123",
  flr_nm: "삼성전자",
  rcept_dt: "20261127",
  rm: "",
};
const page = (list: unknown[], more = {}) =>
  JSON.stringify({
    status: "000",
    message: "정상",
    page_no: 1,
    page_count: 100,
    total_count: 312,
    total_page: 4,
    list,
    ...more,
  });

describe("a list of disclosures", () => {
  test("has titles of company and report, the viewer's address, and the share's code", () => {
    const reply = readDartReply(
      page([row, { ...row, rcept_no: "20261127000124", stock_code: " ", flr_nm: "국민연금공단" }]),
    );
    if (reply.name !== "page") throw new Error(reply.code);
    expect([reply.total, reply.pages, reply.broken]).toEqual([312, 4, []]);
    const [one, two] = reply.listed.map((listed) =>
      itemOf(listed, {
        feed: "dart",
        url: "https://dart.fss.or.kr/",
        edgeRecvMs: Date.parse("2026-11-27T09:00:00+09:00"),
      }),
    );
    expect(one).toMatchObject({
      title: "삼성전자, [기재정정]주요사항보고서(자기주식취득결정)",
      url: "https://dart.fss.or.kr/dsaf001/main.do?rcpNo=20261127000123",
      publishedMs: Date.parse("2026-11-27T00:00:00+09:00"),
      symbols: ["005930"],
      summary: "",
    });
    expect(two).toMatchObject({ symbols: [], summary: "국민연금공단" });
  });

  test("that is empty (013) is an empty page; a row that is not as documented is refused alone", () => {
    expect(
      readDartReply(JSON.stringify({ status: "013", message: "조회된 데이타가 없습니다." })),
    ).toEqual({
      ...{ name: "page", total: 0, pages: 1, listed: [], broken: [] },
    });
    const reply = readDartReply(page([{ ...row, rcept_no: "7" }, row]));
    expect(reply).toMatchObject({
      listed: [{ id: row.rcept_no }],
      broken: [{ code: "FIELD_MALFORMED", reason: "disclosure 1: rcept_no is not as documented" }],
    });
    expect(readDartReply("<html>")).toMatchObject({
      name: "page",
      broken: [{ code: "FRAME_GRAMMAR" }],
    });
  });

  test("that is refused says whether key, limit or server is at fault", () => {
    const codeOf = (status: string) => readDartReply(JSON.stringify({ status, message: "m" }));
    for (const status of ["010", "011", "012", "901"])
      expect(codeOf(status)).toMatchObject({ name: "refused", code: "NEWS_KEY", status });
    expect(codeOf("020")).toMatchObject({ code: "NEWS_LIMIT" });
    for (const status of ["100", "800", "900"])
      expect(codeOf(status)).toMatchObject({ code: "NEWS_ANSWER" });
  });
});

test("days are Korea's, and a request holds no key", () => {
  expect(dayInKorea(Date.parse("2026-11-26T15:00:00Z"))).toBe("20261127");
  expect(dayInKorea(Date.parse("2026-11-26T14:59:59Z"))).toBe("20261126");
  expect(dayInKorea(Date.parse("2026-11-30T01:00:00Z"), 3)).toBe("20261127");
  expect(dartPath("20261126", "20261127", 2)).toBe(
    "/api/list.json?bgn_de=20261126&end_de=20261127&page_no=2&page_count=100",
  );
});
