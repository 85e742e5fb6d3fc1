// The gateway's door: takes WebSocket upgrades at /edge, turns away whoever has no business there with a
// reason in JSON, and keeps the connections. Nothing that arrives on the port can end the hub.
import { WebSocketServer } from "ws";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { GATEWAY_PATH } from "../../shared/gateway-protocol.ts";
import { HEARTBEAT } from "../../shared/heartbeat.ts";
import type { Admission } from "./admission.ts";
import { EdgeConnection } from "./connection.ts";
import type { Backend, ConnectionLimits } from "./connection.ts";

export interface GatewayLimits extends ConnectionLimits {
  connectionsMax: number;
}

export const GATEWAY_LIMITS: GatewayLimits = {
  batchBytesMax: 16 * 1024 * 1024,
  inFlightMax: 64,
  inFlightBytesMax: 16 * 1024 * 1024,
  questionsMax: 32,
  holdersMax: 64,
  helloMs: 5_000,
  connectionsMax: 64,
};

export interface GatewayOptions {
  version: string;
  admission: Admission;
  backend: Backend;
  /** False until the database is prepared: edges are asked to come back. */
  isReady: () => boolean;
  clock: Clock;
  emit: Emit;
  limits?: Partial<GatewayLimits>;
  heartbeat?: { tickMs: number; missesMax: number };
}

const STATUS: Partial<Record<ErrorCode, string>> = {
  EDGE_TOKEN: "401 Unauthorized",
  GATEWAY_PROTOCOL: "400 Bad Request",
  DATABASE_UNREACHABLE: "503 Service Unavailable",
  GATEWAY_FULL: "503 Service Unavailable",
};

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<EdgeConnection>();
  #stopping = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#limits = { ...GATEWAY_LIMITS, ...options.limits };
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.#limits.batchBytesMax,
      perMessageDeflate: false,
      clientTracking: false,
    });
    // A malformed WebSocket handshake, from a known edge's token.
    this.#sockets.on("wsClientError", (_error, socket, request) =>
      this.#turnAway(socket, request, "", "GATEWAY_PROTOCOL"),
    );
  }

  /** Connections by edge. */
  connections(): readonly EdgeConnection[] {
    return [...this.#connections];
  }

  /** Handler of the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => undefined);
    const url = URL.parse(request.url ?? "", "http://hub");
    const edge = url?.searchParams.get("edge") ?? "";
    const refusal = this.#refusal(url, edge, request.headers.authorization);
    if (refusal) {
      this.#turnAway(socket, request, edge, refusal);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { version, backend, clock, emit, heartbeat = HEARTBEAT } = this.#options;
      const raw = request.socket;
      const connection = new EdgeConnection(webSocket, raw, {
        edge,
        address: raw.remoteAddress ?? "",
        version,
        backend,
        limits: this.#limits,
        heartbeat,
        clock,
        emit,
      });
      this.#connections.add(connection);
      webSocket.on("close", () => this.#connections.delete(connection));
    });
  }

  /** Lets writes under way finish and be acked, closes every connection, at the latest after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const stopped = Promise.all(this.connections().map((connection) => connection.stop()));
    await Promise.race([stopped, sleep(this.#options.clock, deadlineMs)]);
  }

  /** Ends what `stop` left. */
  terminate(): void {
    for (const connection of this.#connections) connection.terminate();
  }

  #refusal(url: URL | null, edge: string, authorization: string | undefined): ErrorCode | null {
    if (url?.pathname !== GATEWAY_PATH) return "GATEWAY_PROTOCOL";
    if (!this.#options.admission.admits(edge, authorization)) return "EDGE_TOKEN";
    if (this.#stopping || !this.#options.isReady()) return "DATABASE_UNREACHABLE";
    return this.#connections.size >= this.#limits.connectionsMax ? "GATEWAY_FULL" : null;
  }

  #turnAway(socket: Duplex, request: IncomingMessage, edge: string, code: ErrorCode): void {
    const address = request.socket.remoteAddress ?? "";
    this.#options.emit({ event: "edge_refused", edge: edge.slice(0, 64), address, code });
    endWithError(socket, STATUS[code] ?? "400 Bad Request", code);
  }
}

/** Answers a socket that is not (or no longer) HTTP's, in HTTP, and closes it. */
export function endWithError(socket: Duplex, status: string, code: ErrorCode): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ code, hint: ERRORS[code].hint });
  const head = [
    `HTTP/1.1 ${status}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
