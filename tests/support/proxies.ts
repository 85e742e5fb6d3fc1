// Two proxies that do what a test says: SOCKS5 (RFC 1928, written out in bytes) and HTTP CONNECT. They know
// the names of one test alone, so that a client which resolves a name by itself gets nowhere, and keep what
// they were asked for word by word.
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";

/** How a proxy behaves to whoever comes next. */
export type Manner =
  | { name: "connects" }
  /** The reply byte of SOCKS5, or the status of HTTP. */
  | { name: "refuses"; with: number }
  /** Takes the connection and never says a word: half-open. */
  | { name: "silent" }
  | { name: "garbage" };

export interface TestProxy {
  url: string;
  /** `domain:hub.test:8610`, `ipv4:127.0.0.1:8610`: kind and text of each target, as it was asked for. */
  asked: string[];
  /** Connections accepted. */
  accepted: number;
  manner: Manner;
  /** Ends every link, as a proxy that dies does. */
  cut(): void;
  /** Every link stays open and nothing passes: half-open, until `flow`. New ones say nothing either. */
  stall(): void;
  flow(): void;
  /** Closes the port too: nobody listens. */
  close(): Promise<void>;
  /** Listens again on the same port. */
  reopen(): Promise<void>;
}

/** Where a name, or a name's port, leads: `hub.test` → 127.0.0.1:PORT. What is not here does not exist. */
export type Names = Readonly<Record<string, { host: string; port: number }>>;

const GARBAGE = "SSH-2.0-OpenSSH_9.2\r\n";

/** A SOCKS5 proxy without authentication, as tailscaled's is in userspace mode. */
export async function startSocks5(names: Names): Promise<TestProxy> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    proxy.takes(near);
    if (proxy.says(near)) return;
    void greet(near, proxy, names).catch(() => near.destroy());
  });
  const proxy = await TestServer.start("socks5", server);
  return proxy;
}

async function greet(near: Socket, proxy: TestServer, names: Names): Promise<void> {
  const read = reader(near);
  const [version, methods] = await read(2);
  if (version !== 5) throw new Error("not SOCKS5");
  await read(methods!);
  near.write(Uint8Array.of(5, 0));
  const [, command, , kind] = await read(4);
  if (command !== 1) throw new Error("not CONNECT");
  let host: string;
  let label: string;
  if (kind === 3) {
    const [length] = await read(1);
    host = Buffer.from(await read(length!)).toString();
    label = "domain";
  } else if (kind === 1) {
    host = [...(await read(4))].join(".");
    label = "ipv4";
  } else {
    host = Buffer.from(await read(16)).toString("hex");
    label = "ipv6";
  }
  const port = Buffer.from(await read(2)).readUInt16BE();
  proxy.asked.push(`${label}:${host}:${port}`);
  const reply = (code: number) => near.write(Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0));
  if (proxy.manner.name === "refuses") {
    reply(proxy.manner.with);
    near.end();
    return;
  }
  const target = names[`${host}:${port}`] ?? names[host];
  if (!target) {
    reply(4); // host unreachable
    near.end();
    return;
  }
  const far = connect({ ...target, allowHalfOpen: true }, () => {
    reply(0);
    near.pipe(far).pipe(near);
  });
  proxy.takes(far);
  far.once("error", () => {
    reply(5); // connection refused
    near.end();
  });
}

/** Reads exactly so many bytes, what came too early kept for the next. */
function reader(socket: Socket): (bytes: number) => Promise<Uint8Array> {
  return async (bytes) => {
    if (bytes === 0) return new Uint8Array();
    for (;;) {
      const chunk = socket.read(bytes) as Buffer | null;
      if (chunk) return chunk;
      if (socket.readableEnded || socket.destroyed) throw new Error("ended");
      await new Promise<void>((resolve) => {
        for (const event of ["readable", "end", "close"]) socket.once(event, resolve);
      });
    }
  };
}

/** An HTTP proxy that knows CONNECT. */
export async function startConnectProxy(names: Names): Promise<TestProxy> {
  const server = createHttpServer();
  server.on("connection", (near: Socket) => {
    proxy.takes(near);
    if (proxy.says(near)) near.removeAllListeners("data");
  });
  server.on("connect", (request, near: Duplex, head: Buffer) => {
    const authority = request.url ?? "";
    proxy.asked.push(authority);
    near.on("error", () => undefined);
    if (proxy.manner.name === "silent") return;
    if (proxy.manner.name === "refuses") {
      near.end(`HTTP/1.1 ${proxy.manner.with} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const target = names[authority] ?? names[authority.replace(/:\d+$/, "")];
    if (!target) {
      near.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    const far = connect({ ...target, allowHalfOpen: true }, () => {
      near.write("HTTP/1.1 200 Connection established\r\n\r\n");
      far.write(head);
      near.pipe(far).pipe(near);
    });
    proxy.takes(far);
    far.once("error", () => near.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
  });
  const proxy = await TestServer.start("http", server);
  return proxy;
}

class TestServer implements TestProxy {
  url = "";
  readonly asked: string[] = [];
  accepted = 0;
  manner: Manner = { name: "connects" };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(scheme: string, server: Server): Promise<TestServer> {
    const proxy = new TestServer(server);
    server.on("connection", () => proxy.accepted++);
    await proxy.reopen();
    proxy.url = `${scheme}://127.0.0.1:${proxy.#port}`;
    return proxy;
  }

  takes(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /** True when the manner is all there is to say. */
  says(near: Socket): boolean {
    if (this.manner.name === "garbage") near.end(GARBAGE);
    else if (this.manner.name !== "silent") return false;
    return true;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stall(): void {
    this.manner = { name: "silent" };
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was stalled is ended: its clients have gone. */
  flow(): void {
    this.manner = { name: "connects" };
    this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async reopen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }
}
