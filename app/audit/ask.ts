// One question to a vendor's API: bounded in time and size, and an error that says which of the few things that
// can go wrong it was. What each means for a person is in refusal.ts.

const ANSWER_MS = 15_000;
/** A tenancy's list of volumes is a few kilobytes; this is far from it, and far from a memory's end. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** A list of more pages than this is no account that fits into a free tier. */
export const PAGES_MAX = 20;

export type Fault =
  | "unauthorised"
  | "forbidden"
  | "missing"
  | "slow_down"
  | "vendor_down"
  | "refused"
  | "timeout"
  | "unreachable"
  | "cut_short"
  | "too_big"
  | "too_many_pages"
  | "not_json";

/** A vendor that did not answer as its documentation says. */
export class AskError extends Error {
  readonly fault: Fault;
  /** The HTTP status, or undefined when there was no whole answer. */
  readonly status: number | undefined;
  /** How long the vendor asks to wait, in seconds. */
  readonly waitS: number | undefined;

  constructor(
    message: string,
    fault: Fault,
    { status, waitS, cause }: { status?: number; waitS?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = "AskError";
    this.fault = fault;
    this.status = status;
    this.waitS = waitS;
  }
}

export interface Question {
  method?: "GET" | "POST" | undefined;
  headers?: Record<string, string> | undefined;
  body?: string | undefined;
  /** How long an answer may take, in milliseconds. */
  answerMs?: number | undefined;
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

export interface Answer {
  body: unknown;
  headers: Headers;
}

/** Any reply, whatever its status. Throws AskError when none came, or not all of it. */
export async function exchange(url: URL, question: Question = {}): Promise<Reply> {
  const place = placeOf(url);
  const answerMs = question.answerMs ?? ANSWER_MS;
  try {
    const response = await fetch(url, {
      method: question.method ?? "GET",
      headers: { accept: "application/json", ...question.headers },
      ...(question.body === undefined ? {} : { body: question.body }),
      redirect: "error",
      signal: AbortSignal.timeout(answerMs),
    });
    const text = await textOf(response, place);
    return { status: response.status, headers: response.headers, text };
  } catch (error) {
    if (error instanceof AskError) throw error;
    if (error instanceof Error && error.name === "TimeoutError")
      throw new AskError(`${place} did not answer within ${answerMs / 1000} s`, "timeout", {
        cause: error,
      });
    const reason = error instanceof Error ? causeOf(error) : String(error);
    throw new AskError(`${place} did not answer: ${reason}`, "unreachable", { cause: error });
  }
}

/** Throws AskError with the host, the path and the vendor's own word; never with a header of the request. */
export async function ask(url: URL, question: Question = {}): Promise<Answer> {
  const place = placeOf(url);
  const { status, headers, text } = await exchange(url, question);
  if (status < 200 || status > 299) {
    const seconds = Number(headers.get("retry-after") ?? NaN);
    throw new AskError(`${place} answered ${status}: ${wordOf(text)}`, faultOf(status), {
      status,
      waitS: Number.isNaN(seconds) ? undefined : seconds,
    });
  }
  try {
    return { body: JSON.parse(text), headers };
  } catch (error) {
    throw new AskError(`${place} answered with something other than JSON`, "not_json", {
      status,
      cause: error,
    });
  }
}

/**
 * Every item of a list in pages. `page` asks for one, by the mark that the one before it gave.
 * Throws AskError: of any page, and for a list without an end, because part of a list proves nothing.
 */
export async function everyPage<T>(
  place: string,
  page: (mark: string | undefined) => Promise<{ items: T[]; next: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let mark: string | undefined;
  for (let count = 0; count < PAGES_MAX; count++) {
    const { items, next } = await page(mark);
    all.push(...items);
    if (next === undefined || next === "") return all;
    mark = next;
  }
  throw new AskError(`${place} has more than ${PAGES_MAX} pages`, "too_many_pages");
}

const placeOf = (url: URL) => `${url.host}${url.pathname}`;

function faultOf(status: number): Fault {
  if (status === 401) return "unauthorised";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status === 429) return "slow_down";
  return status >= 500 ? "vendor_down" : "refused";
}

async function textOf(response: Response, place: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX)
        throw new AskError(`${place} answered with more than 8 MiB`, "too_big");
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AskError) throw error;
    if (error instanceof Error && error.name === "TimeoutError") throw error;
    throw new AskError(`${place} stopped in the middle of its answer`, "cut_short", {
      cause: error,
    });
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * The vendors' errors are `{"code", "message"}` (OCI), `{"message"}` (Tailscale) and
 * `{"error": {"status", "message"}}` (Google; Northflank without a status).
 */
function wordOf(text: string): string {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const inner = (typeof body["error"] === "object" ? body["error"] : body) as typeof body | null;
    const words = [inner?.["status"] ?? inner?.["code"], inner?.["message"]]
      .filter((word) => typeof word === "string")
      .join(": ");
    if (words !== "") return words.slice(0, 300);
  } catch {
    // Not JSON: a proxy's page, shown as far as it goes.
  }
  return text.replaceAll(/\s+/g, " ").slice(0, 200);
}

const causeOf = (error: Error): string =>
  error.cause instanceof Error ? error.cause.message : error.message;
