// Links between documents, written for GitHub, put right for the site. A link to a page leads to the page; one to
// any other file of the repository leads to the repository, where its address is known, and is plain text where it
// is not. A link to a file or a heading that does not exist fails the build.
import { existsSync, readFileSync, statSync } from "node:fs";
import { posix } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import type { Page } from "./pages.ts";
import { BRANCH } from "./repository.ts";

type Token = ReturnType<MarkdownRenderer["parse"]>[number];

export interface Place {
  /** The repository's folder. */
  root: string;
  pages: Page[];
  /** `https://github.com/OWNER/tickhub`, without a slash at its end. */
  repository: string | undefined;
}

type Target =
  { kind: "page" | "outside"; href: string } | { kind: "text" } | { kind: "dead"; why: string };

/** Where a link of a document leads on the site. `source` is the document's path in the repository. */
export function targetOf(place: Place, source: string, href: string): Target {
  if (/^[a-z]+:|^\/\//i.test(href)) return { kind: "outside", href };
  const [path = "", anchor] = href.split("#", 2);
  const file = path === "" ? source : posix.join(posix.dirname(source), decodeURI(path));
  const full = `${place.root}/${file}`;
  if (file.startsWith("..") || !existsSync(full)) return { kind: "dead", why: "no such file" };
  const isFolder = statSync(full).isDirectory();
  const wanted = isFolder ? posix.join(file, "README.md") : file;
  const page = place.pages.find((one) => one.source === wanted);
  if (!page) {
    if (place.repository === undefined) return { kind: "text" };
    const view = isFolder ? "tree" : "blob";
    const hash = anchor === undefined ? "" : `#${anchor}`;
    return { kind: "outside", href: `${place.repository}/${view}/${BRANCH}/${file}${hash}` };
  }
  if (anchor === undefined) return { kind: "page", href: `/${page.route}` };
  const wantedAnchor = decodeURI(anchor);
  if (!anchorsOf(readFileSync(`${place.root}/${page.source}`, "utf8")).includes(wantedAnchor))
    return { kind: "dead", why: "no such heading" };
  return { kind: "page", href: `${path === "" ? "" : `/${page.route}`}#${wantedAnchor}` };
}

/** A heading's anchor as GitHub makes it, so that a link holds there and here. */
export function slugOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** All anchors of a document, in order; the second of a name ends in `-1`. */
export function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return [...text.replace(/^ *```.*?^ *```/gms, "").matchAll(/^#{1,6} (.+)$/gm)].map(([, line]) => {
    const slug = slugOf(line!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/** The rule itself, for VitePress's markdown-it; it runs before VitePress looks at the links. */
export function repositoryLinks(md: MarkdownRenderer, place: Place): void {
  md.core.ruler.after("inline", "repository_links", (state) => {
    const env = state.env as { path?: string; realPath?: string };
    const source = posix.relative(place.root, env.realPath ?? env.path ?? "");
    for (const { children } of state.tokens) {
      let isText = false;
      for (const token of children ?? []) {
        if (isText && token.type === "text")
          Object.assign(token, { type: "code_inline", tag: "code" });
        if (token.type === "link_close" && isText) {
          isText = false;
          empty(token);
        }
        if (token.type !== "link_open" || token.attrGet("class") === "header-anchor") continue;
        const href = token.attrGet("href") ?? "";
        const target = targetOf(place, source, href);
        if (target.kind === "dead")
          throw new Error(
            `${source}: the link to ${href} is dead: ${target.why}. Next: mend the link.`,
          );
        isText = target.kind === "text";
        if (target.kind === "text") empty(token);
        else token.attrSet("href", target.href);
      }
    }
  });
}

function empty(token: Token): void {
  Object.assign(token, { type: "text", tag: "", content: "", nesting: 0 });
}
