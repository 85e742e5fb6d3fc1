// The hub's ports: the page, its event streams, /api, /status, /healthz and /metrics over HTTP, and the gateway's
// upgrades handed on; on one port, or the gateway and what people look at on one each. Promises: noise on a
// port is answered with 400 and counted, slow clients time out.
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import fastify from "fastify";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../shared/clock.ts";
import { codeOf, ERRORS } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { EVIDENCE_PATH } from "../../shared/evidence.ts";
import { endWithError } from "../../shared/http-refusal.ts";
import { INSTRUMENTS_PATH } from "../../shared/instruments.ts";
import { refusalOf, urlOf } from "../../shared/listen.ts";
import { SENTINEL_PATH } from "../../shared/alerts.ts";
import { STRESS_PATH, STRESS_ROWS_PATH } from "../../shared/stress-door.ts";
import type { HubWatch } from "../../shared/watch.ts";
import { WATCH_PATH } from "../../shared/watch.ts";
import type { SocketBytes } from "../../shared/socket-bytes.ts";
import type { Picture } from "../query/picture.ts";
import type { LastTrade } from "../query/live.ts";
import type { EvidenceDoor } from "../ingest/evidence-door.ts";
import type { InstrumentsDoor } from "../ingest/instruments-door.ts";
import type { StressDoor } from "../ingest/stress-door.ts";
import { addApi, TOO_MANY } from "./api.ts";
import type { ApiOptions } from "./api.ts";
import { addCompression } from "./compress.ts";
import { createLiveStream, newReader } from "./live-stream.ts";
import type { LiveStream } from "./live-stream.ts";
import type { SentinelDoor } from "../ingest/sentinel-door.ts";
import { addPage } from "./page-files.ts";

const HEADERS = {
  "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

/** What every port of the hub answers. */
export interface PortOptions {
  version: string;
  clock: Clock;
  emit: Emit;
  /** Why the hub does not do its work just now; empty when it does. */
  reasons: () => Promise<string[]>;
  /** Counts what the port answers. */
  served?: SocketBytes;
  /** Takes the WebSockets of edges; without it the port has no gateway. */
  onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Takes `POST /evidence` of edges; where the gateway is. */
  evidence?: EvidenceDoor;
  /** Answers `GET /instruments` of edges; where the gateway is. */
  instruments?: InstrumentsDoor;
  /** Answers `GET /stress` of edges; where the gateway is. */
  stress?: StressDoor;
}

export interface WebOptions extends PortOptions {
  picture: () => Promise<Picture>;
  /** What the Sentinel looks at. */
  watch: () => Promise<HubWatch>;
  /** Takes `POST /sentinel`; absent where no Sentinel has a token. */
  sentinel?: SentinelDoor | undefined;
  /** Trades that changed after `version`. */
  trades: (version: number) => { version: number; trades: LastTrade[] };
  metrics: () => Promise<{ type: string; text: string }>;
  liveReadersMax: number;
  /** Of the built page; default: where the build puts it. */
  pageFolder?: string;
  api: ApiOptions;
}

export interface WebServer {
  /** Throws GATEWAY_PORT_TAKEN. Returns `http://address:port`. */
  listen(port: number, bind: string): Promise<string>;
  close(): Promise<void>;
}

/** A port with the gateway and /healthz, and nothing that people look at. */
export function createGatewayServer(options: PortOptions): WebServer {
  const app = createPort(options);
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({
      hint: "Here are /edge, /evidence, /instruments and /stress for edges, and /healthz.",
    }),
  );
  return { listen: (port, bind) => listen(app, port, bind), close: () => app.close() };
}

/** A port with the page and all that stands behind it; with the gateway too when it is given one. */
export function createWebServer(options: WebOptions): WebServer {
  const { clock, picture, trades, liveReadersMax: readersMax } = options;
  const app = createPort(options);
  addCompression(app);
  const live = createLiveStream({ clock, readersMax, picture, trades });
  addRoutes(app, live, options);
  const api = addApi(app, options.api, HEADERS);
  if (options.sentinel) addSentinel(app, options.sentinel);
  addPage(app, options.pageFolder);
  return {
    listen: (port, bind) => listen(app, port, bind),
    async close() {
      live.stop();
      api.stop();
      await app.close();
    },
  };
}

/** What all ports have in common: limits, headers, /healthz, and no patience with noise. */
function createPort(options: PortOptions): FastifyInstance {
  const { version, clock, emit, reasons, served, onUpgrade, evidence, instruments, stress } =
    options;
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
  if (onUpgrade) app.server.on("upgrade", onUpgrade);
  if (evidence) addEvidence(app, evidence);
  if (instruments) {
    app.get(INSTRUMENTS_PATH, async (request, reply) => {
      const { status, body } = await instruments.answer(edgeOf(request), request.raw);
      return reply.code(status).send(body);
    });
  }
  if (stress) addStress(app, stress);
  if (served) {
    app.server.on("connection", (socket) => served.watch(socket));
    app.server.on("request", () => served.requests++);
  }
  app.addHook("onSend", async (_request, reply) => {
    const kept = reply.getHeader("cache-control");
    void reply.headers(kept === undefined ? HEADERS : { ...HEADERS, "cache-control": kept });
  });
  app.get("/healthz", async (_request, reply) => {
    const why = await reasons();
    const ok = why.length === 0;
    return reply.code(ok ? 200 : 503).send({ ok, reasons: why, version, nowMs: clock.nowMs() });
  });
  return app;
}

/** Who asks, by its own word. */
function edgeOf({ query }: FastifyRequest): string {
  const { edge } = query as { edge?: unknown };
  return typeof edge === "string" ? edge : "";
}

function addStress(app: FastifyInstance, door: StressDoor): void {
  app.get(STRESS_PATH, async (request, reply) => {
    const { status, body } = await door.look(edgeOf(request), request.raw);
    return reply.code(status).send(body);
  });
  app.get(STRESS_ROWS_PATH, async (request, reply) => {
    const { holders } = request.query as { holders?: unknown };
    const named = typeof holders === "string" ? holders : "";
    const { status, body } = await door.rows(edgeOf(request), request.raw, named);
    return reply.code(status).send(body);
  });
}

/** The token is looked at before the body is read. */
function addEvidence(app: FastifyInstance, door: EvidenceDoor): void {
  app.post(EVIDENCE_PATH, {
    onRequest: (request, reply, next) => {
      void door.admit(edgeOf(request), request.raw).then((refusal) => {
        if (refusal) void reply.code(refusal.status).send(refusal.body);
        else next();
      });
    },
    errorHandler: (error, request, reply) => {
      const { status, body } = door.invalid(edgeOf(request), codeOf(error));
      void reply.code(status).send(body);
    },
    handler: async (request, reply) => {
      const { status, body } = await door.take(edgeOf(request), request.body);
      return reply.code(status).send(body);
    },
  });
}

/** As addEvidence, for the one that has a token of its own. */
function addSentinel(app: FastifyInstance, door: SentinelDoor): void {
  app.post(SENTINEL_PATH, {
    onRequest: (request, reply, next) => {
      const refusal = door.admit(request.headers.authorization, request.ip);
      if (refusal) void reply.code(refusal.status).send(refusal.body);
      else next();
    },
    errorHandler: (error, _request, reply) => {
      const { status, body } = door.invalid(codeOf(error));
      void reply.code(status).send(body);
    },
    handler: async (request, reply) => {
      const { status, body } = await door.take(request.body);
      return reply.code(status).send(body);
    },
  });
}

function addRoutes(app: FastifyInstance, live: LiveStream, options: WebOptions): void {
  app.get("/status", async () => {
    const picture = await options.picture();
    return { ...picture, trades: options.trades(0).trades };
  });
  app.get(WATCH_PATH, () => options.watch());
  app.get("/metrics", async (_request, reply) => {
    const { type, text } = await options.metrics();
    return reply.type(type).send(text);
  });
  app.get("/live", (request, reply) => {
    if (live.isFull()) {
      const { hint } = ERRORS.GATEWAY_FULL;
      return reply.code(503).send({ code: "GATEWAY_FULL", hint, problems: TOO_MANY });
    }
    reply.hijack();
    live.add(newReader(), request.raw, reply.raw, HEADERS);
    return reply;
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({
      hint: "Here are /, /status, /live, /api (docs/api.md), /healthz and /metrics.",
    }),
  );
}

async function listen(app: FastifyInstance, port: number, bind: string): Promise<string> {
  try {
    await app.listen({ port, host: bind });
  } catch (error) {
    throw refusalOf(error as Error, { port, bind, name: "TICKHUB_BIND" });
  }
  return urlOf(app.server.address() as AddressInfo, bind);
}
