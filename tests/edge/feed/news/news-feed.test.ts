import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { NewsFeed } from "../../../../app/edge/feed/news/news-feed.ts";
import type { NewsFeedOptions } from "../../../../app/edge/feed/news/news-feed.ts";
import { PollPlan } from "../../../../app/edge/feed/news/poll-plan.ts";
import { SeenItems } from "../../../../app/edge/feed/news/seen-items.ts";
import { HostTurns } from "../../../../app/edge/feed/news/host-turns.ts";
import { readSources } from "../../../../app/edge/feed/news/sources.ts";
import type { NewsSource } from "../../../../app/edge/feed/news/sources.ts";
import { Tagger } from "../../../../app/edge/feed/news/tagger.ts";
import { systemClock } from "../../../../app/shared/clock.ts";
import { TickhubError } from "../../../../app/shared/errors.ts";
import type { Event } from "../../../../app/shared/events.ts";
import type { NewsItem, Reject } from "../../../../app/shared/tick.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { rssOf, startWeb } from "./web.ts";
import type { Web } from "./web.ts";

let web: Web;
const running: NewsFeed[] = [];
beforeAll(async () => void (web = await startWeb()));
afterEach(() => {
  for (const feed of running.splice(0)) feed.stop();
  web.answer = {};
  web.asked.length = 0;
});
afterAll(() => web.close());

const KEY = "secret-key-of-dart";
function collect(sources: NewsSource[], more: Partial<NewsFeedOptions> = {}) {
  const rows: (NewsItem | Reject)[] = [];
  const events: Event[] = [];
  const feed = new NewsFeed({
    sources,
    keys: { dartUrl: web.url, dartKey: KEY, naverUrl: "https://naver.invalid" },
    version: "1.2.3",
    clock: systemClock,
    emit: (event) => void events.push(event),
    take: (row) => void rows.push(row),
    hostPauseMs: 0,
    spreadMs: 0,
    ...more,
  });
  running.push(feed);
  feed.start();
  const polls = () => feed.status().reduce((sum, one) => sum + one.polls, 0);
  return { rows, events, feed, polls };
}
const rss = (path: string, everyMs = 5): NewsSource => ({
  kind: "rss",
  name: "rss:x",
  url: web.url + path,
  everyMs,
});
const says = (path: string, body: () => string | Buffer, headers = {}) =>
  (web.answer[path] = (_request, response) => response.writeHead(200, headers).end(body()));
const until = (what: () => boolean) =>
  expect.poll(what, { timeout: 5_000, interval: 5 }).toBe(true);

describe("a feed", () => {
  test("hands on each item once, however often it is listed", async () => {
    let numbers = [1, 2, 3];
    says("/rss", () => rssOf(numbers));
    const { rows, polls, events } = collect([rss("/rss")]);
    await until(() => polls() >= 3);
    expect(rows).toHaveLength(3);
    numbers = [4, 3, 2];
    await until(() => rows.length === 4);
    const seen = polls();
    await until(() => polls() >= seen + 2);
    expect(rows.map((row) => row.kind === "news" && row.url)).toEqual(
      [1, 2, 3, 4].map((no) => `https://news.example/${no}`),
    );
    expect(events).toEqual([
      { event: "news_polled", source: "rss:x", fresh: 3 },
      { event: "news_polled", source: "rss:x", fresh: 1 },
    ]);
  });

  test("sends what it was told of a document's version, and reads no bytes twice", async () => {
    web.answer["/rss"] = (request, response) => {
      if (request.headers["if-none-match"] === '"v1"') response.writeHead(304).end();
      else response.writeHead(200, { etag: '"v1"' }).end(rssOf([1]));
    };
    const { feed, polls } = collect([rss("/rss")]);
    await until(() => polls() >= 3);
    expect(feed.status()[0]).toMatchObject({ state: "ok", listed: 1, fresh: 1 });
    expect(web.asked.filter(({ path }) => path === "/robots.txt")).toHaveLength(1);
    says("/same", () => rssOf([7]));
    const same = collect([rss("/same")]);
    await until(() => same.polls() >= 3);
    expect(same.feed.status()[0]).toMatchObject({ listed: 1, fresh: 1 });
  });

  test("that is broken goes to quarantine once, with its bytes, and its readable entries are read", async () => {
    says("/rss", () =>
      rssOf([1, 2]).replace("item 2", "2 < 3").replace("</channel></rss>", "<item><title>cut"),
    );
    const { rows, events, polls } = collect([rss("/rss")]);
    await until(() => polls() >= 3);
    expect(rows.map((row) => (row.kind === "news" ? row.title : row.code))).toEqual([
      "item 1",
      "FRAME_GRAMMAR",
      "FRAME_TRUNCATED",
    ]);
    const told = events.filter(({ event }) => event === "record_quarantined");
    expect(told).toMatchObject([
      { source: "rss:x", code: "FRAME_GRAMMAR", count: 1 },
      { source: "rss:x", code: "FRAME_TRUNCATED", count: 1 },
    ]);
  });

  test("in EUC-KR is read, and tagged by names", async () => {
    const korean = Buffer.concat([
      Buffer.from(
        `<?xml version="1.0" encoding="euc-kr"?><rss version="2.0"><channel><title>x</title><item><title>`,
      ),
      Buffer.from([0xbb, 0xef, 0xbc, 0xba, 0xc0, 0xfc, 0xc0, 0xda]),
      Buffer.from(` 005930</title><link>https://news.example/k</link></item></channel></rss>`),
    ]);
    says("/rss", () => korean, { "content-type": "text/xml" });
    const { rows, feed } = collect([], {});
    feed.stop();
    const tagged = collect([rss("/rss", 60_000)], { spreadMs: 0 });
    tagged.feed.tagBy(
      new Tagger([{ symbol: "005930", name: "삼성전자", kind: "stock", aliases: [] }]),
    );
    await until(() => tagged.rows.length === 1);
    expect(tagged.rows[0]).toMatchObject({
      title: "삼성전자 005930",
      symbols: ["005930"],
      feed: "rss:x",
    });
    expect(rows).toEqual([]);
  });

  test("that fails is asked more and more rarely, told once, and heals by itself", async () => {
    let status = 500;
    web.answer["/rss"] = (_request, response) => response.writeHead(status).end(rssOf([1]));
    const { events, feed, rows, polls } = collect([rss("/rss")]);
    await until(() => polls() >= 2);
    expect(feed.status()[0]).toMatchObject({ state: "failing", code: "NEWS_ANSWER" });
    const alarms = events.filter(({ event }) => event === "feed_alarmed");
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatchObject({ code: "NEWS_ANSWER" });
    expect(JSON.stringify(alarms)).toContain("/rss: 500");
    status = 200;
    await until(() => rows.length === 1);
    await until(() => feed.status()[0]!.state === "ok");
  });

  test("that robots.txt forbids is not read", async () => {
    says("/robots.txt", () => "User-agent: tickhub\nDisallow: /rss");
    says("/rss", () => rssOf([1]));
    const { feed, rows } = collect([rss("/rss")]);
    await until(() => feed.status()[0]!.state === "failing");
    expect(feed.status()[0]!.code).toBe("NEWS_ROBOTS");
    expect(rows).toEqual([]);
    expect(web.asked.map(({ path }) => path)).toEqual(["/robots.txt"]);
  });
});

describe("Naver's search", () => {
  test("is asked with its keys, which go nowhere else, and without robots", async () => {
    web.answer["/v1/search/news.json"] = (request, response) => {
      const isKnown =
        request.headers["x-naver-client-id"] === "id" &&
        request.headers["x-naver-client-secret"] === "secret";
      response.writeHead(isKnown ? 200 : 401).end(
        JSON.stringify({
          items: [
            {
              title: "<b>삼성</b>전자 &quot;최대&quot;",
              originallink: "https://e.com/1",
              link: "https://n.news.naver.com/1",
              description: "d",
              pubDate: "Thu, 26 Nov 2026 07:50:00 +0900",
            },
          ],
        }),
      );
    };
    const source: NewsSource = {
      kind: "search",
      name: "search:s",
      url: `${web.url}/v1/search/news.json?query=x`,
      everyMs: 60_000,
    };
    const keys = { dartUrl: web.url, naverUrl: web.url, naverId: "id", naverSecret: "secret" };
    const { rows } = collect([source], { keys });
    await until(() => rows.length === 1);
    expect(rows[0]).toMatchObject({
      title: '삼성전자 "최대"',
      url: "https://e.com/1",
      feed: "search:s",
    });
    expect(web.asked.map(({ path }) => path)).toEqual(["/v1/search/news.json?query=x"]);
    const wrong = collect([source], { keys: { ...keys, naverSecret: "other" } });
    await until(() => wrong.feed.status()[0]!.state === "failing");
    expect(wrong.feed.status()[0]!.code).toBe("NEWS_KEY");
    expect(JSON.stringify(wrong.events)).not.toMatch(/other|"id"/);
  });
});

describe("Open DART", () => {
  const dart: NewsSource = { kind: "dart", name: "dart", everyMs: 5 };
  const row = (no: number) => ({
    ...{
      corp_code: "1",
      corp_name: "삼성전자",
      stock_code: "005930",
      report_nm: `보고서${no}`,
      rcept_dt: "20261126",
    },
    rcept_no: String(20_261_126_000_000 + no),
    flr_nm: "삼성전자",
  });
  /** A day's list, newest first. */
  const serve = (all: () => number[]) =>
    (web.answer["/api/list.json"] = (request, response) => {
      const query = new URL(request.url!, web.url).searchParams;
      const page = Number(query.get("page_no"));
      const list = all()
        .slice(100 * (page - 1), 100 * page)
        .map(row);
      const total = all().length;
      response.end(
        JSON.stringify(
          total === 0
            ? { status: "013", message: "조회된 데이타가 없습니다." }
            : {
                status: "000",
                message: "정상",
                page_no: page,
                page_count: 100,
                total_count: total,
                total_page: Math.ceil(total / 100),
                list,
              },
        ),
      );
    });
  const pages = () =>
    web.asked.map(({ path }) => new URL(path, web.url).searchParams.get("page_no"));

  test("is read whole at first, and then as far as there is something new", async () => {
    let count = 250;
    serve(() => Array.from({ length: count }, (_, at) => count - at));
    const { rows, polls } = collect([dart]);
    await until(() => polls() >= 2);
    expect(rows).toHaveLength(250);
    expect(pages().slice(0, 4)).toEqual(["1", "2", "3", "1"]);
    count = 400;
    await until(() => rows.length === 400);
    count = 401;
    web.asked.length = 0;
    await until(() => rows.length === 401);
    expect(new Set(pages())).toEqual(new Set(["1"]));
    expect(rows[0]).toMatchObject({
      symbols: ["005930"],
      feed: "dart",
      title: "삼성전자, 보고서250",
    });
  });

  test("that is empty is an answer; a limit is waited out until tomorrow in Korea", async () => {
    serve(() => []);
    const empty = collect([dart]);
    await until(() => empty.polls() >= 2);
    expect(empty.feed.status()[0]).toMatchObject({ state: "ok", fresh: 0 });
    web.answer["/api/list.json"] = (_request, response) =>
      response.end(JSON.stringify({ status: "020", message: "요청 제한을 초과하였습니다." }));
    const limited = collect([dart]);
    await until(() => limited.events.some(({ event }) => event === "feed_retrying"));
    const retry = limited.events.find(({ event }) => event === "feed_retrying");
    const inKoreaMs = (systemClock.nowMs() + 9 * 3_600_000) % 86_400_000;
    expect(retry).toMatchObject({ code: "NEWS_LIMIT" });
    const { delayMs } = retry as unknown as { delayMs: number };
    expect(Math.abs(delayMs - (86_400_000 - inKoreaMs))).toBeLessThan(60_000);
  });

  test("never sees its key in an event, an error or a row", async () => {
    for (const answer of [
      () => JSON.stringify({ status: "010", message: "등록되지 않은 인증키입니다." }),
      () => "<html>broken</html>",
      () => JSON.stringify({ status: "000", list: [{ corp_name: 1 }] }),
    ]) {
      says("/api/list.json", answer);
      const { events, rows, feed } = collect([dart]);
      await until(() => feed.status()[0]!.polls >= 1);
      expect(web.asked.every(({ path }) => path.includes(KEY))).toBe(true);
      const shown = rows.map((one) =>
        one.kind === "reject" ? [one.reason, Buffer.from(one.bytes).toString()] : one.url,
      );
      expect(JSON.stringify([events, shown, feed.status()])).not.toContain(KEY);
      feed.stop();
    }
  });

  test("is not asked without a key", async () => {
    const { feed } = collect([dart], { keys: { dartUrl: web.url, naverUrl: web.url } });
    expect(feed.status()).toEqual([]);
    await Promise.resolve();
  });
});

describe("a plan of polls", () => {
  test("spreads them by a tenth, backs off, and believes whoever says how long", () => {
    const plan = new PollPlan(60_000);
    expect([plan.answered(0, 0), plan.answered(0, 0.5), plan.answered(0, 1)]).toEqual([
      54_000, 60_000, 66_000,
    ]);
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((no) => plan.failed(no, 1, "NEWS_ANSWER", 0));
    expect(waits.slice(0, 3)).toEqual([120_000, 180_000, 300_000]);
    expect(waits.at(-1)).toBe(3_600_000);
    expect(plan.failed(9, 0, "NEWS_LIMIT", 7_200_000)).toBe(7_200_000);
    plan.answered(10, 0.5);
    expect(plan.failed(11, 0, "NEWS_ANSWER", 0)).toBe(60_000);
    expect(plan.failures).toBe(1);
    expect(new PollPlan(60_000).failed(0, 0, "NEWS_ROBOTS", 0)).toBe(3_600_000);
    expect(new PollPlan(60_000).failed(0, 0, "NEWS_KEY", 0)).toBe(600_000);
  });
});

test("what was seen is remembered up to a limit, what is listed again the longest", () => {
  const seen = new SeenItems(2);
  const digest = (no: number) => new Uint8Array([no]);
  expect([1, 2, 1, 3, 1, 2].map((no) => seen.note(digest(no)))).toEqual([
    false,
    false,
    true,
    false,
    true,
    false,
  ]);
  expect(seen.size).toBe(2);
});

test("a host is asked one thing at a time, with a pause that it may make longer", async () => {
  const clock = new FakeClock();
  const turns = new HostTurns(clock, 2_000);
  const order: string[] = [];
  const ask = (host: string, name: string, delayMs = 0) =>
    turns.take(
      host,
      () => Promise.resolve(order.push(`${name}@${clock.monoMs()}`)),
      () => delayMs,
    );
  void ask("a", "1", 5_000);
  void ask("a", "2");
  void ask("a", "3");
  void ask("b", "4");
  await clock.advanceSlowly(8_000, 500);
  expect(order).toEqual(["1@500", "4@500", "2@5500", "3@7500"]);
});

describe("the list of feeds", () => {
  test("is a list, or a file of lines; ours is good", () => {
    expect(
      readSources("rss:a=https://e.com/x?a=1,2,search:b=https://s.com/?q=%EC%82%BC every=60,dart"),
    ).toEqual([
      { kind: "rss", name: "rss:a", url: "https://e.com/x?a=1,2", everyMs: 300_000 },
      { kind: "search", name: "search:b", url: "https://s.com/?q=%EC%82%BC", everyMs: 60_000 },
      { kind: "dart", name: "dart", everyMs: 60_000 },
    ]);
    const ours = readSources(undefined);
    expect(ours.length).toBeGreaterThan(5);
    expect(ours[0]).toEqual({ kind: "dart", name: "dart", everyMs: 60_000 });
    expect(readSources("dart every=1")).toEqual([{ kind: "dart", name: "dart", everyMs: 30_000 }]);
  });

  test("that is wrong says what it wants, and shows no address", () => {
    for (const wrong of [
      "rss:a=ftp://u:secret@e.com",
      "rss:A=https://secret",
      "news",
      "rss:a=https://e.com/?secret,rss:a=https://f.com",
      "./nothing/here.txt",
      "",
    ]) {
      const refused = () => readSources(wrong);
      expect(refused).toThrow(TickhubError);
      expect(refused).toThrow(/TICKHUB_NEWS_FEEDS/);
      expect(refused).not.toThrow(/secret/);
    }
  });
});
