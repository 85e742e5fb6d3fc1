// What a document lists, before anybody judged it: the same few texts, whether the document was RSS, Atom, a
// search's JSON or a list of disclosures; and from there to the item that travels. Pure.
import type { NewsItem, Reject, RejectCode } from "../../../shared/tick.ts";
import { canonicalUrl, digestOfText, digestOfUrl } from "./canonical-url.ts";
import { plainText } from "./plain-text.ts";
import { publishedMs } from "./published.ts";

/** One entry as its document has it; what it does not say is empty. */
export interface Listed {
  /** The feed's own name for it. */
  id: string;
  title: string;
  url: string;
  summary: string;
  /** A date in any of the forms that feeds use. */
  published: string;
  /** Instruments that the feed itself names. */
  symbols: readonly string[];
}

/** A part of a document that cannot be read, with its bytes as text. */
export interface Broken {
  code: RejectCode;
  reason: string;
  text: string;
}

export interface Contents {
  listed: Listed[];
  broken: Broken[];
}

/** Which feed, where its document was found, and when (wall clock). */
export interface Origin {
  feed: string;
  url: string;
  edgeRecvMs: number;
}

/** What is kept of an item: a headline and its first lines. The article is where the address says. */
export const TITLE_CHARACTERS_MAX = 300;
export const SUMMARY_CHARACTERS_MAX = 500;
const ID_CHARACTERS_MAX = 1_024;
/** How much of what cannot be read is kept. */
const BROKEN_BYTES_MAX = 65_536;
const BROKEN_REASON_MAX = 300;

/** The item of an entry; a reject where nothing says what it is about, or what would make it itself. */
export function itemOf(listed: Listed, origin: Origin): NewsItem | Reject {
  const { feed, edgeRecvMs } = origin;
  const summary = plainText(listed.summary, SUMMARY_CHARACTERS_MAX);
  const title = plainText(listed.title, TITLE_CHARACTERS_MAX) || summary.slice(0, 120).trim();
  const url = listed.url === "" ? null : canonicalUrl(listed.url, origin.url);
  const id = listed.id.trim().slice(0, ID_CHARACTERS_MAX);
  if (title === "") {
    const reason = "an entry without a title and without a text";
    return refused({ code: "FIELD_MISSING", reason, text: JSON.stringify(listed) }, origin);
  }
  const published = publishedMs(listed.published, edgeRecvMs);
  return {
    kind: "news",
    digest: url === null ? digestOfText(feed, id || `${title}\n${summary}`) : digestOfUrl(url),
    feed,
    publishedMs: published,
    title,
    url: url ?? "",
    summary: summary === title ? "" : summary,
    symbols: [...listed.symbols],
    edgeRecvMs,
    capture: 0,
  };
}

export function refused({ code, reason, text }: Broken, { feed, edgeRecvMs }: Origin): Reject {
  return {
    kind: "reject",
    code,
    reason: `${feed}: ${reason}`.slice(0, BROKEN_REASON_MAX),
    bytes: new Uint8Array(Buffer.from(text).subarray(0, BROKEN_BYTES_MAX)),
    edgeRecvMs,
    capture: 0,
  };
}
