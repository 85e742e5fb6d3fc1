// One HTTP request and its whole answer: bounded in time and in bytes, through a route where one is set.
// Redirects are not followed: nobody we ask has a reason to send us elsewhere.
import { request as requestPlain } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import { TLSSocket } from "node:tls";
import type { Clock } from "./clock.ts";
import type { Route } from "./dial/route.ts";
import type { SocketBytes } from "./socket-bytes.ts";

export interface HttpRequest {
  url: string;
  headers?: Record<string, string>;
  /** Posted; without one it is a GET. */
  body?: string | undefined;
  clock: Clock;
  timeoutMs: number;
  replyBytesMax: number;
  /** Through proxies. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
}

export interface HttpReply {
  status: number;
  headers: Headers;
  text: string;
  /** When the server's certificate ends; null without TLS. */
  certificateEndMs: number | null;
}

/** Rejects with TickhubError PROXY_*, a system error, or an Error that says `timeout`, `redirect`, `reply too large`. */
export async function exchange(asked: HttpRequest): Promise<HttpReply> {
  const url = new URL(asked.url);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options: RequestOptions = {
    method: asked.body === undefined ? "GET" : "POST",
    headers: {
      ...asked.headers,
      ...(asked.body === undefined ? {} : { "content-length": Buffer.byteLength(asked.body) }),
    },
    ...(asked.route ? { agent: asked.route.agentFor(url) } : {}),
  };
  const request = (url.protocol === "https:" ? requestTls : requestPlain)(url, options, resolve);
  asked.bytes?.watchRequest(request);
  request.on("error", reject);
  const timer = asked.clock.after(asked.timeoutMs, () => request.destroy(new Error("timeout")));
  request.end(asked.body);
  try {
    const response = await promise;
    const { statusCode: status = 0 } = response;
    if (status >= 300 && status < 400) throw new Error("redirect");
    const certificateEndMs = certificateEndOf(response);
    const text = await textOf(response, asked.replyBytesMax);
    return { status, headers: headersOf(response), text, certificateEndMs };
  } catch (error) {
    request.destroy();
    throw error;
  } finally {
    timer.cancel();
  }
}

/** Asked before the end: a socket that went back to its agent may be gone. */
function certificateEndOf({ socket }: IncomingMessage): number | null {
  if (!(socket instanceof TLSSocket)) return null;
  // Empty where the session was resumed without one; its date was seen at the first handshake.
  const { valid_to: end } = socket.getPeerCertificate() as { valid_to?: string };
  return end === undefined ? null : Date.parse(end);
}

async function textOf(response: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error("reply too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}
