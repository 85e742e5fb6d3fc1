// One document from a server that owes us nothing: bounded in time, bytes (also unpacked) and redirects, asked
// for only where it changed. Promises: a key goes to the address it is for and nowhere else; no server sends us
// to an address inside our own network; errors name host and path, never a query.
import { lookup } from "node:dns";
import { request as requestPlain } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Agent, request as requestTls } from "node:https";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Clock } from "../../../shared/clock.ts";
import { codeOf, TickhubError } from "../../../shared/errors.ts";
import type { ErrorContext } from "../../../shared/errors.ts";
import { isPublic } from "../../../shared/private-address.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";

export interface FetcherOptions {
  clock: Clock;
  userAgent: string;
  /** From the connection to the last byte, each redirect anew. */
  timeoutMs: number;
  /** Of a document, unpacked. */
  bytesMax: number;
  redirectsMax: number;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
}

export const FETCH_LIMITS = { timeoutMs: 30_000, bytesMax: 4 * 2 ** 20, redirectsMax: 5 } as const;

/** What a server said a document's version is. */
export interface Validators {
  etag: string | null;
  lastModified: string | null;
}

export interface Asked {
  url: string;
  /** A request with keys, in headers or query: it follows no redirect. */
  isKeyed?: boolean;
  headers?: Readonly<Record<string, string>>;
  /** Of the document read last. */
  since?: Validators | null;
  /** Asked of each address, also of those the server sends us to. Throws where it must not be read. */
  permit?: (url: URL) => Promise<void>;
}

export type Fetched =
  | { name: "unchanged" }
  | ({ name: "document"; bytes: Uint8Array; contentType: string; url: string } & Validators);

/** `isInner`: who says so is inside of our own network. */
type Moved = { name: "moved"; to: URL; isInner: boolean };

/** A server may ask for longer, in vain. */
const RETRY_AFTER_MAX_MS = 86_400_000;

export class Fetcher {
  readonly #options: FetcherOptions;
  /** No connection is kept: polls are minutes apart. Sessions are, so that a new handshake costs half. */
  readonly #agent = new Agent({ keepAlive: false, maxCachedSessions: 100 });

  readonly #underWay = new Set<ClientRequest>();

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  /** Ends what is under way. */
  close(): void {
    for (const request of this.#underWay) request.destroy(new Error("stopped"));
    this.#agent.destroy();
  }

  /**
   * Throws NEWS_UNREACHABLE, NEWS_ANSWER (`status`), NEWS_LIMIT (429 and 503 that say when to come again, as
   * `retryAfterMs`), NEWS_KEY (401 and 403 to a key), NEWS_TOO_LARGE, NEWS_REDIRECT, and what `permit` throws.
   */
  async get(asked: Asked): Promise<Fetched> {
    let url = new URL(asked.url);
    let mayBeInner = true;
    for (let hop = 0; ; hop++) {
      await asked.permit?.(url);
      const answer = await this.#exchange(url, asked, mayBeInner);
      if (answer.name !== "moved") return answer;
      const isLast = hop >= this.#options.redirectsMax || asked.isKeyed === true;
      if (isLast || !/^https?:$/.test(answer.to.protocol)) {
        throw new TickhubError("NEWS_REDIRECT", { ...placeOf(url), to: answer.to.host, hops: hop });
      }
      // Whoever configured an inner address trusts it to name another one; a public server is not trusted so.
      mayBeInner &&= answer.isInner;
      url = answer.to;
    }
  }

  async #exchange(url: URL, asked: Asked, mayBeInner: boolean): Promise<Fetched | Moved> {
    if (!mayBeInner && isInnerName(url)) {
      throw new TickhubError("NEWS_REDIRECT", { ...placeOf(url), reason: "an inner address" });
    }
    const { clock, timeoutMs } = this.#options;
    const request = this.#request(url, asked, mayBeInner);
    this.#underWay.add(request);
    const overdue = new AbortController();
    const timer = clock.after(timeoutMs, () => {
      overdue.abort();
      request.destroy();
    });
    try {
      const response = await answered(request);
      return await this.#read(url, asked, response);
    } catch (error) {
      if (error instanceof TickhubError) throw error;
      throw unreachable(url, overdue.signal.aborted ? new Error("timeout") : error);
    } finally {
      timer.cancel();
      this.#underWay.delete(request);
      request.destroy();
    }
  }

  #request(url: URL, asked: Asked, mayBeInner: boolean): ClientRequest {
    const { userAgent, bytes } = this.#options;
    const { since, headers } = asked;
    const options: RequestOptions = {
      headers: {
        "user-agent": userAgent,
        accept:
          "application/rss+xml, application/atom+xml, application/xml, application/json, */*;q=0.1",
        "accept-encoding": "gzip, deflate, br",
        ...(since?.etag ? { "if-none-match": since.etag } : {}),
        ...(since?.lastModified ? { "if-modified-since": since.lastModified } : {}),
        ...headers,
      },
      ...(mayBeInner ? {} : { lookup: lookupPublic }),
    };
    const request =
      url.protocol === "https:"
        ? requestTls(url, { ...options, agent: this.#agent })
        : requestPlain(url, { ...options, agent: false });
    bytes?.watchRequest(request);
    request.end();
    return request;
  }

  async #read(url: URL, asked: Asked, response: IncomingMessage): Promise<Fetched | Moved> {
    const { statusCode: status = 0, headers } = response;
    if (status === 304) return { name: "unchanged" };
    if (status >= 300 && status < 400) {
      const to = URL.parse(headers.location ?? "", url.href);
      const isInner = !isPublic(response.socket.remoteAddress ?? "");
      if (to) return { name: "moved", to, isInner };
    }
    if (status !== 200)
      throw refusal(url, status, headers["retry-after"], asked, this.#options.clock);
    return {
      name: "document",
      bytes: await this.#body(url, response),
      contentType: headers["content-type"] ?? "",
      url: url.href,
      etag: short(headers.etag),
      lastModified: short(headers["last-modified"]),
    };
  }

  async #body(url: URL, response: IncomingMessage): Promise<Uint8Array> {
    const { bytesMax } = this.#options;
    const told = Number(response.headers["content-length"] ?? 0);
    const tooLarge = () => new TickhubError("NEWS_TOO_LARGE", { ...placeOf(url), bytesMax });
    if (told > bytesMax) throw tooLarge();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of unpacked(response)) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge();
      chunks.push(chunk);
    }
    if (!response.complete) throw new Error("cut off");
    return Buffer.concat(chunks);
  }
}

function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
}

function unpacked(response: IncomingMessage): AsyncIterable<Buffer> {
  const packing = (response.headers["content-encoding"] ?? "").toLowerCase();
  const unpacker =
    packing === "gzip" || packing === "x-gzip"
      ? createGunzip()
      : packing === "br"
        ? createBrotliDecompress()
        : packing === "deflate"
          ? createInflate()
          : null;
  if (unpacker === null) return response;
  // An error of the answer's own has to end the unpacking, or nobody hears of it.
  response.on("error", (error) => unpacker.destroy(error));
  response.on("aborted", () => unpacker.destroy(new Error("cut off")));
  return response.pipe(unpacker);
}

function refusal(
  url: URL,
  status: number,
  retryAfter: string | undefined,
  asked: Asked,
  clock: Clock,
): TickhubError {
  const retryAfterMs = waitOf(retryAfter, clock.nowMs());
  const facts: ErrorContext = { ...placeOf(url), status };
  if (status === 429 || (status === 503 && retryAfterMs > 0)) {
    return new TickhubError("NEWS_LIMIT", { ...facts, retryAfterMs });
  }
  const isKeyRefused = asked.isKeyed === true && (status === 401 || status === 403);
  return new TickhubError(isKeyRefused ? "NEWS_KEY" : "NEWS_ANSWER", facts);
}

/** `Retry-After`: seconds, or a date. */
function waitOf(text: string | undefined, nowMs: number): number {
  if (text === undefined) return 0;
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(RETRY_AFTER_MAX_MS, Math.max(0, ms)) : 0;
}

/** The name of a place a person can open; a query may hold a key. */
function placeOf({ host, pathname }: URL): { host: string; path: string } {
  return { host, path: pathname };
}

function unreachable(url: URL, error: unknown): TickhubError {
  const code = codeOf(error);
  const reason = code === "Error" ? (error as Error).message : code;
  return new TickhubError("NEWS_UNREACHABLE", { ...placeOf(url), reason }, { cause: error });
}

/** Of a validator: longer ones are none that we send back each time. */
function short(header: string | undefined): string | null {
  return header !== undefined && header.length <= 256 ? header : null;
}

function isInnerName({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  return isIP(address) !== 0
    ? !isPublic(address)
    : /(^|\.)(localhost|internal|local)$/i.test(address);
}

/** As the system looks names up, without the addresses that no public server has. */
export const lookupPublic: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return done(error, "");
    const [first] = addresses;
    if (!first || !addresses.every(({ address }) => isPublic(address))) {
      return done(Object.assign(new Error("an inner address"), { code: "INNER_ADDRESS" }), "");
    }
    if (options.all) done(null, addresses);
    else done(null, first.address, first.family);
  });
};
