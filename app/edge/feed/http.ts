// One JSON request to a broker's REST side: bounded in time and in bytes.
import type { Clock } from "../../shared/clock.ts";
import { TickhubError, codeOf } from "../../shared/errors.ts";
import { exchange } from "../../shared/http-request.ts";
import type { Route } from "../../shared/dial/route.ts";
import type { SocketBytes } from "../../shared/socket-bytes.ts";

export interface JsonRequest {
  url: string;
  headers?: Record<string, string>;
  /** Posted as JSON; without one it is a GET. */
  body?: Record<string, string>;
  clock: Clock;
  timeoutMs: number;
  replyBytesMax: number;
  /** Through proxies, where the broker is behind one. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
}

/** What came back. `body` is empty where it was no JSON object. */
export interface JsonReply {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** Asks once. Throws FEED_UNREACHABLE when no whole answer came in time and in bounds, PROXY_*. */
export async function requestJson(request: JsonRequest): Promise<JsonReply> {
  try {
    const { status, headers, text } = await exchange({
      ...request,
      headers: { "content-type": "application/json;charset=UTF-8", ...request.headers },
      body: request.body ? JSON.stringify(request.body) : undefined,
    });
    return { status, headers, body: objectIn(text) };
  } catch (error) {
    if (error instanceof TickhubError) throw error;
    const { host, pathname } = new URL(request.url);
    const code = codeOf(error);
    const reason = code === "Error" ? (error as Error).message : code;
    throw new TickhubError("FEED_UNREACHABLE", { host, path: pathname, reason }, { cause: error });
  }
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
