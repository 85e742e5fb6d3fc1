// Where the reader is, in the address after `#`, so that a view can be linked, reloaded and gone back to:
// `#/`, `#/symbol/kis:1/KRX/005930?step=60000`, `#/logs?level=warn&q=retry`.
import { signal } from "@preact/signals";
import type { Place } from "../../../../shared/web-api.ts";

export type Route =
  | { view: "overview" }
  | { view: "symbol"; place: Place; query: URLSearchParams }
  | { view: "logs"; query: URLSearchParams };

/** What cannot be read is the overview. Pure. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?");
  const query = new URLSearchParams(search);
  const [view, ...rest] = path.split("/").filter(Boolean).map(decode);
  if (view === "logs") return { view, query };
  const [source, venue, symbol] = rest;
  if (view === "symbol" && source && venue && symbol) {
    return { view, place: { source, venue, symbol }, query };
  }
  return { view: "overview" };
}

/** A broken escape is left as it stands. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function symbolPath({ source, venue, symbol }: Place): string {
  return `#/symbol/${[source, venue, symbol].map(encode).join("/")}`;
}

/** A colon is readable and means nothing after `#`. */
function encode(part: string): string {
  return encodeURIComponent(part).replaceAll("%3A", ":");
}

export const route = signal<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));

/** Changes what stands after `?` without a step in the history. */
export function setQuery(query: URLSearchParams): void {
  const [path] = (location.hash || "#/").split("?");
  const search = query.toString();
  history.replaceState(null, "", search ? `${path}?${search}` : path);
  route.value = parseRoute(location.hash);
}
