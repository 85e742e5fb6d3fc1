// The light edge from end to end: a real hub, the real process, publishers on loopback, and what SQL finds.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EdgeReport } from "../../app/edge/core.ts";
import type { SourceStatus } from "../../app/edge/feed/news/news-feed.ts";
import type { NewsItem } from "../../app/shared/tick.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, TOKEN, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { rssOf, startWeb } from "./feed/news/web.ts";
import type { Web } from "./feed/news/web.ts";

type Status = EdgeReport & { news: { names: number; sources: SourceStatus[] } };

let database: TestDatabase;
let hub: TestHub;
let web: Web;
const children: ChildProcess[] = [];
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, {
    edges: new Map([["light", TOKEN]]),
    accounts: [],
    symbols: [],
  });
  web = await startWeb();
  await database.pool.query(
    `insert into instrument (venue, symbol, name, aliases)
     values ('KRX', '005930', '삼성전자', '{SamsungElectronics}'), ('KRX', '000660', 'SK하이닉스', '{}')`,
  );
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(async () => {
  await hub.stop();
  await web.close();
  await database.drop();
});

/** `tickhub edge --feed news` over the publishers of `web`. */
async function startEdge(env: Record<string, string> = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TICKHUB|KIS|KIWOOM)_/.test(name));
  const child = spawn(process.execPath, ["app/cli/main.ts", "edge", "--feed", "news"], {
    env: {
      ...Object.fromEntries(kept),
      TICKHUB_EDGE_ID: "light",
      TICKHUB_EDGE_TOKEN: TOKEN,
      TICKHUB_HUB_URL: hub.gatewayUrl,
      TICKHUB_NEWS_FEEDS: `rss:a=${web.url}/a,rss:b=${web.url}/b,search:s=${web.url}/s?q=x,dart`,
      OPENDART_API_KEY: "key-of-dart",
      OPENDART_API_URL: web.url,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let logs = "";
  child.stderr.on("data", (chunk: Buffer) => (logs += chunk.toString()));
  const said: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on("line", (line) =>
    said.push(JSON.parse(line) as Record<string, unknown>),
  );
  await until(() => said.length > 0 || child.exitCode !== null, "the edge listens");
  const status = async () =>
    (await (await fetch(`${String(said[0]!.url)}/status`)).json()) as Status;
  return {
    status,
    logs: () => logs,
    async stop() {
      child.kill("SIGTERM");
      const [code] = (await once(child, "exit")) as [number];
      return { code, report: said.at(-1) as unknown as EdgeReport };
    },
  };
}

const polledAll = async (edge: Awaited<ReturnType<typeof startEdge>>) => {
  await until(
    async () => (await edge.status()).news.sources.every(({ polls }) => polls > 0),
    "every source is polled",
  );
  await until(async () => (await edge.status()).ledger.held === 0, "all is committed");
};
const news = async () =>
  (
    await database.pool.query<
      Pick<NewsItem, "title" | "url" | "summary" | "symbols"> & {
        feed: string;
        at: string | null;
      }
    >("select feed, title, url, summary, symbols, published_at::text as at from news")
  ).rows.sort((a, b) => (a.url < b.url ? -1 : 1));

describe("a news edge", () => {
  test("stores what its feeds list once, tags it, and adds nothing when it starts again", async () => {
    const dart = {
      corp_name: "삼성전자",
      report_nm: "주요사항보고서",
      rcept_no: "20261127000001",
      rcept_dt: "20261127",
      stock_code: "005930",
    };
    web.answer["/a"] = (_request, response) => response.end(rssOf([1, 2], "Samsung Electronics"));
    // Lists one that the other has, too, and ends in the middle of an entry.
    const own = "<item><title>SK하이닉스의 3</title><link>https://news.example/3</link></item>";
    web.answer["/b"] = (_request, response) =>
      response.end(
        rssOf([2], "Samsung Electronics").replace("</channel>", `${own}<item><title>half`),
      );
    web.answer["/s"] = (_request, response) =>
      response.end(
        JSON.stringify({
          items: [{ title: "<b>삼성전자</b>", link: "https://news.example/s?utm_source=x" }],
        }),
      );
    web.answer["/api/list.json"] = (_request, response) =>
      response.end(
        JSON.stringify({
          status: "000",
          message: "정상",
          total_count: 1,
          total_page: 1,
          list: [dart],
        }),
      );

    const first = await startEdge();
    await polledAll(first);
    const status = await first.status();
    expect(status.news.names).toBe(2);
    expect(status.ledger).toMatchObject({
      received: 6,
      committed: 5,
      quarantined: 1,
      duplicate: 0,
      lost: 0,
    });
    const rows = await news();
    expect(rows.map(({ title, url, symbols }) => [title, url, symbols.join()])).toEqual([
      [
        "삼성전자, 주요사항보고서",
        "https://dart.fss.or.kr/dsaf001/main.do?rcpNo=20261127000001",
        "005930",
      ],
      ["Samsung Electronics 1", "https://news.example/1", "005930"],
      ["Samsung Electronics 2", "https://news.example/2", "005930"],
      ["SK하이닉스의 3", "https://news.example/3", "000660"],
      ["삼성전자", "https://news.example/s", "005930"],
    ]);
    const { rows: aside } = await database.pool.query("select source, code from quarantine");
    expect(aside).toEqual([{ source: "news:light", code: "FRAME_TRUNCATED" }]);
    const stopped = await first.stop();
    expect(stopped.code).toBe(0);
    expect(stopped.report).toMatchObject({ balanced: true, ledger: { held: 0 } });
    expect(first.logs()).not.toContain("key-of-dart");

    const second = await startEdge();
    await polledAll(second);
    expect(await news()).toEqual(rows);
    const again = await second.stop();
    // The quarantine keeps what came, as often as it came: it has no key.
    expect(again.report.ledger).toMatchObject({
      received: 6,
      committed: 0,
      duplicate: 5,
      quarantined: 1,
      held: 0,
    });
    const picture = await hub.picture();
    expect(picture.total).toMatchObject({
      received: 12,
      committed: 5,
      duplicate: 5,
      quarantined: 2,
      isBalanced: true,
    });
    expect(picture.unbalanced).toEqual([]);
  });
});
