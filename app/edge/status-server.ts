// The edge's own window: /healthz for probes, /status for people, /metrics for Prometheus. On loopback,
// unless a deployment says that the tailnet may look in too.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { codeOf } from "../shared/errors.ts";
import { listenOn } from "../shared/listen.ts";
import { assertPrivate } from "../shared/private-address.ts";
import type { SocketBytes } from "../shared/socket-bytes.ts";
import type { Scraped } from "./metrics.ts";

/** Probes, a scraper and a few people. */
const CONNECTIONS_MAX = 64;

export interface StatusServer {
  url: string;
  close(): Promise<void>;
}

/** Where the window is. */
export interface StatusPlace {
  /** 0 picks one. */
  port: number;
  bind: string;
  allowPublic: boolean;
}

/**
 * What a probe is told. All three are healthy: a standby must not be restarted, and whoever kills a draining
 * edge kills what it still holds. Only an edge that does not answer is dead.
 */
export type EdgeHealth = { ok: true; standby: boolean; draining: boolean; heldRecords: number };

/** What looking in costs: a vendor counts bytes, requests, and metrics by themselves. */
export interface ServedBytes {
  readonly sockets: SocketBytes;
  /** Of answers to /metrics. */
  metricsBytes: number;
}

/**
 * Ready from the first moment, also while another process still holds the accounts: a standby is healthy.
 * Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, CONFIG_INVALID.
 */
export async function startStatusServer(
  { port, bind, allowPublic }: StatusPlace,
  edge: { status: () => unknown; health: () => EdgeHealth },
  scraped: Scraped,
  served?: ServedBytes,
): Promise<StatusServer> {
  assertPrivate(bind, allowPublic);
  const server = createServer((request, response) => {
    if (served) served.sockets.requests++;
    const answer = (code: number, type: string, body: string) => {
      response.writeHead(code, { "content-type": type, "cache-control": "no-store" }).end(body);
    };
    const json = (body: unknown) => answer(200, "application/json", JSON.stringify(body));
    if (request.url === "/healthz") json(edge.health());
    else if (request.url === "/status") json(edge.status());
    else if (request.url === "/metrics") {
      answerScrape(request, response, scraped).then(
        (bytes) => {
          if (served) served.metricsBytes += bytes;
        },
        (error: unknown) => answer(500, "text/plain", `${codeOf(error)}\n`),
      );
    } else answer(404, "text/plain", "Here are /healthz, /status and /metrics.\n");
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("connection", (socket) => served?.sockets.watch(socket));
  const url = await listenOn(server, { port, bind, name: "TICKHUB_STATUS_BIND" });
  return {
    url,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const compress = promisify(gzip);

/** Compressed for whoever takes it, as Prometheus does: a fifth of the egress. Returns the bytes of the body. */
async function answerScrape(
  { headers }: IncomingMessage,
  response: ServerResponse,
  scraped: Scraped,
): Promise<number> {
  const text = await scraped.metrics();
  const isZipped = /\bgzip\b/.test(headers["accept-encoding"] ?? "");
  const body = isZipped ? await compress(text) : Buffer.from(text);
  response
    .writeHead(200, {
      "content-type": scraped.contentType,
      "cache-control": "no-store",
      ...(isZipped ? { "content-encoding": "gzip" } : {}),
    })
    .end(body);
  return body.length;
}
