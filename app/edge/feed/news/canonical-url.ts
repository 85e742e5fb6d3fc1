// One address for one article, whoever points to it: feeds add marks by which they count their readers, and
// write the same host in several ways. Pure.
import { createHash } from "node:crypto";

/** Longer ones are none that a person opens. */
const URL_CHARACTERS_MAX = 2_048;
/** Parameters that name a reader's way and not the article; all others may. */
const MARKS =
  /^(utm_\w+|fbclid|gclid|dclid|msclkid|yclid|twclid|igshid|mc_[ce]id|_ga|_gl|wt_z?mc(\.\w+)?|ns_(campaign|mchannel|source)|cmpid|spm)$/i;
/** The same, of one host alone. */
const MARKS_OF: Readonly<Record<string, RegExp>> = {
  "news.google.com": /^(oc|hl|gl|ceid)$/,
};

/**
 * The address as it is stored: without credentials, fragment and readers' marks, parameters in one order.
 * Null for what is no http address.
 */
export function canonicalUrl(text: string, base?: string): string | null {
  const url = URL.parse(text.trim(), base);
  if (!url || !/^https?:$/.test(url.protocol) || !url.hostname) return null;
  url.username = "";
  url.password = "";
  url.hash = "";
  url.hostname = url.hostname.replace(/\.$/, "");
  const own = MARKS_OF[url.hostname];
  const names = [...new Set(url.searchParams.keys())];
  for (const name of names) {
    if (MARKS.test(name) || own?.test(name)) url.searchParams.delete(name);
  }
  url.searchParams.sort();
  if (url.search === "?") url.search = "";
  return url.href.length <= URL_CHARACTERS_MAX ? url.href : null;
}

/** SHA-256 of what makes an item itself: its address, whatever the scheme, `www.` and last slash. */
export function digestOfUrl(canonical: string): Uint8Array {
  const url = new URL(canonical);
  const path = url.pathname.replace(/\/+$/, "");
  return sha256(`url ${url.host.replace(/^www\./, "")}${path}${url.search}`);
}

/** SHA-256 of an item without an address: its feed's id for it, or its content. */
export function digestOfText(feed: string, text: string): Uint8Array {
  return sha256(`text ${feed} ${text}`);
}

export function sha256(content: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(content).digest());
}
