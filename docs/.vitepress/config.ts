// The documents' site: `npm run docs:dev`, `npm run docs:build`. Which pages there are, in which order, and where
// links lead is decided in scripts/site/; here is what VitePress has to know. docs/adr/0035-docs-site.md.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vitepress";
import type { DefaultTheme } from "vitepress";
import { DIAGRAM_STYLE, diagrams } from "../../scripts/site/diagrams.ts";
import { repositoryLinks, slugOf } from "../../scripts/site/links.ts";
import { linkOf, readPages, routeOf, sidebarOf } from "../../scripts/site/pages.ts";
import { repositoryOf } from "../../scripts/site/repository.ts";

const root = resolve(import.meta.dirname, "../..");
const pages = readPages(root);
const repository = repositoryOf(process.env);

const ICON = `data:image/svg+xml,${encodeURIComponent(readFileSync(`${import.meta.dirname}/icon.svg`, "utf8"))}`;

interface Theme extends DefaultTheme.Config {
  /** All pages there are: a page's counterpart in the other language is among them or not. */
  routes: string[];
}

export default defineConfig<Theme>({
  title: "tickhub",
  description: "Ticks and 10-level books from KIS and Kiwoom into one database, exactly once",
  base: process.env["DOCS_BASE"] ?? "/",
  srcDir: "..",
  // The root's own documents and docs/; below other folders there is Markdown (and config.ts) that is not ours.
  srcExclude: ["!(docs)/**/*"],
  rewrites: routeOf,
  outDir: "./.vitepress/dist",
  cacheDir: "./.vitepress/cache",
  head: [
    ["link", { rel: "icon", href: ICON }],
    ["style", {}, DIAGRAM_STYLE],
  ],
  markdown: {
    anchor: { slugify: slugOf },
    config: (md) => {
      // `audit.md` is a file, not a host in Moldova.
      md.linkify.set({ fuzzyLink: false });
      repositoryLinks(md, { root, pages, repository });
      diagrams(md);
    },
  },
  locales: {
    root: {
      label: "English",
      lang: "en",
      themeConfig: {
        nav: [
          { text: "Quick start", link: "/quick-start" },
          { text: "Reference", link: "/reference/index.html", target: "_self" },
        ],
        sidebar: sidebarOf(root, pages, false),
      },
    },
    ko: {
      label: "한국어",
      lang: "ko",
      description: "KIS와 키움의 체결과 10단계 호가를 한 데이터베이스에, 빠짐도 겹침도 없이",
      themeConfig: {
        nav: [
          { text: "빠른 시작", link: "/ko/quick-start" },
          { text: "API (영어)", link: "/reference/index.html", target: "_self" },
        ],
        sidebar: { "/ko/": sidebarOf(root, pages, true) },
        outline: { label: "이 페이지에서" },
        docFooter: { prev: "이전", next: "다음" },
        darkModeSwitchLabel: "어두운 화면",
        sidebarMenuLabel: "목차",
        returnToTopLabel: "맨 위로",
        langMenuLabel: "언어",
      },
    },
  },
  themeConfig: {
    outline: { level: [2, 3] },
    routes: pages.map(linkOf),
    // A page leads to its counterpart, or to the other language's front page. Runs in the browser.
    i18nRouting: ({ page, theme, site }, _route, locale) => {
      const front = locale === "root" ? "" : `${locale}/`;
      const path = page.value.relativePath.replace(/^ko\//, "").replace(/(^|\/)index\.md$/, "$1");
      const { routes } = theme.value as Theme;
      const wanted = `/${front}${path.replace(/\.md$/, "")}`;
      const link = routes.includes(wanted) ? wanted.replace(/[^/]$/, "$&.html") : `/${front}`;
      return site.value.base.replace(/\/$/, "") + link;
    },
    search: {
      provider: "local",
      options: {
        locales: {
          ko: {
            translations: {
              button: { buttonText: "검색", buttonAriaLabel: "검색" },
              modal: {
                noResultsText: "찾은 것이 없습니다",
                resetButtonTitle: "지우기",
                footer: { selectText: "열기", navigateText: "이동", closeText: "닫기" },
              },
            },
          },
        },
      },
    },
  },
});
