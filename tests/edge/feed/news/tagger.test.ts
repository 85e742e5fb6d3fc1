import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Tagger } from "../../../../app/edge/feed/news/tagger.ts";
import { readInstruments } from "../../../../app/shared/instruments.ts";
import { dataFile } from "../../../support/data.ts";

const some = [
  ["005930", "삼성전자", "stock", "SamsungElectronics"],
  ["005935", "삼성전자우", "preferred"],
  ["000660", "SK하이닉스", "stock", "에스케이하이닉스", "SK hynix"],
  ["034730", "SK", "stock"],
  ["035720", "카카오", "stock", "Kakao"],
  ["323410", "카카오뱅크", "stock"],
  ["001680", "대상", "stock"],
  ["035420", "NAVER", "stock"],
  ["160550", "NEW", "stock"],
  ["000270", "기아", "stock"],
  ["373220", "LG에너지솔루션", "stock", "LG Energy Solution"],
  ["069500", "KODEX 200", "etf"],
  ["122630", "KODEX 레버리지", "etf"],
  ["034120", "SBS", "stock"],
] as const;
const tagger = new Tagger(
  some.map(([symbol, name, kind, ...aliases]) => ({ symbol, name, kind, aliases })),
);
const tags = (title: string, summary = "") => tagger.tag(title, summary);

describe("a name", () => {
  test("tags its instrument alone, with a particle, and between marks", () => {
    expect(tags("삼성전자 3분기 실적")).toEqual(["005930"]);
    expect(tags("삼성전자가 웃었다")).toEqual(["005930"]);
    expect(tags("코스피, '삼성전자·SK하이닉스' 급락")).toEqual(["005930", "000660"]);
    expect(tags("외국인이 삼성전자를 SK하이닉스와 함께")).toEqual(["005930", "000660"]);
  });

  test("inside of a longer word is none", () => {
    expect(tags("카카오톡 장애")).toEqual([]);
    expect(tags("SK온 상장")).toEqual([]);
    expect(tags("신삼성전자")).toEqual([]);
    expect(tags("기아자동차 노조")).toEqual(["000270"]);
  });

  test("that is longer wins: a preferred share and a subsidiary are not their company", () => {
    expect(tags("삼성전자우 배당")).toEqual(["005935"]);
    expect(tags("카카오뱅크, 카카오 제치고")).toEqual(["323410", "035720"]);
    expect(tags("KODEX 200 순매수")).toEqual(["069500"]);
    expect(tags("KODEX 200선물인버스")).toEqual([]);
  });

  test("that is a word, a publisher or a group counts only where the company is meant", () => {
    expect(tags("조사 대상 확대")).toEqual([]);
    expect(tags("대상 기업 30곳")).toEqual([]);
    expect(tags("대상, 3분기 영업이익 12% 늘어")).toEqual(["001680"]);
    expect(tags("[특징주] 대상, 신고가")).toEqual(["001680"]);
    expect(tags("대상(001680) 목표가 상향")).toEqual(["001680"]);
    expect(tags("㈜대상 공시")).toEqual(["001680"]);
    expect(tags("KOSPI Plummets - SBS 뉴스")).toEqual([]);
    expect(tags("SK 주가 강세")).toEqual(["034730"]);
    expect(tags("What is new in NEW York")).toEqual([]);
  });

  test("has the nicknames of the press, and English ones in any spelling", () => {
    expect(tags("네이버, 3분기 최대 실적")).toEqual(["035420"]);
    expect(tags("LG엔솔 수주")).toEqual(["373220"]);
    expect(tags("Samsung Electronics, SK Hynix plunge")).toEqual(["005930", "000660"]);
    expect(tags("Why SK hynix fell")).toEqual(["000660"]);
    expect(tags("LG Energy Solution Jumps 20%")).toEqual(["373220"]);
    expect(tags("에스케이하이닉스 공시")).toEqual(["000660"]);
  });
});

describe("a code", () => {
  test("in brackets or with its market tags what the master knows", () => {
    expect(tags("반도체 강세 (005930)", "000660.KS up")).toEqual(["005930", "000660"]);
    expect(tags("날짜 (202611) 와 (999999)")).toEqual([]);
    expect(tags("전화 005930")).toEqual([]);
  });
});

test("a text that names more than twenty instruments is about none", () => {
  const many = Array.from({ length: 21 }, (_, at) => ({
    ...{
      symbol: String(100_000 + at),
      name: `회사${"가나다라마바사"[at % 7]}${at}호`,
      kind: "stock" as const,
    },
    aliases: [],
  }));
  const wide = new Tagger(many);
  expect(wide.tag(many.map(({ name }) => name).join(", "), "")).toEqual([]);
  expect(
    wide.tag(
      many
        .slice(0, 20)
        .map(({ name }) => name)
        .join(", "),
      "",
    ),
  ).toHaveLength(20);
});

describe("the master of KRX", () => {
  const path = dataFile("krx-reference/MDCSTAT01901_ALL.json.gz");
  const json = (file: string) => JSON.parse(gunzipSync(readFileSync(file)).toString()) as unknown;

  test.skipIf(path === null)("is read with kinds and names, and each stock finds itself", () => {
    const { instruments, refused } = readInstruments(json(path!))!;
    expect(instruments).toHaveLength(2_882);
    expect(refused).toBe(0);
    const samsung = instruments.find(({ symbol }) => symbol === "005930");
    expect(samsung).toEqual({
      ...{ venue: "KRX", symbol: "005930", name: "삼성전자", kind: "stock" },
      ...{ isin: "KR7005930003", listedOn: "1975-06-11", aliases: ["SamsungElectronics"] },
    });
    expect(instruments.find(({ symbol }) => symbol === "005935")).toMatchObject({
      ...{ kind: "preferred", aliases: [] },
    });
    const all = new Tagger(instruments);
    const lost = instruments.filter(
      ({ name, symbol }) => !all.tag(`[공시] ${name}, 단일판매 계약`, "").includes(symbol),
    );
    expect(lost.map(({ name }) => name)).toEqual([]);
  });

  test.skipIf(path === null)("tags sentences without any company with nothing", () => {
    const { instruments } = readInstruments(json(path!))!;
    const all = new Tagger(instruments);
    for (const sentence of [
      "조사 대상 기업의 남성 직원이 동양에서 레이를 만났다",
      "아침 노을이 지는 서산 앞바다에서 대원들이 진도로 향했다",
      "한국은행, 기준금리 동결… 환율 1400원 선진국 통화 약세",
      "New device for medical vision: the leaders of a global union",
      "미래 산업과 나노 기술의 전방 수요, 세종시 대동제 열려",
    ]) {
      expect([sentence, all.tag(sentence, "")]).toEqual([sentence, []]);
    }
  });

  test("has its funds in files of another shape", () => {
    const etf = dataFile("krx-reference/MDCSTAT04301_20210325.json.gz");
    const finder = dataFile("krx-reference/finder_stkisu.json.gz");
    if (etf === null || finder === null) return;
    const funds = readInstruments(json(etf))!.instruments;
    expect(funds).toHaveLength(467);
    expect(new Set(funds.map(({ kind }) => kind))).toEqual(new Set(["etf"]));
    expect(readInstruments(json(finder))!.instruments).toHaveLength(2_894);
    expect(readInstruments({ rows: [] })).toBeNull();
    expect(readInstruments("no")).toBeNull();
  });
});
