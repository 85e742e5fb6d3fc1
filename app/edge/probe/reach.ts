// How far one gets towards a broker's host, step by step: name, TCP, TLS. Directly or by the proxies an edge
// would use. Sends nothing beyond the handshakes.
import { lookup } from "node:dns/promises";
import { connect, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../shared/clock.ts";
import { codeOf } from "../../shared/errors.ts";
import type { Route } from "../../shared/dial/route.ts";

export interface Reach {
  /** `api.kiwoom.com:10000`. */
  place: string;
  /** What the name resolves to here; null where a proxy resolves it. */
  addresses: string[] | null;
  /** For the connection alone, name included. */
  connectMs: number | null;
  tls: { protocol: string; untilMs: number } | null;
  /** The step that failed, and why. */
  failed: { step: "name" | "connection" | "TLS"; reason: string; code: string } | null;
}

export interface ReachOptions {
  url: string;
  route: Route | undefined;
  clock: Clock;
  /** For each step. */
  stepMs: number;
}

/** Never rejects: what went wrong is the answer. */
export async function reach(options: ReachOptions): Promise<Reach> {
  const url = new URL(options.url);
  const isTls = url.protocol === "https:" || url.protocol === "wss:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port) || (isTls ? 443 : 80);
  const found: Reach = {
    ...{ place: `${url.hostname}:${port}`, addresses: null, connectMs: null },
    ...{ tls: null, failed: null },
  };
  let step: NonNullable<Reach["failed"]>["step"] = "name";
  let socket: Socket | undefined;
  try {
    if (!options.route) found.addresses = await bounded(options, addressesOf(host));
    step = "connection";
    const startMs = options.clock.monoMs();
    socket = await bounded(options, options.route?.dial({ host, port }) ?? direct(host, port));
    found.connectMs = options.clock.monoMs() - startMs;
    step = "TLS";
    if (isTls) found.tls = await bounded(options, handshake(socket, host));
  } catch (error) {
    const code = codeOf(error);
    const reason = code === "Error" || "context" in (error as object) ? messageOf(error) : code;
    found.failed = { step, reason, code };
  } finally {
    socket?.destroy();
  }
  return found;
}

async function bounded<T>({ clock, stepMs }: ReachOptions, work: Promise<T>): Promise<T> {
  const overdue = Promise.withResolvers<never>();
  const timer = clock.after(stepMs, () =>
    overdue.reject(new Error(`no answer within ${stepMs} ms`)),
  );
  try {
    return await Promise.race([work, overdue.promise]);
  } finally {
    timer.cancel();
  }
}

async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function direct(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => resolve(socket));
    socket.on("error", reject);
  });
}

function handshake(socket: Socket, host: string): Promise<NonNullable<Reach["tls"]>> {
  return new Promise((resolve, reject) => {
    const servername = isIP(host) ? {} : { servername: host };
    const secure = connectTls({ socket, host, ...servername }, () => {
      const { valid_to: until } = secure.getPeerCertificate();
      resolve({ protocol: secure.getProtocol() ?? "", untilMs: Date.parse(until) });
      secure.destroy();
    });
    secure.on("error", reject);
    // A peer that hangs up says nothing else.
    secure.once("close", () => reject(new Error("closed during the handshake")));
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
