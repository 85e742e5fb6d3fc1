import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Fetcher, lookupPublic } from "../../../../app/edge/feed/news/fetcher.ts";
import type { Asked } from "../../../../app/edge/feed/news/fetcher.ts";
import { Robots } from "../../../../app/edge/feed/news/robots.ts";
import { systemClock } from "../../../../app/shared/clock.ts";
import { TickhubError } from "../../../../app/shared/errors.ts";
import { isPublic } from "../../../../app/shared/private-address.ts";
import { startWeb } from "./web.ts";
import type { Web } from "./web.ts";

let web: Web;
beforeAll(async () => void (web = await startWeb()));
afterEach(() => {
  web.answer = {};
  web.asked.length = 0;
});
afterAll(() => web.close());

const limits = { timeoutMs: 5_000, bytesMax: 10_000, redirectsMax: 3 };
const make = (more: Partial<typeof limits> = {}) =>
  new Fetcher({ clock: systemClock, userAgent: "tickhub/test", ...limits, ...more });
const fetcher = make();
const get = (path: string, more: Partial<Asked> = {}) =>
  fetcher.get({ url: web.url + path, ...more });
const refusal = async (promise: Promise<unknown>) => {
  const error: unknown = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TickhubError)) throw new Error(`no refusal but ${String(error)}`);
  return { code: error.code, ...error.context };
};
const text = async (promise: ReturnType<typeof get>) => {
  const answer = await promise;
  return answer.name === "document" ? Buffer.from(answer.bytes).toString() : answer.name;
};

describe("a document", () => {
  test("is asked for only where it changed", async () => {
    web.answer["/a"] = (request, response) => {
      const isSame =
        request.headers["if-none-match"] === '"1"' &&
        request.headers["if-modified-since"] === "yesterday";
      if (isSame) response.writeHead(304).end();
      else response.writeHead(200, { etag: '"1"', "last-modified": "yesterday" }).end("x");
    };
    const first = await get("/a");
    if (first.name !== "document") throw new Error(first.name);
    expect(first).toMatchObject({ etag: '"1"', lastModified: "yesterday", contentType: "" });
    expect(await get("/a", { since: first })).toEqual({ name: "unchanged" });
    expect(web.asked[0]!.headers["user-agent"]).toBe("tickhub/test");
  });

  test("comes packed, and is bounded unpacked", async () => {
    web.answer["/gz"] = (_request, response) => {
      expect(_request.headers["accept-encoding"]).toContain("gzip");
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("삼성전자"));
    };
    web.answer["/bomb"] = (_request, response) =>
      response
        .writeHead(200, { "content-encoding": "gzip" })
        .end(gzipSync(Buffer.alloc(5_000_000)));
    web.answer["/broken"] = (_request, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end("not packed");
    web.answer["/half"] = (_request, response) =>
      response
        .writeHead(200, { "content-encoding": "gzip" })
        .end(gzipSync(Buffer.alloc(5_000, "ab")).subarray(0, 20));
    expect(await text(get("/gz"))).toBe("삼성전자");
    expect(await refusal(get("/bomb"))).toMatchObject({ code: "NEWS_TOO_LARGE", bytesMax: 10_000 });
    expect(await refusal(get("/broken"))).toMatchObject({ code: "NEWS_UNREACHABLE" });
    expect(await refusal(get("/half"))).toMatchObject({ code: "NEWS_UNREACHABLE" });
  });

  test("that is too large is refused, by its head or as it comes", async () => {
    web.answer["/told"] = (_request, response) =>
      response.writeHead(200, { "content-length": 20_000 }).end(Buffer.alloc(20_000));
    web.answer["/untold"] = (_request, response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write(Buffer.alloc(4_000)), 1);
      response.on("close", () => clearInterval(more));
    };
    expect(await refusal(get("/told"))).toMatchObject({ code: "NEWS_TOO_LARGE", path: "/told" });
    expect(await refusal(get("/untold"))).toMatchObject({ code: "NEWS_TOO_LARGE" });
  });

  test("that is slow or cut off is an error, not half a document", async () => {
    web.answer["/slow"] = (_request, response) => response.writeHead(200).write("<rss>");
    web.answer["/cut"] = (_request, response) => {
      response.writeHead(200, { "content-length": 100 }).write("<rss>");
      setTimeout(() => response.destroy(), 20);
    };
    const short = make({ timeoutMs: 100 });
    expect(await refusal(short.get({ url: `${web.url}/slow` }))).toMatchObject({
      code: "NEWS_UNREACHABLE",
      reason: "timeout",
    });
    expect(await refusal(get("/cut"))).toMatchObject({ code: "NEWS_UNREACHABLE" });
    expect(await refusal(fetcher.get({ url: "http://127.0.0.1:1/" }))).toMatchObject({
      ...{ code: "NEWS_UNREACHABLE", host: "127.0.0.1:1", reason: "ECONNREFUSED" },
    });
  });
});

describe("an answer that is no document", () => {
  const says = (status: number, headers: Record<string, string> = {}) =>
    (web.answer["/s"] = (_request, response) => response.writeHead(status, headers).end("x"));

  test("says when to come again, and never later than in a day", async () => {
    says(429, { "retry-after": "120" });
    expect(await refusal(get("/s?key=abc"))).toEqual({
      ...{ code: "NEWS_LIMIT", status: 429, retryAfterMs: 120_000 },
      ...{ host: new URL(web.url).host, path: "/s" },
    });
    says(503, { "retry-after": new Date(systemClock.nowMs() + 60_000).toUTCString() });
    const { retryAfterMs } = (await refusal(get("/s"))) as unknown as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(50_000);
    says(429, { "retry-after": "99999999" });
    expect(await refusal(get("/s"))).toMatchObject({ retryAfterMs: 86_400_000 });
    says(429, { "retry-after": "later" });
    expect(await refusal(get("/s"))).toMatchObject({ code: "NEWS_LIMIT", retryAfterMs: 0 });
  });

  test("is an error by its status; a key that is refused is told apart", async () => {
    for (const status of [204, 403, 404, 500, 503]) {
      says(status);
      expect(await refusal(get("/s"))).toMatchObject({ code: "NEWS_ANSWER", status });
    }
    says(401);
    expect(await refusal(get("/s", { isKeyed: true }))).toMatchObject({ code: "NEWS_KEY" });
  });
});

describe("a redirect", () => {
  const moves = (from: string, to: string) =>
    (web.answer[from] = (_request, response) => response.writeHead(301, { location: to }).end());

  test("is followed a few times, and asks for leave at each address", async () => {
    moves("/1", "/2");
    moves("/2", `${web.url}/3`);
    web.answer["/3"] = (_request, response) => response.end("there");
    const asked: string[] = [];
    const permit = (url: URL) => {
      asked.push(url.pathname);
      return Promise.resolve();
    };
    const answer = await get("/1", { permit });
    expect(answer).toMatchObject({ name: "document", url: `${web.url}/3` });
    expect(asked).toEqual(["/1", "/2", "/3"]);
    moves("/round", "/round");
    expect(await refusal(get("/round"))).toMatchObject({ code: "NEWS_REDIRECT", hops: 3 });
    moves("/file", "file:///etc/passwd");
    expect(await refusal(get("/file"))).toMatchObject({ code: "NEWS_REDIRECT" });
  });

  test("carries no key to another address", async () => {
    moves("/key", "/elsewhere");
    expect(
      await refusal(get("/key", { isKeyed: true, headers: { "x-key": "secret" } })),
    ).toMatchObject({
      code: "NEWS_REDIRECT",
    });
    expect(web.asked.map(({ path }) => path)).toEqual(["/key"]);
  });
});

test("a name that leads inside of a network is not found for whoever a public server sends us to", async () => {
  const found = await new Promise<unknown>((resolve) => {
    lookupPublic("localhost", {}, (error, address) => resolve(error ?? address));
  });
  expect(found).toMatchObject({ code: "INNER_ADDRESS" });
});

test("addresses inside of a network are told from public ones", () => {
  for (const inner of [
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "192.168.0.1",
    "172.20.0.1",
    "100.100.1.1",
    "::1",
    "fd00::1",
    "fe80::1",
    "::ffff:10.0.0.1",
    "0.0.0.0",
    "",
    "name",
  ])
    expect([inner, isPublic(inner)]).toEqual([inner, false]);
  for (const outer of ["1.1.1.1", "172.32.0.1", "210.89.160.88", "2606:4700::1111"])
    expect([outer, isPublic(outer)]).toEqual([outer, true]);
});

describe("robots.txt", () => {
  const robots = () => new Robots(make(), systemClock);
  const says = (text: string, status = 200) =>
    (web.answer["/robots.txt"] = (_request, response) => response.writeHead(status).end(text));
  const may = async (path: string, asked = robots()) =>
    asked.permit(new URL(web.url + path)).then(
      () => true,
      (error: unknown) => (error as TickhubError).code,
    );

  test("is asked once, and kept to", async () => {
    says(
      "User-agent: *\nDisallow: /private\n\nUser-agent: tickhub\nDisallow: /rss/no\nCrawl-delay: 7\n",
    );
    const asked = robots();
    expect(await may("/rss/yes", asked)).toBe(true);
    expect(await may("/rss/no/1", asked)).toBe("NEWS_ROBOTS");
    expect(await may("/private", asked)).toBe(true);
    expect(asked.delayMs(new URL(web.url))).toBe(7_000);
    expect(web.asked.map(({ path }) => path)).toEqual(["/robots.txt"]);
  });

  test("that is not there allows all; a server that fails allows nothing", async () => {
    expect(await may("/a")).toBe(true);
    says("", 500);
    expect(await may("/a")).toBe("NEWS_ROBOTS");
    says("", 429);
    expect(await may("/a")).toBe("NEWS_ROBOTS");
  });
});
