// Bytes that a process wrote into its sockets, compared with what the other side read: plain, over TLS, many
// connections, and after they are gone.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { afterEach, describe, expect, test } from "vitest";
import { sentBytes } from "../../app/edge/byte-meter.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { exchange } from "../../app/shared/http-request.ts";
import { SocketBytes } from "../../app/shared/socket-bytes.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { until } from "../support/hub.ts";
import { startTlsDoor } from "../support/tls-door.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that reads and answers nothing, behind a proxy that counts. */
async function startCounted(onSocket: (socket: Socket) => void = (socket) => socket.resume()) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  return port;
}

async function behindProxy(port: number): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ host: "127.0.0.1", port });
  closers.push(() => proxy.close());
  return proxy;
}

describe("bytes into sockets", () => {
  test("are those of open and closed connections together, each once", async () => {
    const proxy = await behindProxy(await startCounted());
    const bytes = new SocketBytes();
    for (let i = 1; i <= 5; i++) {
      const socket = connect(proxy.port, proxy.host);
      await once(socket, "connect");
      socket.write(Buffer.alloc(1_000 * i));
      bytes.watch(socket);
      bytes.watch(socket);
      if (i % 2 === 0) {
        socket.end("bye");
        await once(socket, "close");
      } else closers.push(() => Promise.resolve(void socket.destroy()));
    }
    await until(() => proxy.upBytes >= 15_006, "all bytes");
    expect(bytes.written()).toBe(proxy.upBytes);
  });

  test("are the encrypted ones over TLS", async () => {
    const door = await startTlsDoor(await startCounted());
    closers.push(() => door.close());
    const proxy = await behindProxy(door.port);
    const bytes = new SocketBytes();
    const socket = connectTls({ port: proxy.port, host: proxy.host, rejectUnauthorized: false });
    bytes.watch(socket);
    await once(socket, "secureConnect");
    for (let i = 0; i < 50; i++) {
      socket.write(Buffer.alloc(100));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => proxy.upBytes === bytes.written(), "all bytes");
    const before = bytes.written();
    expect(before).toBeGreaterThan(50 * 100 + 500);
    socket.destroy();
    await once(socket, "close");
    expect(bytes.written()).toBe(before);
  });

  test("of a WebSocket begin with its handshake, also one that is refused", async () => {
    const server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      verifyClient: ({ req }: { req: IncomingMessage }) => req.url === "/yes",
    });
    await once(server, "listening");
    closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    const proxy = await behindProxy((server.address() as AddressInfo).port);
    const bytes = new SocketBytes();
    const open = new WebSocket(`ws://${proxy.host}:${proxy.port}/yes`, bytes.socketOptions());
    await once(open, "open");
    open.send(Buffer.alloc(70_000));
    const refused = new WebSocket(`ws://${proxy.host}:${proxy.port}/no`, bytes.socketOptions());
    await once(refused, "error");
    await until(() => proxy.upBytes > 70_300, "all bytes");
    expect(bytes.written()).toBe(proxy.upBytes);
    expect(bytes.requests).toBe(2);
    open.terminate();
  });

  test("of requests over a kept connection count once a connection", async () => {
    const port = await startCounted((socket) => {
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    });
    const proxy = await behindProxy(port);
    const bytes = new SocketBytes();
    const url = `http://${proxy.host}:${proxy.port}/`;
    const asked = { url, clock: systemClock, timeoutMs: 5_000, replyBytesMax: 100, bytes };
    for (const body of ["a", undefined, "c".repeat(1_000)]) await exchange({ ...asked, body });
    expect(bytes.written()).toBe(proxy.upBytes);
    expect(bytes.requests).toBe(3);
  });
});

describe("what the cards of a machine sent", () => {
  const head = "Inter-|   Receive  |  Transmit\n face |bytes    packets errs\n";
  const row = (name: string, sent: number) => `${name}: 11 1 0 0 0 0 0 0 ${sent} 2 0 0 0 0 0 0\n`;

  test("is without loopback, tunnels and bridges, which go through a card as well", () => {
    const text =
      head +
      row("    lo", 7) +
      row("  eth0", 100) +
      row("enp3s0", 20) +
      row("tailscale0", 50) +
      row("docker0", 60) +
      row(" wlan0", 3);
    expect(sentBytes(text)).toBe(123);
    expect(sentBytes(head + row("lo", 7))).toBeNull();
    expect(sentBytes("")).toBeNull();
  });
});
