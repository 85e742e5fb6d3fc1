// A document's bytes as the items and rejects of one feed: characters, grammar, entries. Pure, and never
// throws: whatever a server sends ends as items, as rejects, or as both.
import { sha256 } from "./canonical-url.ts";
import { decode } from "./charset.ts";
import { readDocument } from "./document.ts";
import { itemOf, refused } from "./listed.ts";
import type { Contents, Origin } from "./listed.ts";
import { looksLikeSearchReply, readSearchReply } from "./search-reply.ts";
import type { NewsItem, Reject } from "../../../shared/tick.ts";

/** Items of a document of RSS, Atom, RDF, JSON Feed or a search's JSON; found by its bytes, not by its name. */
export function readItems(
  bytes: Uint8Array,
  contentType: string,
  origin: Origin,
): (NewsItem | Reject)[] {
  const { text } = decode(bytes, contentType);
  const contents = looksLikeSearchReply(text) ? readSearchReply(text) : readDocument(text);
  return rowsOf(contents, origin);
}

export function rowsOf({ listed, broken }: Contents, origin: Origin): (NewsItem | Reject)[] {
  return [
    ...listed.map((entry) => itemOf(entry, origin)),
    ...broken.map((part) => refused(part, origin)),
  ];
}

/** By what a row is known again: an item's own digest, a reject's code and bytes. */
export function digestOf(row: NewsItem | Reject): Uint8Array {
  return row.kind === "news"
    ? row.digest
    : sha256(`${row.code} ${Buffer.from(row.bytes).toString("latin1")}`);
}
