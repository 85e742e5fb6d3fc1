// A dial in the forms that the libraries take: an agent for node:http, a connection for ws, a stream for pg.
// A route exists only where proxies are set; without one every library connects as it always does.
import { Agent as HttpAgent } from "node:http";
import type { ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIP } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { ClientOptions } from "ws";
import type { Clock } from "../clock.ts";
import { DIAL_ANSWER_MS, dialThrough } from "./dial.ts";
import type { Dial } from "./dial.ts";
import { DialledStream } from "./dialled-stream.ts";

type Connected = (error: Error | null, socket: Duplex) => void;

export class Route {
  readonly dial: Dial;
  readonly #plain: HttpAgent;
  readonly #tls: HttpsAgent;

  constructor(dial: Dial) {
    this.dial = dial;
    this.#plain = new DialledAgent(dial);
    this.#tls = new DialledTlsAgent(dial);
  }

  /** For a request to `url`; keeps connections open for the next. */
  agentFor(url: URL): HttpAgent {
    return url.protocol === "https:" ? this.#tls : this.#plain;
  }

  /** For a WebSocket to `url`. */
  socketOptions(url: URL): ClientOptions {
    const isTls = url.protocol === "wss:";
    const create = (options: ClientRequestArgs, connected: Connected) => {
      hand(isTls ? overTls(this.dial, options) : plain(this.dial, options), connected);
    };
    // Typed as net.createConnection; Node calls it as an agent's, and so does the library.
    return {
      createConnection: create as unknown as NonNullable<ClientOptions["createConnection"]>,
    };
  }

  /** For pg's `stream`. */
  stream(): Duplex {
    return new DialledStream(this.dial);
  }
}

/** The route through `proxies`, in their order; none where none is set. */
export function routeThrough(
  proxies: readonly (string | undefined)[],
  clock: Clock,
): Route | undefined {
  const urls = proxies.flatMap((proxy) => (proxy === undefined ? [] : [new URL(proxy)]));
  if (urls.length === 0) return undefined;
  return new Route(dialThrough(urls, { clock, answerMs: DIAL_ANSWER_MS }));
}

const KEEP = { keepAlive: true, maxFreeSockets: 4, timeout: 30_000 };

class DialledAgent extends HttpAgent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super(KEEP);
    this.#dial = dial;
  }

  override createConnection(options: ClientRequestArgs, connected?: Connected): undefined {
    hand(plain(this.#dial, options), connected!);
  }
}

class DialledTlsAgent extends HttpsAgent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super(KEEP);
    this.#dial = dial;
  }

  override createConnection(options: ClientRequestArgs, connected?: Connected): undefined {
    hand(overTls(this.#dial, options), connected!);
  }
}

function hand(dialling: Promise<Duplex>, connected: Connected): void {
  dialling.then(
    (socket) => connected(null, socket),
    (error: unknown) => connected(error as Error, undefined as unknown as Duplex),
  );
}

function plain(dial: Dial, { host, port }: ClientRequestArgs): Promise<Socket> {
  return dial({ host: host ?? "localhost", port: Number(port) });
}

/** The certificate is checked against the name, as without a proxy. */
async function overTls(dial: Dial, options: ClientRequestArgs): Promise<Duplex> {
  const host = options.host ?? "localhost";
  const socket = await plain(dial, options);
  return connectTls({ socket, host, ...(isIP(host) ? {} : { servername: host }) });
}
