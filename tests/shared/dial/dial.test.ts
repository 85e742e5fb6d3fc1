// Connections through proxies: what the proxy hears, and what each way of failing is called.
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../../app/shared/clock.ts";
import { dialThrough } from "../../../app/shared/dial/dial.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startConnectProxy, startSocks5 } from "../../support/proxies.ts";
import type { Names, TestProxy } from "../../support/proxies.ts";

/** Says what it hears, and `bye` at the other's end. */
async function startEcho(): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => socket.write(chunk));
    socket.once("end", () => socket.end("bye"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

const limits = { clock: systemClock, answerMs: 10_000 };
const dialVia = (...proxies: TestProxy[]) =>
  dialThrough(
    proxies.map(({ url }) => new URL(url)),
    limits,
  );

const KINDS = [
  { kind: "SOCKS5", start: startSocks5, asked: "domain:hub.test:8610", refusal: [2, "NotAllowed"] },
  { kind: "CONNECT", start: startConnectProxy, asked: "hub.test:8610", refusal: [403, "HTTP 403"] },
] as const;

describe.each(KINDS)("through $kind", ({ start, asked, refusal }) => {
  let proxy: TestProxy;
  let echo: Awaited<ReturnType<typeof startEcho>>;

  beforeEach(async () => {
    echo = await startEcho();
    proxy = await start({ "hub.test": { host: "127.0.0.1", port: echo.port } });
  });
  afterEach(() => proxy.close());

  it("the proxy gets the name, and bytes go both ways until both have ended", async () => {
    const socket = await dialVia(proxy)({ host: "hub.test", port: 8610 });
    expect(proxy.asked).toEqual([asked]);
    socket.end("hello");
    expect(Buffer.concat((await socket.toArray()) as Buffer[]).toString()).toBe("hellobye");
  });

  it("a name that the proxy does not know is PROXY_REFUSED, and may be tried again", async () => {
    await expect(dialVia(proxy)({ host: "nowhere.test", port: 1 })).rejects.toMatchObject({
      code: "PROXY_REFUSED",
      retry: true,
      context: { target: "nowhere.test:1" },
    });
  });

  it("a proxy that refuses is PROXY_REFUSED with its own reason", async () => {
    const [code, reason] = refusal;
    proxy.manner = { name: "refuses", with: code };
    await expect(dialVia(proxy)({ host: "hub.test", port: 8610 })).rejects.toMatchObject({
      code: "PROXY_REFUSED",
      context: { reason, proxy: proxy.url },
    });
  });

  it("a proxy that is not there is PROXY_UNREACHABLE", async () => {
    await proxy.close();
    const dialling = dialVia(proxy)({ host: "hub.test", port: 8610 });
    await expect(dialling).rejects.toMatchObject({
      code: "PROXY_UNREACHABLE",
      retry: true,
      context: { reason: "ECONNREFUSED" },
    });
    await proxy.reopen();
  });

  it("a port that speaks another language is PROXY_UNREACHABLE", async () => {
    proxy.manner = { name: "garbage" };
    const dialling = dialVia(proxy)({ host: "hub.test", port: 8610 });
    await expect(dialling).rejects.toMatchObject({ code: "PROXY_UNREACHABLE" });
  });

  it("a proxy that takes the connection and says nothing is given up in bounded time", async () => {
    const clock = new FakeClock();
    proxy.manner = { name: "silent" };
    const dial = dialThrough([new URL(proxy.url)], { clock, answerMs: 4_000 });
    const dialling = dial({ host: "hub.test", port: 8610 });
    const failed = expect(dialling).rejects.toMatchObject({
      code: "PROXY_UNREACHABLE",
      context: { reason: "timeout" },
    });
    // The one for reaching it, and after that the one for its answer.
    while (proxy.accepted === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(4_000);
    await failed;
  });
});

describe("one proxy through another", () => {
  it("the first gets the second's name, and the second the target's", async () => {
    const echo = await startEcho();
    const names: Names = { "api.test": { host: "127.0.0.1", port: echo.port } };
    const inner = await startConnectProxy(names);
    onTestFinished(() => inner.close());
    const outer = await startSocks5({
      "hub.test": { host: "127.0.0.1", port: Number(new URL(inner.url).port) },
    });
    onTestFinished(() => outer.close());
    const dial = dialThrough([new URL(outer.url), new URL("http://hub.test:8640")], limits);
    const socket = await dial({ host: "api.test", port: 10_000 });
    expect(outer.asked).toEqual(["domain:hub.test:8640"]);
    expect(inner.asked).toEqual(["api.test:10000"]);
    socket.end("through both");
    expect(Buffer.concat((await socket.toArray()) as Buffer[]).toString()).toBe("through bothbye");
    outer.manner = { name: "refuses", with: 5 };
    await expect(dial({ host: "api.test", port: 10_000 })).rejects.toMatchObject({
      code: "PROXY_REFUSED",
      context: { proxy: outer.url, target: "hub.test:8640", reason: "ConnectionRefused" },
    });
  });

  it("a password is sent to the proxy and shown to nobody", async () => {
    let heard = "";
    const server = createServer((socket) => {
      socket.once("data", (chunk) => {
        heard = chunk.toString();
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const dial = dialThrough([new URL(`http://user:hunter2@127.0.0.1:${port}`)], limits);
    const error = await dial({ host: "hub.test", port: 1 }).catch((thrown: unknown) => thrown);
    expect(heard).toContain(`Basic ${Buffer.from("user:hunter2").toString("base64")}`);
    expect(error).toMatchObject({ code: "PROXY_REFUSED", context: { reason: "HTTP 407" } });
    expect(String(error)).not.toContain("hunter2");
  });
});

it("an error of a socket between two owners does not end the process", async () => {
  const echo = await startEcho();
  const proxy = await startSocks5({ "hub.test": { host: "127.0.0.1", port: echo.port } });
  onTestFinished(() => proxy.close());
  const socket = await dialVia(proxy)({ host: "hub.test", port: 1 });
  expect(() => socket.emit("error", new Error("reset"))).not.toThrow();
  socket.destroy();
});
