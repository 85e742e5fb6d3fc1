// Which feeds are polled, as TICKHUB_NEWS_FEEDS says it: `rss:NAME=URL`, `search:NAME=URL` and `dart`, separated
// by commas or, in a file, by lines. Pure but for reading the file.
import { readFileSync } from "node:fs";
import { TickhubError } from "../../../shared/errors.ts";

export type NewsSource =
  | { kind: "rss" | "search"; name: string; url: string; everyMs: number }
  | { kind: "dart"; name: "dart"; everyMs: number };

/** Publishers' feeds change every few minutes; a list of disclosures counts requests by the day. */
const EVERY_MS = { rss: 300_000, search: 600_000, dart: 60_000 } as const;
const EVERY_MIN_MS = 30_000;
const SOURCES_MAX = 200;
/** Where no setting says which. */
export const DEFAULT_FEEDS = new URL("./default-feeds.txt", import.meta.url);
const FORM =
  "rss:NAME=URL, search:NAME=URL or dart, each perhaps with ` every=SECONDS`, or the path of a file of such lines";

/** `setting` is a list or a file's path; undefined is our own list. Throws CONFIG_INVALID, which shows no URL. */
export function readSources(setting: string | undefined): NewsSource[] {
  const isFile = setting === undefined || /^[./~]/.test(setting);
  const text = isFile ? fileText(setting ?? DEFAULT_FEEDS) : setting;
  // An address may have commas of its own: a new entry begins with its kind.
  const parts = isFile
    ? text.split("\n").map((line) => line.replace(/^\s*#.*$|\s#.*$/, ""))
    : text.split(/,(?=\s*(?:rss:|search:|dart\b))/);
  const sources = parts
    .map((part) => part.trim())
    .filter(Boolean)
    .map(sourceOf);
  const names = new Set(sources.map(({ name }) => name));
  if (names.size !== sources.length) throw invalid("names that are different");
  if (sources.length === 0 || sources.length > SOURCES_MAX) {
    throw invalid(`1 to ${SOURCES_MAX} feeds`);
  }
  return sources;
}

function sourceOf(text: string): NewsSource {
  const [, body = "", every] = /^(.*?)(?:\s+every=(\d+))?$/s.exec(text) ?? [];
  const everyMs = every === undefined ? undefined : Math.max(EVERY_MIN_MS, Number(every) * 1_000);
  if (body === "dart") return { kind: "dart", name: "dart", everyMs: everyMs ?? EVERY_MS.dart };
  const [, kind, name = "", url = ""] =
    /^(rss|search):([a-z0-9][a-z0-9-]{0,39})=(\S+)$/.exec(body) ?? [];
  const parsed = URL.parse(url);
  if ((kind !== "rss" && kind !== "search") || !parsed || !/^https?:$/.test(parsed.protocol)) {
    throw invalid(FORM, name === "" ? undefined : `${kind ?? ""}:${name}`);
  }
  return { kind, name: `${kind}:${name}`, url: parsed.href, everyMs: everyMs ?? EVERY_MS[kind] };
}

function fileText(path: string | URL): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const wanted = "a file that can be read";
    throw new TickhubError("CONFIG_INVALID", { name: "TICKHUB_NEWS_FEEDS", wanted }, { cause });
  }
}

function invalid(wanted: string, feed?: string): TickhubError {
  const facts = { name: "TICKHUB_NEWS_FEEDS", wanted, ...(feed ? { feed } : {}) };
  return new TickhubError("CONFIG_INVALID", facts);
}
