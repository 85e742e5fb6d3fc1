// An HTTP CONNECT proxy for one purpose: Kiwoom talks to registered addresses only, and this machine has one.
// It connects to Kiwoom's hosts and ports and to nothing else, whoever asks. Promises: everything a client can
// fill or hold open has a limit; no name leads to an address that is not public; what it did is told in events.
import { lookup } from "node:dns/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { DropArgument, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Gauge } from "prom-client";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { codeOf, ERRORS } from "../shared/errors.ts";
import type { ErrorCode } from "../shared/errors.ts";
import { endWithError } from "../shared/http-refusal.ts";
import { listenOn } from "../shared/listen.ts";
import { assertPrivate } from "../shared/private-address.ts";
import type { Reporter } from "../shared/report.ts";
import { isPublicAddress } from "./public-address.ts";
import { Tunnel } from "./tunnel.ts";

/** REST and WebSocket of the real and of the mock system, word for word as CONNECT has to name them. */
export const KIWOOM_TARGETS: ReadonlySet<string> = new Set([
  "api.kiwoom.com:443",
  "api.kiwoom.com:10000",
  "mockapi.kiwoom.com:443",
  "mockapi.kiwoom.com:10000",
]);

export interface ProxyLimits {
  /** One edge needs two for its sockets, and a few for REST. */
  tunnelsMax: number;
  headBytesMax: number;
  /** From a connection to the whole head of its request. */
  headMs: number;
  /** For resolving and reaching the target. */
  connectMs: number;
  /** Kiwoom sends a heartbeat every 10 s. */
  idleMs: number;
}

export const PROXY_LIMITS: ProxyLimits = {
  tunnelsMax: 64,
  headBytesMax: 4 * 1024,
  headMs: 5_000,
  connectMs: 8_000,
  idleMs: 5 * 60_000,
};
/** Connections that are no tunnel: at the door, or asking for /healthz. */
const VISITORS_MAX = 64;

export interface ProxyOptions {
  port: number;
  bind: string;
  allowPublic: boolean;
  version: string;
  clock: Clock;
  reporter: Reporter;
  limits?: Partial<ProxyLimits>;
  /** For tests alone, which have no Kiwoom: other targets, names and connections. */
  world?: Partial<World>;
}

/** What lies outside. */
export interface World {
  targets: ReadonlySet<string>;
  resolve: (host: string) => Promise<string[]>;
  connect: (address: string, port: number) => Socket;
}

const REAL_WORLD: World = {
  targets: KIWOOM_TARGETS,
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  connect: (address, port) => connect({ host: address, port, allowHalfOpen: true }),
};

export interface Proxy {
  url: string;
  /** Takes nothing new, gives tunnels `drainMs` to end by themselves, then ends them. */
  stop(drainMs: number): Promise<void>;
}

/** Starts it. Throws GATEWAY_PUBLIC, GATEWAY_PORT_TAKEN, CONFIG_INVALID. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { port, bind, allowPublic, reporter, clock } = options;
  assertPrivate(bind, allowPublic);
  const proxy = new ConnectProxy(options);
  const url = await listenOn(proxy.server, { port, bind, name: "--listen" });
  reporter.emit({ event: "proxy_listening", url });
  return { url, stop: (drainMs) => proxy.stop(sleep(clock, drainMs)) };
}

const STATUS: Partial<Record<ErrorCode, string>> = {
  PROXY_FORBIDDEN: "403 Forbidden",
  PROXY_FULL: "503 Service Unavailable",
  PROXY_TARGET: "502 Bad Gateway",
};
/** Of what a client wrote, in events: enough to see what it wanted. */
const SHOWN_CHARACTERS = 80;

class ConnectProxy {
  readonly server: Server;
  readonly #options: ProxyOptions;
  readonly #limits: ProxyLimits;
  readonly #world: World;
  readonly #tunnels = new Set<Tunnel>();
  /** Also those that are being connected. */
  #places = 0;
  #stopping = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#limits = { ...PROXY_LIMITS, ...options.limits };
    this.#world = { ...REAL_WORLD, ...options.world };
    const { headBytesMax, tunnelsMax } = this.#limits;
    this.server = createServer({ maxHeaderSize: headBytesMax });
    this.server.maxConnections = tunnelsMax + VISITORS_MAX;
    this.server.on("connection", (socket: Socket) => this.#arrived(socket));
    this.server.on("request", (request, response) => void this.#request(request, response));
    this.server.on("connect", (request, socket, head) => void this.#asked(request, socket, head));
    this.server.on("clientError", (_error, socket) =>
      this.#refuse(socket, addressOf(socket), "", "PROXY_PROTOCOL"),
    );
    this.server.on("drop", (dropped?: DropArgument) =>
      this.#tellRefused(dropped?.remoteAddress ?? "", "", "PROXY_FULL"),
    );
    const held = () => this.#tunnels.size;
    new Gauge({
      name: "tickhub_proxy_tunnels",
      help: "Tunnels that are open",
      registers: [options.reporter.registry],
      collect() {
        this.set(held());
      },
    });
  }

  async stop(drained: Promise<void>): Promise<void> {
    this.#stopping = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    await Promise.race([Promise.all([...this.#tunnels].map(({ ended }) => ended)), drained]);
    for (const tunnel of this.#tunnels) tunnel.stop();
    await Promise.all([...this.#tunnels].map(({ ended }) => ended));
    this.server.closeAllConnections();
    await closed;
  }

  /** Whoever has not asked for anything in time is sent away: a slow head is no head. */
  #arrived(socket: Socket): void {
    socket.on("error", () => undefined);
    const timer = this.#options.clock.after(this.#limits.headMs, () => {
      this.#refuse(socket, addressOf(socket), "", "PROXY_PROTOCOL");
    });
    HEAD_TIMERS.set(socket, timer);
    socket.once("close", () => timer.cancel());
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    HEAD_TIMERS.get(request.socket)?.cancel();
    const { clock } = this.#options;
    const unread = clock.after(this.#limits.headMs, () => request.socket.destroy());
    request.socket.once("close", () => unread.cancel());
    response.setHeader("connection", "close");
    const { registry } = this.#options.reporter;
    // The path as it stands: `http://host/` is a request to a proxy of another kind.
    if (request.method === "GET" && request.url === "/healthz") {
      const { version } = this.#options;
      const health = { ok: true, version, draining: this.#stopping, tunnels: this.#tunnels.size };
      response.setHeader("content-type", "application/json").end(JSON.stringify(health));
    } else if (request.method === "GET" && request.url === "/metrics") {
      response.setHeader("content-type", registry.contentType).end(await registry.metrics());
    } else {
      const target = `${request.method ?? ""} ${request.url ?? ""}`;
      this.#tellRefused(addressOf(request.socket), target, "PROXY_FORBIDDEN");
      response.writeHead(403, { "content-type": "application/json" });
      const { hint } = ERRORS.PROXY_FORBIDDEN;
      response.end(JSON.stringify({ code: "PROXY_FORBIDDEN", hint }));
    }
  }

  async #asked(request: IncomingMessage, near: Duplex, head: Buffer): Promise<void> {
    HEAD_TIMERS.get(request.socket)?.cancel();
    const client = addressOf(request.socket);
    // Exactly one of the known words: there is nothing to parse, and so nothing to get wrong.
    const target = request.url ?? "";
    if (!this.#world.targets.has(target)) {
      this.#refuse(near, client, target, "PROXY_FORBIDDEN");
    } else if (this.#stopping || this.#places >= this.#limits.tunnelsMax) {
      this.#refuse(near, client, target, "PROXY_FULL");
    } else {
      this.#places++;
      try {
        await this.#tunnel(near, { client, target, head });
      } finally {
        this.#places--;
      }
    }
  }

  async #tunnel(near: Duplex, to: { client: string; target: string; head: Buffer }) {
    const { client, target, head } = to;
    const { clock, reporter } = this.#options;
    const reached = await this.#reach(target, near);
    if ("code" in reached) {
      this.#refuse(near, client, target, reached.code);
      return;
    }
    const { far } = reached;
    if (this.#stopping) {
      far.destroy();
      this.#refuse(near, client, target, "PROXY_FULL");
      return;
    }
    const openedMs = clock.monoMs();
    near.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) far.write(head);
    const tunnel = new Tunnel(near, far, { clock, idleMs: this.#limits.idleMs });
    this.#tunnels.add(tunnel);
    reporter.emit({ event: "proxy_opened", client, target });
    const { reason, upBytes, downBytes } = await tunnel.ended;
    this.#tunnels.delete(tunnel);
    const openMs = clock.monoMs() - openedMs;
    reporter.emit({
      ...{ event: "proxy_closed", client, target, reason },
      ...{ upBytes: upBytes + head.length, downBytes, openMs },
    });
  }

  /** A connection to one of the target's addresses, all of which have to be public. */
  async #reach(target: string, near: Duplex): Promise<{ far: Socket } | { code: ErrorCode }> {
    const [host, port] = target.split(":") as [string, string];
    const overdue = sleep(this.#options.clock, this.#limits.connectMs).then(
      () => "overdue" as const,
    );
    const addresses = await Promise.race([this.#world.resolve(host).catch(() => []), overdue]);
    if (addresses === "overdue" || addresses.length === 0) return { code: "PROXY_TARGET" };
    if (!addresses.every(isPublicAddress)) return { code: "PROXY_FORBIDDEN" };
    for (const address of addresses) {
      if (near.destroyed) break;
      const far = this.#world.connect(address, Number(port));
      far.on("error", () => undefined);
      const outcome = await Promise.race([connected(far, near), overdue]);
      if (outcome === "connected") return { far };
      far.destroy();
      if (outcome === "overdue") break;
    }
    return { code: "PROXY_TARGET" };
  }

  #refuse(socket: Duplex, client: string, target: string, code: ErrorCode): void {
    if (socket.destroyed) return;
    this.#tellRefused(client, target, code);
    endWithError(socket, STATUS[code] ?? "400 Bad Request", code);
  }

  #tellRefused(client: string, target: string, code: ErrorCode): void {
    const { emit } = this.#options.reporter;
    emit({ event: "proxy_refused", client, target: target.slice(0, SHOWN_CHARACTERS), code });
  }
}

/** Of connections that have not asked yet. */
const HEAD_TIMERS = new WeakMap<Duplex, { cancel(): void }>();

function addressOf(socket: Duplex): string {
  return (socket as Partial<Socket>).remoteAddress ?? "";
}

/** Also when whoever asked has gone meanwhile. */
function connected(far: Socket, near: Duplex): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  far.once("connect", () => resolve("connected"));
  far.once("error", (error) => resolve(codeOf(error)));
  near.once("close", () => resolve("gone"));
  return promise;
}
