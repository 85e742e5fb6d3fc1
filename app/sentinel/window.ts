// The Sentinel's own window: /healthz for the container's probe, /status and /metrics to look at, and what
// `tickhub sentinel ack | quiet | test` says. Nobody of the tailnet may reach it; what changes something wants the
// Sentinel's token beside that.
import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { ERRORS } from "../shared/errors.ts";
import type { ErrorCode } from "../shared/errors.ts";
import { listenOn } from "../shared/listen.ts";
import { assertPrivate } from "../shared/private-address.ts";
import { digest } from "../shared/token.ts";
import type { Command } from "./command.ts";
import { parseCommand } from "./command.ts";

const CONNECTIONS_MAX = 32;
const BODY_BYTES_MAX = 2_048;

export interface WindowOptions {
  port: number;
  bind: string;
  allowPublic: boolean;
  /** Null: nothing can be changed from here. */
  token: string | null;
  registry: Registry;
  health: () => { ok: boolean };
  status: () => unknown;
  obey: (command: Command) => Promise<string | null>;
  test: () => void;
}

export interface Window {
  url: string;
  close(): Promise<void>;
}

/** Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, CONFIG_INVALID. */
export async function openWindow(options: WindowOptions): Promise<Window> {
  const { port, bind, allowPublic } = options;
  assertPrivate(bind, allowPublic);
  const server = createServer((request, response) => {
    void answer(request, response, options).catch(() => response.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = 10_000;
  const url = await listenOn(server, { port, bind, name: "TICKHUB_STATUS_BIND" });
  return {
    url,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WindowOptions,
): Promise<void> {
  const { registry, health, status, obey, test } = options;
  const send = (code: number, body: unknown) =>
    response
      .writeHead(code, { "content-type": "application/json", "cache-control": "no-store" })
      .end(JSON.stringify(body));
  const refuse = (code: number, error: ErrorCode) =>
    send(code, { ok: false, code: error, hint: ERRORS[error].hint });
  const place = `${request.method} ${request.url}`;
  if (place === "GET /healthz") {
    const now = health();
    return void send(now.ok ? 200 : 503, now);
  }
  if (place === "GET /status") return void send(200, status());
  if (place === "GET /metrics") {
    response.writeHead(200, { "content-type": registry.contentType });
    return void response.end(await registry.metrics());
  }
  if (place !== "POST /say" && place !== "POST /test") {
    return void send(404, { hint: "Here are /healthz, /status, /metrics, and POST /say, /test." });
  }
  if (!isOwn(request, options.token)) return void refuse(401, "SENTINEL_TOKEN");
  if (place === "POST /test") {
    test();
    return void send(200, { ok: true });
  }
  const command = parseCommand(await bodyOf(request));
  if (!command) return void refuse(400, "USAGE");
  const says = await obey(command);
  if (says === null) return void refuse(404, "SENTINEL_CODE");
  send(200, { ok: true, says });
}

function isOwn(request: IncomingMessage, token: string | null): boolean {
  const [, given] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
  return token !== null && given !== undefined && timingSafeEqual(digest(given), digest(token));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return "";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
