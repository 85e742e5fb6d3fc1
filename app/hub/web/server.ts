// The hub's port: the page, its event stream, /status, /healthz and /metrics over HTTP, and the gateway's
// upgrades handed on. Promises: noise on the port is answered with 400 and counted, slow clients time out.
import type { IncomingMessage } from "node:http";
import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import fastify from "fastify";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../shared/clock.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { endWithError } from "../ingest/gateway.ts";
import type { Picture } from "../query/picture.ts";
import type { LastTrade } from "../query/live.ts";
import { LiveStream } from "./live-stream.ts";

/** What the page is made of; loaded once, at start. */
const PAGE_FILES = [
  { path: "/", file: "index.html", type: "text/html; charset=utf-8" },
  { path: "/page.css", file: "page.css", type: "text/css; charset=utf-8" },
  { path: "/page.js", file: "page.js", type: "text/javascript; charset=utf-8" },
  { path: "/icon.svg", file: "icon.svg", type: "image/svg+xml" },
] as const;

const HEADERS = {
  "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

export interface WebOptions {
  clock: Clock;
  emit: Emit;
  /** Why the hub does not do its work just now; empty when it does. */
  reasons: () => Promise<string[]>;
  picture: () => Promise<Picture>;
  /** Trades that changed after `version`. */
  trades: (version: number) => { version: number; trades: LastTrade[] };
  metrics: () => Promise<{ type: string; text: string }>;
  liveReadersMax: number;
  /** Takes the WebSockets of edges. */
  onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface WebServer {
  /** Throws GATEWAY_PORT_TAKEN. Returns `http://address:port`. */
  listen(port: number, bind: string): Promise<string>;
  close(): Promise<void>;
}

export function createWebServer(options: WebOptions): WebServer {
  const { clock, emit } = options;
  const app = fastify({
    forceCloseConnections: true,
    requestTimeout: 10_000,
    bodyLimit: 64 * 1024,
    clientErrorHandler(_error, socket) {
      const address = socket.remoteAddress ?? "";
      emit({ event: "edge_refused", edge: "", address, code: "GATEWAY_PROTOCOL" });
      endWithError(socket, "400 Bad Request", "GATEWAY_PROTOCOL");
    },
  });
  app.server.maxConnections = 512;
  app.server.headersTimeout = 10_000;
  app.server.on("upgrade", options.onUpgrade);
  app.addHook("onSend", async (_request, reply) => void reply.headers(HEADERS));

  const live = new LiveStream({
    clock,
    periodMs: 500,
    readersMax: options.liveReadersMax,
    unsentBytesMax: 256 * 1024,
    async frame(since) {
      const picture = await options.picture();
      const { version, trades } = options.trades(since);
      return { version, json: JSON.stringify({ ...picture, trades }) };
    },
  });
  addRoutes(app, live, options);
  for (const { path, file, type } of PAGE_FILES) {
    const body = readFileSync(new URL(`./page/${file}`, import.meta.url));
    app.get(path, (_request, reply) => reply.type(type).send(body));
  }
  return {
    listen: (port, bind) => listen(app, port, bind),
    async close() {
      live.stop();
      await app.close();
    },
  };
}

function addRoutes(app: FastifyInstance, live: LiveStream, options: WebOptions): void {
  app.get("/healthz", async (_request, reply) => {
    const reasons = await options.reasons();
    return reply.code(reasons.length === 0 ? 200 : 503).send({ ok: reasons.length === 0, reasons });
  });
  app.get("/status", async () => {
    const picture = await options.picture();
    return { ...picture, trades: options.trades(0).trades };
  });
  app.get("/metrics", async (_request, reply) => {
    const { type, text } = await options.metrics();
    return reply.type(type).send(text);
  });
  app.get("/live", (_request, reply) => {
    if (live.isFull()) {
      return reply
        .code(503)
        .send({ code: "GATEWAY_FULL", hint: "Too many pages are open; close one." });
    }
    reply.hijack();
    live.add(reply.raw);
    return reply;
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ hint: "Here are /, /status, /live, /healthz and /metrics." }),
  );
}

async function listen(app: FastifyInstance, port: number, bind: string): Promise<string> {
  try {
    await app.listen({ port, host: bind });
  } catch (error) {
    const code = codeOf(error);
    if (code === "EADDRINUSE")
      throw new TickhubError("GATEWAY_PORT_TAKEN", { bind, port }, { cause: error });
    if (code === "EADDRNOTAVAIL") {
      const reason = "not an address of this machine";
      throw new TickhubError(
        "CONFIG_INVALID",
        { name: "TICKHUB_BIND", value: bind, reason },
        { cause: error },
      );
    }
    throw error;
  }
  const { port: bound } = app.server.address() as AddressInfo;
  return `http://${isIPv6(bind) ? `[${bind}]` : bind}:${bound}`;
}
