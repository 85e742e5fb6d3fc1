// What a person reads of a title or summary: feeds send HTML, HTML in entities, and bytes no table holds.
// Pure; the result is one line.
import { decodeHTML } from "entities";

/** Of raw text that is looked at, for each character kept: markup is longer than what it marks up. */
const RAW_FACTOR = 20;

/** `text` without tags, with entities read, white space as single blanks, at most `charactersMax` long. */
export function plainText(text: string, charactersMax: number): string {
  const raw = text.slice(0, charactersMax * RAW_FACTOR);
  const untagged = raw
    .replace(/<(script|style)\b[^>]*>[\s\S]*?<\/\1\s*>/gi, " ")
    .replace(/<!--[\s\S]*?-->/g, " ")
    // Inline marks stand inside words: `<b>삼성</b>전자`.
    .replace(/<\/?(?:b|i|em|strong|u|font|span|mark|a)(?:\s[^<>]*)?>/gi, "")
    .replace(/<\/?[a-z][^<>]*>/gi, " ");
  const decoded = decodeHTML(untagged).toWellFormed();
  // PostgreSQL stores no NUL, a line has no other control characters, and nobody sees the zero-width ones.
  const clean = decoded.replace(/[\p{Cc}\u200b-\u200f\u2028\u2029\ufeff]/gu, " ");
  return cut(clean.replace(/\s+/g, " ").trim(), charactersMax);
}

/** Never between the halves of a surrogate pair. */
function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  return `${text
    .slice(0, charactersMax - 1)
    .replace(/[\ud800-\udbff]$/, "")
    .trimEnd()}…`;
}
