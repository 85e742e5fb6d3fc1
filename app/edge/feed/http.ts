// One JSON request to a broker's REST side: bounded in time and in bytes.
import type { Clock } from "../../shared/clock.ts";
import { TickhubError, codeOf } from "../../shared/errors.ts";

export interface JsonRequest {
  url: string;
  headers?: Record<string, string>;
  /** Posted as JSON; without one it is a GET. */
  body?: Record<string, string>;
  clock: Clock;
  timeoutMs: number;
  replyBytesMax: number;
}

/** What came back. `body` is empty where it was no JSON object. */
export interface JsonReply {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** Asks once. Throws FEED_UNREACHABLE when no whole answer came in time and in bounds. */
export async function requestJson(request: JsonRequest): Promise<JsonReply> {
  const abort = new AbortController();
  const timer = request.clock.after(request.timeoutMs, () => abort.abort());
  try {
    const response = await fetch(request.url, {
      method: request.body ? "POST" : "GET",
      headers: { "content-type": "application/json;charset=UTF-8", ...request.headers },
      body: request.body ? JSON.stringify(request.body) : null,
      redirect: "error",
      signal: abort.signal,
    });
    const { status, headers } = response;
    return { status, headers, body: objectIn(await readText(response, request)) };
  } catch (error) {
    if (error instanceof TickhubError) throw error;
    const { host, pathname } = new URL(request.url);
    const reason = abort.signal.aborted ? "timeout" : codeOf((error as Error).cause ?? error);
    throw new TickhubError("FEED_UNREACHABLE", { host, path: pathname, reason }, { cause: error });
  } finally {
    timer.cancel();
  }
}

async function readText(response: Response, request: JsonRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > request.replyBytesMax) {
      const { host, pathname } = new URL(request.url);
      throw new TickhubError("FEED_UNREACHABLE", {
        host,
        path: pathname,
        reason: "reply too large",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
