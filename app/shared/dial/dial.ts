// A TCP connection to a name and a port, through the proxies a container has to leave by: a userspace
// tailscaled's SOCKS5, an HTTP CONNECT proxy, or one through the other. Promises: names are resolved by the
// last proxy, never here; an answer comes in bounded time; every failure is one of two codes.
import { request } from "node:http";
import { connect, isIPv6 } from "node:net";
import type { Socket } from "node:net";
import { SocksClient } from "socks";
import type { Clock } from "../clock.ts";
import { codeOf, TickhubError } from "../errors.ts";

export interface Target {
  host: string;
  port: number;
}

/** Opens a connection to `target`. Throws PROXY_UNREACHABLE, PROXY_REFUSED. */
export type Dial = (target: Target) => Promise<Socket>;

export interface DialLimits {
  clock: Clock;
  /** For reaching one proxy, and for its answer. */
  answerMs: number;
}

export const DIAL_ANSWER_MS = 10_000;
/** More is no proxy's answer to a CONNECT. */
const HEAD_BYTES_MAX = 8 * 1024;

/**
 * Dials through `proxies` in their order: the first is connected to from here, each next one by the one
 * before. `socks5://HOST:PORT` and `http://HOST:PORT`, with `USER:PASSWORD@` where a proxy asks for it.
 */
export function dialThrough(proxies: readonly URL[], limits: DialLimits): Dial {
  return proxies.reduce<Dial | null>((via, proxy) => stage(proxy, via, limits), null)!;
}

/** One proxy, reached directly or by the proxies before it. */
function stage(proxy: URL, via: Dial | null, limits: DialLimits): Dial {
  const isSocks = proxy.protocol === "socks5:";
  const own = { host: unbracketed(proxy.hostname), port: portOf(proxy) };
  return async (target) => {
    const socket = via ? await via(own) : await reach(own, proxy, limits);
    return await answered(socket, { proxy, target, limits }, () =>
      isSocks ? socksConnect(socket, proxy, target) : httpConnect(socket, proxy, target),
    );
  };
}

async function reach(own: Target, proxy: URL, { clock, answerMs }: DialLimits): Promise<Socket> {
  const socket = connect(own);
  socket.setNoDelay(true);
  const opened = Promise.withResolvers<undefined>();
  socket.once("connect", () => opened.resolve(undefined));
  // Stays: between two owners of the socket an error would have no listener, and end the process.
  socket.on("error", opened.reject);
  const timer = clock.after(answerMs, () => opened.reject(new Error("timeout")));
  try {
    await opened.promise;
    return socket;
  } catch (cause) {
    socket.destroy();
    throw unreachable(proxy, cause);
  } finally {
    timer.cancel();
  }
}

interface Asking {
  proxy: URL;
  target: Target;
  limits: DialLimits;
}

/** What `ask` gives, within the limit; the socket does not outlive a failure. */
async function answered(
  socket: Socket,
  { proxy, target, limits }: Asking,
  ask: () => Promise<Refusal | null>,
): Promise<Socket> {
  const overdue = Promise.withResolvers<never>();
  const timer = limits.clock.after(limits.answerMs, () => overdue.reject(new Error("timeout")));
  try {
    const refusal = await Promise.race([ask(), overdue.promise]);
    if (refusal === null) return socket;
    throw new TickhubError("PROXY_REFUSED", {
      proxy: shown(proxy),
      target: `${target.host}:${target.port}`,
      reason: refusal,
    });
  } catch (cause) {
    socket.destroy();
    throw cause instanceof TickhubError ? cause : unreachable(proxy, cause);
  } finally {
    timer.cancel();
  }
}

/** Why the proxy did not connect, in its own terms: `HTTP 403`, `Failure`. */
type Refusal = string;

/** The library speaks RFC 1928 over our socket; a name goes out as a name. */
async function socksConnect(socket: Socket, proxy: URL, destination: Target) {
  const { username, password } = proxy;
  const credentials =
    username === ""
      ? {}
      : { userId: decodeURIComponent(username), password: decodeURIComponent(password) };
  try {
    await SocksClient.createConnection({
      command: "connect",
      destination,
      existing_socket: socket,
      // The library wants an address of its own kind, and does not use it on a socket that is open.
      proxy: { host: "proxy", port: portOf(proxy), type: 5, ...credentials },
    });
    return null;
  } catch (error) {
    const said = (error as Error).message;
    // "Socks5 proxy rejected connection - NotAllowed", and the refusals of its greeting.
    const refusal = /^Socks5 proxy rejected connection - (\w+)/.exec(said);
    if (refusal) return refusal[1]!;
    if (/Authentication failed|no accepted authentication/i.test(said)) return "authentication";
    throw new Error(said, { cause: error });
  }
}

/** RFC 9110, 9.3.6, with Node's own HTTP client. */
function httpConnect(socket: Socket, proxy: URL, { host, port }: Target): Promise<Refusal | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Refusal | null>();
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const { username, password } = proxy;
  const basic = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const asking = request({
    method: "CONNECT",
    path: authority,
    headers: {
      host: authority,
      ...(username === ""
        ? {}
        : { "proxy-authorization": `Basic ${Buffer.from(basic).toString("base64")}` }),
    },
    maxHeaderSize: HEAD_BYTES_MAX,
    createConnection: () => socket,
  });
  asking.once("connect", ({ statusCode = 0 }, _socket, head) => {
    if (statusCode < 200 || statusCode > 299) {
      resolve(`HTTP ${statusCode}`);
      return;
    }
    if (head.length > 0) socket.unshift(head);
    resolve(null);
  });
  asking.once("error", reject);
  asking.end();
  return promise;
}

function unreachable(proxy: URL, cause: unknown): TickhubError {
  const code = codeOf(cause);
  const reason = code === "Error" ? (cause as Error).message : code;
  return new TickhubError("PROXY_UNREACHABLE", { proxy: shown(proxy), reason }, { cause });
}

/** Without the password. */
function shown({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

function portOf(proxy: URL): number {
  return Number(proxy.port) || (proxy.protocol === "socks5:" ? 1080 : 80);
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
