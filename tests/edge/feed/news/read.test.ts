import { readdirSync, readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { digestOf, readItems } from "../../../../app/edge/feed/news/read.ts";
import { SeenItems } from "../../../../app/edge/feed/news/seen-items.ts";
import { isEncodable } from "../../../../app/shared/batch.ts";
import { dataFile } from "../../../support/data.ts";

const nowMs = Date.parse("2026-11-27T09:00:00+09:00");
const origin = { feed: "rss:x", url: "https://example.com/rss", edgeRecvMs: nowMs };
const read = (document: string | Uint8Array, contentType = "application/rss+xml") =>
  readItems(typeof document === "string" ? Buffer.from(document) : document, contentType, origin);
const items = (document: string | Uint8Array, contentType?: string) =>
  read(document, contentType).flatMap((row) => (row.kind === "news" ? [row] : []));
const rejects = (document: string | Uint8Array) =>
  read(document).flatMap((row) => (row.kind === "reject" ? [row] : []));
const rss = (inner: string) =>
  `<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>x</title>${inner}</channel></rss>`;
const entry = (no: number, more = "") =>
  `<item><title>T${no}</title><link>https://e.com/${no}</link>${more}</item>`;

/** What the recorded documents hold: entries read, and refused with a code. */
const CORPUS: Record<string, [items: number, codes?: string[]]> = {
  "atom-customfields.atom": [15],
  "content-encoded.rss": [7],
  "craigslist.rss": [25],
  "customfields.rss": [15],
  "encoding.rss": [40],
  "feedburner.atom": [25],
  "guardian.rss": [55],
  "gulp-atom.atom": [10],
  "heise.atom": [15],
  "heraldsun.rss": [2],
  "incomplete-fields.atom": [0, ["FIELD_MISSING"]],
  "instant-article.rss": [1],
  "item-itunes-episodeType.rss": [1],
  "itunes-category.rss": [1],
  "itunes-href.rss": [10],
  "itunes-keywords-array.rss": [1],
  "itunes-keywords-astext.rss": [32],
  "itunes-keywords.rss": [1],
  "itunes-missing-image.rss": [131],
  "many-links.rss": [25],
  "missing-fields.atom": [0, ["FIELD_MISSING"]],
  "narro.rss": [1],
  "pagination-links.rss": [1],
  "reddit-atom.rss": [24],
  "reddit-home.rss": [24],
  "reddit.rss": [24],
  "rss-1.rss": [69],
  "unrecognized.rss": [0, ["FRAME_GRAMMAR"]],
  "uolNoticias.rss": [15],
  "xml2js-options.rss": [69],
};

describe("the recorded documents", () => {
  const folder = dataFile("news/rss-parser");

  test.skipIf(folder === null)("are all thirty read, or refused with a reason", () => {
    const names = readdirSync(folder!).filter((name) => name !== "LICENSE");
    expect(names.sort()).toEqual(Object.keys(CORPUS).sort());
    for (const name of names) {
      const rows = read(readFileSync(join(folder!, name)), "");
      const refused = rows.flatMap((row) => (row.kind === "reject" ? [row] : []));
      const [count, codes = []] = CORPUS[name]!;
      expect([name, rows.length - refused.length]).toEqual([name, count]);
      expect([name, refused.map(({ code }) => code)]).toEqual([name, codes]);
      for (const { reason } of refused) expect(reason).toMatch(/^rss:x: \S.{8,}/);
      for (const row of rows) {
        if (row.kind !== "news") continue;
        expect(row.title).not.toMatch(/[<\p{Cc}]|&\w+;|\ufffd/u);
        expect(row.digest).toHaveLength(32);
        expect(row.url).toMatch(/^https?:\/\//);
      }
    }
  });

  test.skipIf(folder === null)("in Latin-1 keep their letters, declared or not", () => {
    const titles = (name: string) =>
      items(readFileSync(join(folder!, name)), "").map(({ title }) => title);
    expect(titles("encoding.rss")[0]).toBe("Mãe de utente é a nova presidente da Raríssimas");
    expect(titles("uolNoticias.rss")[0]).toContain("em simulações de 2º turno");
  });

  test.skipIf(folder === null)("cut anywhere lose at most the entry they are cut in", () => {
    const whole = readFileSync(join(folder!, "guardian.rss"), "utf8");
    const all = items(whole).map(({ url }) => url);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: whole.length - 30 }), (end) => {
        const cut = whole.slice(0, end);
        const got = items(cut).map(({ url }) => url);
        expect(got).toEqual(all.slice(0, got.length));
        expect(got.length).toBeGreaterThanOrEqual(cut.split("</item>").length - 1);
      }),
      { numRuns: 40 },
    );
  });
});

describe("the recorded log of a news search", () => {
  const archive = dataFile("news/news-polls-kr.tar.xz");
  const folder = archive === null ? null : mkdtempSync(join(tmpdir(), "polls-"));
  afterAll(() => folder && rmSync(folder, { recursive: true }));

  test.skipIf(folder === null)("of 92 polls and 5,146 items has its 106, however often", () => {
    execFileSync("tar", ["xJf", archive!, "-C", folder!]);
    const polls = readdirSync(join(folder!, "news-polls-kr"))
      .filter((name) => name.endsWith("_news_poll.json"))
      .sort();
    expect(polls).toHaveLength(92);
    const seen = new SeenItems(1_000);
    let listed = 0;
    const fresh: string[] = [];
    const codes: string[] = [];
    for (const name of polls) {
      const bytes = readFileSync(join(folder!, "news-polls-kr", name));
      for (const row of readItems(bytes, "application/json", origin)) {
        if (row.kind === "reject") codes.push(row.code);
        else {
          listed++;
          if (!seen.note(digestOf(row))) fresh.push(row.url);
        }
      }
    }
    const known = JSON.parse(
      readFileSync(join(folder!, "news-polls-kr", "seen_news.json"), "utf8"),
    ) as string[];
    expect(listed).toBe(5_146);
    // Two items of the log are its own searches that failed.
    expect(codes).toEqual(["FIELD_MISSING", "FIELD_MISSING"]);
    expect(fresh).toHaveLength(106);
    expect(fresh.sort()).toEqual(known.map((url) => url.replace("?oc=5", "")).sort());
  });
});

describe("broken XML", () => {
  test("is read entry by entry", () => {
    const broken = rss(`${entry(1)}<item><title>3 < 4</title><lin</item>${entry(3)}`);
    expect(items(broken).map(({ title }) => title)).toEqual(["T1", "T3"]);
    expect(rejects(broken)).toHaveLength(1);
    expect(rejects(broken)[0]).toMatchObject({ code: "FRAME_GRAMMAR" });
    expect(Buffer.from(rejects(broken)[0]!.bytes).toString()).toContain("3 < 4");
  });

  test("keeps the namespaces of its root, and closes what was left open", () => {
    const open = rss(
      `<item><title>A</title><link>https://e.com/a</link><dc:date>2026-11-26T01:00:00Z</dc:date>` +
        `${entry(2)}<item><title>half`,
    );
    expect(items(open).map(({ title }) => title)).toEqual(["A", "T2"]);
    expect(items(open)[0]!.publishedMs).toBe(Date.parse("2026-11-26T01:00:00Z"));
    expect(rejects(open).map(({ code }) => code)).toEqual(["FRAME_TRUNCATED"]);
  });

  test("resolves no entity of its own, and nests as deep as it likes", () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>`;
    expect(
      items(bomb + rss(`<item><title>&b;</title><link>https://e.com/1</link></item>`))[0]!.title,
    ).not.toContain("aaaa");
    const file = `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>`;
    expect(JSON.stringify(items(file + rss(`<item><title>&a;</title></item>`)))).not.toContain(
      "root",
    );
    expect(read(rss(`<item>${"<a>".repeat(20_000)}</item>${entry(2)}`)).length).toBeGreaterThan(0);
  });

  test("that is no feed at all says what it is", () => {
    const reasons = (text: string) => rejects(text).map(({ code, reason }) => `${code} ${reason}`);
    expect(reasons("<!doctype html><html><body>moved</body></html>")).toEqual([
      "FRAME_GRAMMAR rss:x: an HTML page, no feed",
    ]);
    expect(reasons("  ")).toEqual(["FRAME_GRAMMAR rss:x: an empty document"]);
    expect(reasons("hello")[0]).toContain("neither RSS");
    expect(reasons("{ nothing")[0]).toContain("FRAME_NOT_JSON");
    expect(reasons('{"errorCode":"024"}')[0]).toContain("FRAME_GRAMMAR");
  });

  test("of any bytes makes nothing throw, and nothing that a batch cannot hold", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, type) => {
        for (const row of readItems(bytes, type, origin)) expect(isEncodable(row)).toBe(true);
      }),
      { numRuns: 300 },
    );
    const tokens = [
      "<item>",
      "</item>",
      "<title>",
      "</title>",
      "<![CDATA[",
      "]]>",
      "&",
      "a",
      "<rss>",
      "<channel>",
      "\u0000",
      "\ud800",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 40 }), (parts) => {
        for (const row of read(parts.join(""))) expect(isEncodable(row)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("an item", () => {
  test("is itself by its address, whoever points to it", () => {
    const digest = (link: string) =>
      Buffer.from(
        items(rss(`<item><title>x</title><link>${link}</link></item>`))[0]!.digest,
      ).toString("hex");
    const one = digest("https://e.com/a?b=2&amp;a=1");
    for (const other of [
      "http://www.e.com/a?a=1&amp;b=2",
      "https://E.com:443/a/?b=2&amp;a=1&amp;utm_source=rss#top",
      "https://user:pass@e.com/a?b=2&amp;fbclid=9&amp;a=1",
    ]) {
      expect(digest(other)).toBe(one);
    }
    expect(digest("https://e.com/a?b=2&amp;a=3")).not.toBe(one);
    expect(digest("https://m.e.com/a?b=2&amp;a=1")).not.toBe(one);
  });

  test("without an address is itself by its feed's id, and without an id by its content", () => {
    const [a, b, c] = items(
      rss(
        "<item><title>x</title><guid>1</guid></item><item><title>x</title><guid>2</guid></item><item><title>x</title></item>",
      ),
    );
    expect(new Set([a, b, c].map((one) => String(one!.digest))).size).toBe(3);
    expect(a!.url).toBe("");
    expect(items(rss("<item><title>y</title><guid>1</guid></item>"))[0]!.digest).toEqual(a!.digest);
  });

  test("keeps no credentials, no markup, and no address that is none of the web", () => {
    const [one] = items(
      rss(
        `<item><title><![CDATA[<b>삼성</b>전자 &amp; &quot;SK&quot;\u0007]]></title><link>https://u:p@e.com/a</link><description>&lt;p&gt;a&amp;nbsp;b&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;</description></item>`,
      ),
    );
    expect(one).toMatchObject({ title: '삼성전자 & "SK"', url: "https://e.com/a", summary: "a b" });
    expect(
      items(rss(`<item><title>x</title><link>javascript:alert(1)</link></item>`))[0]!.url,
    ).toBe("");
    expect(items(rss(`<item><title>x</title><link>/a/b</link></item>`))[0]!.url).toBe(
      "https://example.com/a/b",
    );
    const long = items(
      rss(`<item><title>${"긴".repeat(5_000)}</title><link>https://e.com/1</link></item>`),
    )[0]!;
    expect(long.title).toHaveLength(300);
  });

  test("is dated in its own zone, in Korea's where it names none, and not in the future", () => {
    const at = (date: string) =>
      items(rss(`<item><title>x</title><pubDate>${date}</pubDate></item>`))[0]!.publishedMs;
    const iso = (date: string) => new Date(at(date)).toISOString();
    expect(iso("Wed, 25 Nov 2026 14:15:03 GMT")).toBe("2026-11-25T14:15:03.000Z");
    expect(iso("Wed, 25 Nov 2026 14:15:03 +0900")).toBe("2026-11-25T05:15:03.000Z");
    expect(iso("Wed, 25 Nov 2026 14:15:03")).toBe("2026-11-25T05:15:03.000Z");
    expect(iso("2026-11-25 14:15:03")).toBe("2026-11-25T05:15:03.000Z");
    expect(iso("2026-11-25T14:15:03 KST")).toBe("2026-11-25T05:15:03.000Z");
    expect(iso("2026-11-25")).toBe("2026-11-24T15:00:00.000Z");
    expect(iso("Wed, 25 Nov 2026 14:15:03 EST")).toBe("2026-11-25T19:15:03.000Z");
    for (const none of ["", "soon", "03 Apr 02 1500 GMT", "Thu, 02 Dec 2027 00:00:00 GMT", "0"]) {
      expect([none, at(none)]).toEqual([none, NaN]);
    }
  });
});

describe("characters", () => {
  // "<title>삼성전자</title>" in EUC-KR.
  const samsung = [0xbb, 0xef, 0xbc, 0xba, 0xc0, 0xfc, 0xc0, 0xda];
  const korean = (head: string) =>
    Buffer.concat([
      Buffer.from(`${head}<rss version="2.0"><channel><title>x</title><item><title>`),
      Buffer.from(samsung),
      Buffer.from("</title></item></channel></rss>"),
    ]);
  const titleOf = (bytes: Uint8Array, type: string) => items(bytes, type)[0]?.title;

  test("are those of the header, the declaration, or the bytes themselves", () => {
    expect(titleOf(korean(""), "text/xml; charset=EUC-KR")).toBe("삼성전자");
    expect(titleOf(korean('<?xml version="1.0" encoding="euc-kr"?>'), "text/xml")).toBe("삼성전자");
    expect(titleOf(korean(""), "")).toBe("삼성전자");
    // Says one thing and sends another.
    expect(
      titleOf(korean('<?xml version="1.0" encoding="utf-8"?>'), "text/xml; charset=utf-8"),
    ).toBe("삼성전자");
    const utf8 = Buffer.from(rss("<item><title>삼성전자</title></item>"));
    expect(titleOf(utf8, "text/xml; charset=euc-kr")).toBe("삼성전자");
    expect(titleOf(utf8, "text/xml; charset=nonsense")).toBe("삼성전자");
    expect(
      titleOf(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), utf8]), "text/xml; charset=euc-kr"),
    ).toBe("삼성전자");
    const utf16 = Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from(rss("<item><title>삼성전자</title></item>"), "utf16le"),
    ]);
    expect(titleOf(utf16, "")).toBe("삼성전자");
  });

  test("that are broken in places leave the rest whole", () => {
    const bytes = Buffer.concat([
      Buffer.from(rss("<item><title>삼성전자와 SK하이닉스").slice(0, -"</channel></rss>".length)),
      Buffer.from([0xff]),
      Buffer.from("</title></item></channel></rss>"),
    ]);
    expect(titleOf(bytes, "text/xml; charset=utf-8")).toBe("삼성전자와 SK하이닉스\ufffd");
  });
});
