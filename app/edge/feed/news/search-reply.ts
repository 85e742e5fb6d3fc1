// A search's answer in JSON, as Naver's news search has it and those who copied it:
//   {"items":[{"title":"<b>삼성</b>전자 …","originallink":"https://…","link":"https://…","description":"…",
//    "pubDate":"Thu, 02 Jul 2026 07:50:00 +0900"}]}
// (https://developers.naver.com/docs/serviceapi/search/news/news.md). Pure, and never throws.
import { z } from "zod";
import type { Contents } from "./listed.ts";

const ITEMS_MAX = 1_000;

const text = z.string().optional().catch(undefined);
const itemSchema = z.object({
  title: z.string(),
  link: text,
  originallink: text,
  description: text,
  pubDate: text,
});
const replySchema = z.object({ items: z.array(z.unknown()) });

/** True for a document that is JSON and no feed of the JSON Feed kind. */
export function looksLikeSearchReply(body: string): boolean {
  return /^\s*\{/.test(body) && !/"version"\s*:\s*"https?:\/\/jsonfeed\.org/.test(body);
}

/** Items of `body`; an item without a title is refused alone. */
export function readSearchReply(body: string): Contents {
  const reply = replySchema.safeParse(jsonIn(body));
  if (!reply.success) {
    const code = jsonIn(body) === undefined ? "FRAME_NOT_JSON" : "FRAME_GRAMMAR";
    return { listed: [], broken: [{ code, reason: "no search's answer: no `items`", text: body }] };
  }
  const contents: Contents = { listed: [], broken: [] };
  for (const [at, raw] of reply.data.items.slice(0, ITEMS_MAX).entries()) {
    const item = itemSchema.safeParse(raw);
    if (!item.success) {
      const reason = `item ${at + 1} has no title`;
      contents.broken.push({ code: "FIELD_MISSING", reason, text: JSON.stringify(raw) });
      continue;
    }
    const { title, link = "", originallink = "", description = "", pubDate = "" } = item.data;
    // The publisher's own address, where it is told: the search's leads to a copy.
    const url = originallink || link;
    contents.listed.push({
      ...{ id: "", title, url, summary: description, published: pubDate, symbols: [] },
    });
  }
  return contents;
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
