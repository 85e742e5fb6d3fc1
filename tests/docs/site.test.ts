// The documents' site: everything is on it, its links hold, and it is built without a network. The Korean pages
// have the headings and the commands of the English ones.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anchorsOf, slugOf, targetOf } from "../../scripts/site/links.ts";
import type { Place } from "../../scripts/site/links.ts";
import { linkOf, readPages, routeOf, sidebarOf } from "../../scripts/site/pages.ts";
import { repositoryOf } from "../../scripts/site/repository.ts";

const pages = readPages(".");
const place: Place = { root: ".", pages, repository: undefined };
const text = (path: string) => readFileSync(path, "utf8");

describe("pages", () => {
  it("every document is reachable from its language's sidebar, once", () => {
    for (const korean of [false, true]) {
      const links = sidebarOf(".", pages, korean).flatMap(({ items }) =>
        items.map(({ link }) => link),
      );
      const index = korean ? "/ko/" : "/";
      const all = pages.filter((page) => page.korean === korean).map(linkOf);
      expect([...links, index].sort()).toEqual(all.sort());
    }
  });

  it("a page that no index names stands behind those that one does", () => {
    const extra = { source: "docs/zebra.md", route: "zebra.md", title: "Zebra", korean: false };
    const groups = sidebarOf(".", [...pages, extra], false);
    const names = groups.map((group) => group.text);
    const group = groups.find(({ items }) => items.some(({ link }) => link === "/zebra"))!;
    expect(names.indexOf(group.text)).toBeGreaterThan(names.indexOf("For a developer"));
  });

  it("an index is its folder's page, and the repository's README the overview", () => {
    expect(routeOf("docs/README.md")).toBe("index.md");
    expect(routeOf("docs/ko/README.md")).toBe("ko/index.md");
    expect(routeOf("docs/runbooks/README.md")).toBe("runbooks/index.md");
    expect(routeOf("README.md")).toBe("overview.md");
    expect(routeOf("README.ko.md")).toBe("ko/overview.md");
    expect(new Set(pages.map(({ route }) => route)).size).toBe(pages.length);
  });
});

describe("links", () => {
  it("every link of every document leads to a file and a heading that exist", () => {
    const dead = pages.flatMap(({ source }) =>
      linksIn(text(source)).flatMap((href) => {
        const target = targetOf(place, source, href);
        return target.kind === "dead" ? [`${source}: ${href}: ${target.why}`] : [];
      }),
    );
    expect(dead).toEqual([]);
  });

  it("a link to a page leads to the page, one to another file to the repository where it is known", () => {
    const known = { ...place, repository: "https://example.org/tickhub" };
    const from = "docs/runbooks/to-dual.md";
    const href = (given: Place, to: string) => targetOf(given, from, to);
    expect(href(place, "../phases.md#gates")).toEqual({ kind: "page", href: "/phases.md#gates" });
    expect(href(place, "../../README.md")).toEqual({ kind: "page", href: "/overview.md" });
    expect(href(place, "../adr/")).toEqual({ kind: "page", href: "/adr/index.md" });
    expect(href(place, "../../app/hub/hub.ts")).toEqual({ kind: "text" });
    expect(href(known, "../../app/hub/hub.ts#L10")).toEqual({
      kind: "outside",
      href: "https://example.org/tickhub/blob/main/app/hub/hub.ts#L10",
    });
    expect(href(known, "../../app/hub")).toEqual({
      kind: "outside",
      href: "https://example.org/tickhub/tree/main/app/hub",
    });
    expect(href(place, "https://example.org/")).toMatchObject({ kind: "outside" });
    expect(href(place, "../nothing.md")).toMatchObject({ kind: "dead" });
    expect(href(place, "../phases.md#nothing")).toMatchObject({ kind: "dead" });
    expect(href(place, "../../../elsewhere.md")).toMatchObject({ kind: "dead" });
  });

  it("anchors are GitHub's", () => {
    expect(slugOf("What `npm ci` may bring, and what not")).toBe(
      "what-npm-ci-may-bring-and-what-not",
    );
    expect(slugOf("TICKHUB_SITES")).toBe("tickhub_sites");
    expect(slugOf("자기 키로")).toBe("자기-키로");
    expect(anchorsOf("# A\n\n```\n# not one\n```\n\n## B\n\n## [B](b.md)\n")).toEqual([
      "a",
      "b",
      "b-1",
    ]);
  });

  it("the repository's address is a setting, or what GitHub's runners say", () => {
    expect(repositoryOf({})).toBeUndefined();
    expect(repositoryOf({ DOCS_REPOSITORY: "https://example.org/a/" })).toBe(
      "https://example.org/a",
    );
    expect(
      repositoryOf({ GITHUB_SERVER_URL: "https://github.com", GITHUB_REPOSITORY: "a/b" }),
    ).toBe("https://github.com/a/b");
  });
});

describe("the site", () => {
  const out = mkdtempSync(join(tmpdir(), "tickhub-site-"));
  let said = "";
  beforeAll(() => {
    said = execFileSync(
      process.execPath,
      ["node_modules/vitepress/bin/vitepress.js", "build", "docs", "--outDir", out],
      { encoding: "utf8", stdio: "pipe" },
    );
  });
  afterAll(() => rmSync(out, { recursive: true, force: true }));
  const page = (name: string) => text(join(out, name));

  it("is built, with a page for every document", () => {
    expect(said).toContain("build complete");
    for (const { route } of pages)
      expect(existsSync(join(out, route.replace(/\.md$/, ".html"))), route).toBe(true);
  });

  it("asks for nothing from elsewhere", () => {
    for (const { route } of pages) {
      const html = page(route.replace(/\.md$/, ".html"));
      expect(html, route).not.toMatch(/(src|href)="https?:\/\/[^"]+\.(js|css|woff2?|png|svg)"/);
      expect(html, route).not.toContain("@import");
    }
  });

  it("draws diagrams without a script", () => {
    expect(page("overview.html")).toMatch(/<div class="diagram">\s*<svg/);
    expect(page("overview.html")).toContain('data-label="edge: one process a broker"');
    expect(page("overview.html")).not.toContain("flowchart");
  });

  it("searches both languages by itself", () => {
    const chunks = readdirSync(join(out, "assets/chunks")).join(" ");
    expect(chunks).toMatch(/localSearchIndexroot/);
    expect(chunks).toMatch(/localSearchIndexko/);
  });
});

describe("in Korean", () => {
  const pairs = [
    ...pages
      .filter(({ source }) => /^docs\/ko\/(?!runbooks\/|README)/.test(source))
      .map(({ source }) => [source.replace("docs/ko/", "docs/"), source] as const)
      .filter(([english]) => existsSync(english)),
    ["README.md", "README.ko.md"] as const,
  ];

  it("the README and the quick start are there", () => {
    const korean = pairs.map(([, source]) => source);
    expect(korean).toContain("README.ko.md");
    expect(korean).toContain("docs/ko/quick-start.md");
  });

  // Those that are not whole are shorter than their English pages, and say so.
  const whole = pairs.filter(([english]) => /README|quick-start/.test(english));

  it.each(whole)("%s has the headings and the commands of %s", (english, korean) => {
    expect(levelsIn(text(korean))).toEqual(levelsIn(text(english)));
    expect(blocksIn(text(korean))).toEqual(blocksIn(text(english)));
    const known = commandsIn(text(english));
    expect(commandsIn(text(korean)).filter((one) => !known.includes(one))).toEqual([]);
  });
});

function linksIn(markdown: string): string[] {
  const outside = markdown.replace(/^ *```.*?^ *```/gms, "").replace(/`[^`\n]+`/g, "");
  return [...outside.matchAll(/\]\(([^)\s]+)\)|<img src="([^"]+)"/g)].map(
    ([, href, image]) => (href ?? image)!,
  );
}

function levelsIn(markdown: string): number[] {
  const outside = markdown.replace(/^ *```.*?^ *```/gms, "");
  return [...outside.matchAll(/^(#+) /gm)].map(([, marks]) => marks!.length);
}

function blocksIn(markdown: string): string[] {
  return [...markdown.matchAll(/^ *```(\w*\n.*?)^ *```/gms)].map(([, block]) => block!);
}

function commandsIn(markdown: string): string[] {
  return [...markdown.matchAll(/`(np[mx] [^`\n]+)`/g)].map(([, command]) => command!);
}
