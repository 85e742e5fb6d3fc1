// The pages of the documents' site, read from the folder: which file is which page, and the sidebar. There is
// no list to keep. The order is the index's (docs/README.md, docs/ko/README.md): its headings are the groups,
// its links their pages; a page that no index names stands in its folder's group behind them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

export interface Page {
  /** In the repository: `docs/ko/runbooks/to-dual.md`. */
  source: string;
  /** On the site: `ko/runbooks/to-dual.md`. */
  route: string;
  title: string;
  korean: boolean;
}
export interface SidebarGroup {
  text: string;
  collapsed: boolean;
  items: { text: string; link: string }[];
}

const REST = { english: "More", korean: "그 밖에" };
const KOREAN_FOLDERS: Record<string, string> = { "docs/ko/runbooks": "운영 절차" };

/** `docs/README.md` is the site's front page, the repository's README is `overview`. */
export function routeOf(source: string): string {
  if (source === "README.md") return "overview.md";
  if (source === "README.ko.md") return "ko/overview.md";
  if (!source.startsWith("docs/")) return source.toLowerCase();
  return source.slice("docs/".length).replace(/(^|\/)README\.md$/, "$1index.md");
}

/** `root` is the repository's folder. */
export function readPages(root: string): Page[] {
  // At the root lie those that GitHub looks for there.
  const atRoot = readdirSync(root).filter((name) => name.endsWith(".md"));
  const inDocs = readdirSync(`${root}/docs`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !name.startsWith("."))
    .map((name) => `docs/${name.replaceAll("\\", "/")}`);
  return [...atRoot.sort(), ...inDocs.sort()].map((source) => ({
    source,
    route: routeOf(source),
    title: titleOf(readFileSync(`${root}/${source}`, "utf8")) ?? source,
    korean: source.startsWith("docs/ko/") || source === "README.ko.md",
  }));
}

/** Everything of one language is in it: in the index's order, then by folder. */
export function sidebarOf(root: string, pages: Page[], korean: boolean): SidebarGroup[] {
  const index = korean ? "docs/ko/README.md" : "docs/README.md";
  const left = new Map(
    pages
      .filter((page) => page.korean === korean && page.source !== index)
      .map((page) => [page.source, page]),
  );
  const groups = groupsIn(root, index).map(({ text, targets }) => ({
    text,
    pages: targets.flatMap((target) => taken(left, target)),
  }));
  const folders = Map.groupBy(left.values(), ({ source }) => posix.dirname(source));
  for (const [folder, rest] of folders) {
    const own = pages.find(({ source }) => source === `${folder}/README.md` && source !== index);
    groups.push({
      text: own?.title ?? KOREAN_FOLDERS[folder] ?? (korean ? REST.korean : REST.english),
      pages: rest,
    });
  }
  return groups
    .filter((group) => group.pages.length > 0)
    .map((group) => ({
      text: group.text,
      collapsed: group.pages.length > 12,
      items: group.pages.map((page) => ({ text: page.title, link: linkOf(page) })),
    }));
}

/** `/runbooks/to-dual`, `/ko/`. */
export function linkOf(page: Page): string {
  return `/${page.route.replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, "")}`;
}

function taken(left: Map<string, Page>, source: string): Page[] {
  const page = left.get(source);
  left.delete(source);
  return page ? [page] : [];
}

function groupsIn(root: string, index: string): { text: string; targets: string[] }[] {
  const path = `${root}/${index}`;
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split(/^## /m)
    .slice(1)
    .map((part) => ({
      text: part.slice(0, part.indexOf("\n")),
      targets: [...part.matchAll(/\]\(([^)#:]+\.md)(#[^)]*)?\)/g)].map(([, target]) =>
        posix.join(posix.dirname(index), target!),
      ),
    }));
}

function titleOf(text: string): string | undefined {
  return /^# (.+)$/m.exec(text)?.[1]?.replaceAll("`", "");
}
