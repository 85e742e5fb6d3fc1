// RSS, Atom, RDF or JSON Feed as entries. The parser is feedsmith's; what it refuses as a whole is read entry
// by entry, so that one broken entry does not take the other forty along. Pure, and never throws.
import { parseFeed } from "feedsmith";
import type { Broken, Contents, Listed } from "./listed.ts";

/** More entries than any feed lists; what a document has beyond them is refused. */
const ENTRIES_MAX = 2_000;
/** A root element's start tag with its namespaces. */
const ROOT = /<(rss|feed|[a-z]*:?RDF)\b[^>]*>/i;
const ENTRY = /<(item|entry)(?=[\s>])/gi;

type Parsed = ReturnType<typeof parseFeed>;

/** Entries of `text`, and what of it cannot be read. */
export function readDocument(text: string): Contents {
  const whole = parsed(text);
  const starts = startsOf(text);
  if (whole && whole.length >= Math.min(starts.length, ENTRIES_MAX)) {
    return bounded(whole.length > 0 || starts.length === 0 ? whole : []);
  }
  if (starts.length === 0) return { listed: [], broken: [notAFeed(text)] };
  return entryByEntry(text, starts);
}

function bounded(all: Listed[]): Contents {
  const rest = all.slice(ENTRIES_MAX);
  if (rest.length === 0) return { listed: all, broken: [] };
  const reason = `${rest.length} entries more than the ${ENTRIES_MAX} that are read`;
  const text = JSON.stringify(rest.map(({ id, url }) => id || url));
  return { listed: all.slice(0, ENTRIES_MAX), broken: [{ code: "FRAME_TOO_LARGE", reason, text }] };
}

function notAFeed(text: string): Broken {
  const trimmed = text.trim();
  if (trimmed === "") return { code: "FRAME_GRAMMAR", reason: "an empty document", text };
  const head = /<!doctype html|<html|<head|<body/i.test(trimmed.slice(0, 1_024));
  const what = head ? "an HTML page" : "neither RSS, Atom, RDF nor JSON Feed";
  return { code: "FRAME_GRAMMAR", reason: `${what}, no feed`, text };
}

/** Where entries begin; what looks like one inside of an entry's own text is none. */
function startsOf(text: string): number[] {
  const starts: number[] = [];
  let opaque = nextOpaque(text, 0);
  for (const { index } of text.matchAll(ENTRY)) {
    while (opaque && opaque.end <= index) opaque = nextOpaque(text, opaque.end);
    if (!opaque || index < opaque.start) starts.push(index);
  }
  return starts;
}

/** The next CDATA section or comment that is closed. One look for each: a document of openings alone costs no more. */
function nextOpaque(text: string, from: number): { start: number; end: number } | null {
  const found = [
    ["<![CDATA[", "]]>"],
    ["<!--", "-->"],
  ].flatMap(([open = "", close = ""]) => {
    const start = text.indexOf(open, from);
    const end = start < 0 ? -1 : text.indexOf(close, start + open.length);
    return end < 0 ? [] : [{ start, end: end + close.length }];
  });
  return found.sort((a, b) => a.start - b.start)[0] ?? null;
}

/** Each entry in a document of its own, under the root that declares its namespaces. */
function entryByEntry(text: string, starts: readonly number[]): Contents {
  const contents: Contents = { listed: [], broken: [] };
  const root = ROOT.exec(text.slice(0, starts[0]))?.[0] ?? "<rss version='2.0'>";
  for (const [at, start] of starts.slice(0, ENTRIES_MAX).entries()) {
    const entry = text.slice(start, starts[at + 1]);
    const isLast = at === starts.length - 1;
    const tag = /^<(\w+)/.exec(entry)?.[1] ?? "item";
    const end = entry.toLowerCase().lastIndexOf(`</${tag.toLowerCase()}>`);
    if (end < 0 && isLast) {
      const reason = `the document ends inside of its entry ${at + 1}`;
      contents.broken.push({ code: "FRAME_TRUNCATED", reason, text: entry });
      continue;
    }
    const inner = end < 0 ? entry : entry.slice(0, end);
    const one = parsed(documentOf(root, `${inner}</${tag}>`));
    if (one?.length === 1) contents.listed.push(one[0]!);
    else {
      const reason = one ? `entry ${at + 1} is empty` : `entry ${at + 1} is no XML`;
      contents.broken.push({
        code: one ? "FIELD_MISSING" : "FRAME_GRAMMAR",
        reason,
        text: entry,
      });
    }
  }
  return contents;
}

function documentOf(root: string, entry: string): string {
  const name = /^<([\w:]+)/.exec(root)?.[1] ?? "rss";
  const isRss = /^rss$/i.test(name);
  return isRss
    ? `${root}<channel><title>-</title>${entry}</channel></${name}>`
    : `${root}${entry}</${name}>`;
}

/** Null where the parser takes it for no feed. */
function parsed(text: string): Listed[] | null {
  try {
    return listedIn(parseFeed(text));
  } catch {
    return null;
  }
}

function listedIn(document: Parsed): Listed[] {
  switch (document.format) {
    case "atom":
      return (document.feed.entries ?? []).map((entry) => {
        const links = entry.links ?? [];
        const link = links.find(({ rel }) => rel === "alternate" || rel === undefined) ?? links[0];
        return listed({
          id: entry.id,
          title: entry.title?.value,
          url: link?.href,
          summary: entry.summary?.value ?? entry.content?.value,
          published: entry.published ?? entry.updated,
        });
      });
    case "rss":
      return (document.feed.items ?? []).map((item) => {
        const { value: guid = "", isPermaLink } = item.guid ?? {};
        const isAddress = isPermaLink !== false && /^https?:\/\//i.test(guid);
        return listed({
          id: guid,
          title: item.title,
          url: item.link ?? (isAddress ? guid : undefined),
          summary: item.description ?? item.content?.encoded,
          published: item.pubDate ?? item.dc?.dates?.[0],
        });
      });
    case "rdf":
      return (document.feed.items ?? []).map((item) =>
        listed({
          id: item.rdf?.about,
          title: item.title,
          url: item.link ?? item.rdf?.about,
          summary: item.description ?? item.content?.encoded,
          published: item.dc?.dates?.[0],
        }),
      );
    case "json":
      return (document.feed.items ?? []).map((item) =>
        listed({
          id: item.id,
          title: item.title,
          url: item.url,
          summary: item.summary ?? item.content_text ?? item.content_html,
          published: item.date_published,
        }),
      );
  }
}

/** Undefined is empty; nothing else of the parser's is trusted to be a text. */
function listed(fields: Record<Exclude<keyof Listed, "symbols">, unknown>): Listed {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const { id, title, url, summary, published } = fields;
  return {
    id: text(id),
    title: text(title),
    url: text(url).trim(),
    summary: text(summary),
    published: text(published),
    symbols: [],
  };
}
