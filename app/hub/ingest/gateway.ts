// The gateway's door: takes WebSocket upgrades at /edge, turns away whoever has no business there with a
// reason in JSON, and keeps the connections. Nothing that arrives on the port can end the hub.
import { WebSocketServer } from "ws";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import type { BrokerKind } from "../../shared/brokers.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { GATEWAY_PATH } from "../../shared/gateway-protocol.ts";
import { endWithError } from "../../shared/http-refusal.ts";
import { HEARTBEAT } from "../../shared/heartbeat.ts";
import type { Admission } from "./admission.ts";
import { EdgeConnection } from "./connection.ts";
import type { Backend, ConnectionLimits } from "./connection.ts";
import type { TailnetIdentity } from "./identity.ts";
import { waitForGuesses } from "./guess-wait.ts";
import { EdgeRate, Guesses } from "./rate.ts";
import type { EdgeRateLimits, GuessLimits } from "./rate.ts";

export interface GatewayLimits extends ConnectionLimits {
  connectionsMax: number;
  /** A new process beside the old one, and links whose end nobody has noticed yet. */
  edgeConnectionsMax: number;
  rate: EdgeRateLimits;
  guess: GuessLimits;
}

export const GATEWAY_LIMITS: GatewayLimits = {
  batchBytesMax: 16 * 1024 * 1024,
  inFlightMax: 64,
  inFlightBytesMax: 16 * 1024 * 1024,
  questionsMax: 32,
  holdersMax: 64,
  helloMs: 5_000,
  connectionsMax: 64,
  edgeConnectionsMax: 8,
  // Twenty times what one edge with all accounts sends at ten times the market's open: 20,000 rows a second
  // in batches of 100 ms a table and account, 40 Mbit/s. Meant for a program gone wild, not for a market.
  rate: {
    asks: { perSecond: 400, burst: 800 },
    batches: { perSecond: 4_000, burst: 8_000 },
    bytes: { perSecond: 128 * 1024 * 1024, burst: 256 * 1024 * 1024 },
  },
  guess: {
    wrong: { perSecond: 1, burst: 10 },
    waitMaxMs: 5_000,
    waitingMax: 8,
    addressesMax: 1_024,
  },
};

export interface GatewayOptions {
  version: string;
  /** Whose ticks it takes. */
  brokers: BrokerKind;
  admission: Admission;
  identity: TailnetIdentity;
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
  EDGE_IDENTITY: "403 Forbidden",
  GATEWAY_PROTOCOL: "400 Bad Request",
  DATABASE_UNREACHABLE: "503 Service Unavailable",
  GATEWAY_FULL: "503 Service Unavailable",
};

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<EdgeConnection>();
  /** At the door: neither connected nor turned away yet. */
  readonly #visitors = new Set<Duplex>();
  readonly #rates = new Map<string, EdgeRate>();
  readonly #guesses: Guesses;
  #stopping = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#limits = { ...GATEWAY_LIMITS, ...options.limits };
    this.#guesses = new Guesses(this.#limits.guess);
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
    // Whoever waited at the door now would wait in vain, and the port with them.
    if (this.#stopping) return this.#turnAway(socket, request, "", "DATABASE_UNREACHABLE");
    this.#visitors.add(socket);
    const url = URL.parse(request.url ?? "", "http://hub");
    const edge = url?.searchParams.get("edge") ?? "";
    void this.#refusal(url, edge, request).then((refusal) => {
      this.#visitors.delete(socket);
      if (refusal) this.#turnAway(socket, request, edge, refusal);
      else this.#connect(request, socket, head, edge);
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
    for (const socket of this.#visitors) socket.destroy();
  }

  #connect(request: IncomingMessage, socket: Duplex, head: Buffer, edge: string): void {
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { version, brokers, backend, clock, emit, heartbeat = HEARTBEAT } = this.#options;
      const raw = request.socket;
      const connection = new EdgeConnection(webSocket, raw, {
        edge,
        address: raw.remoteAddress ?? "",
        version,
        brokers,
        backend,
        limits: this.#limits,
        rate: this.#rateOf(edge),
        heartbeat,
        clock,
        emit,
      });
      this.#connections.add(connection);
      webSocket.on("close", () => this.#connections.delete(connection));
    });
  }

  /** Known edges alone get here, so there are no more rates than edges. */
  #rateOf(edge: string): EdgeRate {
    const rate =
      this.#rates.get(edge) ?? new EdgeRate(this.#limits.rate, this.#options.clock.monoMs());
    this.#rates.set(edge, rate);
    return rate;
  }

  async #refusal(
    url: URL | null,
    edge: string,
    request: IncomingMessage,
  ): Promise<ErrorCode | null> {
    if (url?.pathname !== GATEWAY_PATH) return "GATEWAY_PROTOCOL";
    const refusal = await this.vet(edge, request);
    if (refusal) return refusal;
    // From here on without a pause, so that nobody slips in between the count and the connection.
    const own = this.connections().filter((connection) => connection.edge === edge).length;
    const { connectionsMax, edgeConnectionsMax } = this.#limits;
    const isFull = own >= edgeConnectionsMax || this.#connections.size >= connectionsMax;
    return isFull ? "GATEWAY_FULL" : null;
  }

  /**
   * Why whoever asks as `edge` has no business here, or null. Nothing but the token is looked at before the
   * token: nobody learns from the answer which edges exist.
   */
  async vet(edge: string, request: IncomingMessage): Promise<ErrorCode | null> {
    const { admission, identity, clock, isReady } = this.#options;
    const { remoteAddress: address = "", remotePort: port = 0 } = request.socket;
    if (!(await waitForGuesses(this.#guesses, address, clock))) return "GATEWAY_FULL";
    if (!admission.admits(edge, request.headers.authorization)) {
      this.#guesses.wrong(address, clock.monoMs());
      return "EDGE_TOKEN";
    }
    if (!(await identity.fits(edge, address, port))) return "EDGE_IDENTITY";
    return this.#stopping || !isReady() ? "DATABASE_UNREACHABLE" : null;
  }

  #turnAway(socket: Duplex, request: IncomingMessage, edge: string, code: ErrorCode): void {
    const address = request.socket.remoteAddress ?? "";
    this.#options.emit({ event: "edge_refused", edge: edge.slice(0, 64), address, code });
    endWithError(socket, STATUS[code] ?? "400 Bad Request", code);
  }
}
