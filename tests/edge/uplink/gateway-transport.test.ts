// The gateway transport against every kind of wrong other side: each ends in one clear code, soon.
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { createTransport, TRANSPORT_TIMINGS } from "../../../app/edge/uplink/transport.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { TickhubError } from "../../../app/shared/errors.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { claim, startTestHub, StreamOfTrades, testTransport, TOKEN } from "../../support/hub.ts";
import type { TestHub } from "../../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

/** A TCP server that does `onSocket`, gone with the test. */
async function strangeServer(onSocket: (socket: Socket) => void): Promise<string> {
  return await listening(
    createServer((socket) => {
      socket.on("error", () => undefined);
      onSocket(socket);
    }),
  );
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("opening fails clearly", () => {
  test.each(["http://127.0.0.1:1/", "nats://127.0.0.1:1", "not a url"])("%s: UPLINK_URL", (url) => {
    const options = { edge: "e", token: "", version: "", bootId: "", clock: systemClock };
    expect(() =>
      createTransport(url, {
        ...options,
        ...TRANSPORT_TIMINGS,
        heartbeat: { tickMs: 1, missesMax: 1 },
      }),
    ).toThrow(expect.objectContaining({ code: "UPLINK_URL" }) as Error);
  });

  test("nobody listens: UPLINK_UNREACHABLE", async () => {
    const opening = testTransport("ws://127.0.0.1:9").open();
    await expect(opening).rejects.toMatchObject({ code: "UPLINK_UNREACHABLE", retry: true });
  });

  test("the name does not resolve: UPLINK_UNREACHABLE", async () => {
    const opening = testTransport("ws://no-such-host.invalid:8610").open();
    await expect(opening).rejects.toMatchObject({ code: "UPLINK_UNREACHABLE" });
  });

  test("something listens and says nothing: UPLINK_UNREACHABLE after the answer time", async () => {
    const url = await strangeServer(() => undefined);
    const opening = testTransport(url, { answerMs: 200 }).open();
    await expect(opening).rejects.toMatchObject({ code: "UPLINK_UNREACHABLE" });
  });

  test("something answers with noise: UPLINK_PROTOCOL", async () => {
    const url = await strangeServer((socket) => socket.end(Buffer.from([1, 2, 3, 13, 10, 13, 10])));
    await expect(testTransport(url).open()).rejects.toMatchObject({ code: "UPLINK_PROTOCOL" });
  });

  test("a web server answers: UPLINK_PROTOCOL with its status", async () => {
    const server = createHttpServer((_request, response) =>
      response.writeHead(404).end("<h1>Not here</h1>"),
    );
    const opening = testTransport(await listening(server)).open();
    await expect(opening).rejects.toMatchObject({
      code: "UPLINK_PROTOCOL",
      context: { status: 404 },
    });
  });

  test("another WebSocket service answers: UPLINK_PROTOCOL", async () => {
    const server = createHttpServer();
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.send('{"greeting":"hi"}'));
    const opening = testTransport(await listening(server)).open();
    await expect(opening).rejects.toMatchObject({ code: "UPLINK_PROTOCOL" });
  });

  test("another WebSocket service that announces 1 GiB: an error, not memory", async () => {
    const server = createHttpServer();
    new WebSocketServer({ server }).on("connection", (_socket, request) => {
      const header = Buffer.alloc(10);
      header.set([0x82, 0x7f]);
      header.writeBigUInt64BE(2n ** 30n, 2);
      request.socket.write(header);
    });
    const opening = testTransport(await listening(server)).open();
    await expect(opening).rejects.toMatchObject({ code: "UPLINK_PROTOCOL" });
  });

  test("a wrong token, or an edge the hub does not know: EDGE_TOKEN, and the token is not in the error", async () => {
    for (const options of [{ token: "wrong token" }, { edge: "stranger" }]) {
      const error: unknown = await testTransport(hub.gatewayUrl, options)
        .open()
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "EDGE_TOKEN", retry: false });
      const told = JSON.stringify([
        (error as TickhubError).message,
        (error as TickhubError).context,
      ]);
      expect(told).not.toContain("wrong token");
      expect(told).not.toContain(TOKEN);
    }
  });
});

describe("a standing link", () => {
  test("keeps quiet while traffic flows, and stays while nothing does", async () => {
    const transport = testTransport(hub.gatewayUrl, { heartbeat: { tickMs: 30, missesMax: 3 } });
    let closed: TickhubError | null = null;
    transport.onClosed((error) => (closed = error));
    const { hubMs, system } = await transport.open();
    expect(Math.abs(hubMs - systemClock.nowMs())).toBeLessThan(2_000);
    expect(system).toMatch(/^\d{15,20}$/);
    await new Promise((resolve) => systemClock.after(400, () => resolve(null)));
    expect(closed).toBeNull();
    await transport.close();
  });

  test("that goes half-open is found dead within five seconds, on both sides, and what was under way is told", async () => {
    const { proxy, url } = await FaultProxy.before(hub.gatewayUrl);
    onTestFinished(() => proxy.close());
    const transport = testTransport(url);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    await claim(transport, stream.holder);
    const dead = new Promise<TickhubError>((resolve) => transport.onClosed(resolve));
    const hubSide = () =>
      hub.events.some(
        (event) => event.event === "edge_disconnected" && event.code === "UPLINK_TIMEOUT",
      );
    expect(hubSide()).toBe(false);
    proxy.stall();
    const startMs = performance.now();
    const underWay = transport.send(stream.next(1), stream.holder);
    await expect(underWay).rejects.toMatchObject({ code: "UPLINK_TIMEOUT" });
    expect((await dead).code).toBe("UPLINK_TIMEOUT");
    expect(performance.now() - startMs).toBeLessThan(5_000);
    while (!hubSide()) await new Promise((resolve) => systemClock.after(20, () => resolve(null)));
    expect(performance.now() - startMs).toBeLessThan(5_500);
  });

  test("stays while one large message crawls over a slow line", async () => {
    const heartbeat = { tickMs: 100, missesMax: 3 };
    const nervous = await startTestHub(database.url, { heartbeat });
    onTestFinished(() => nervous.stop());
    const { proxy, url } = await FaultProxy.before(nervous.gatewayUrl);
    onTestFinished(() => proxy.close());
    const transport = testTransport(url, { heartbeat });
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const batch = stream.next(1, 20_000);
    const startMs = performance.now();
    proxy.slow(batch.length / 1.5);
    const verdict = await transport.send(batch, stream.holder);
    expect(performance.now() - startMs).toBeGreaterThan(1_000);
    expect(verdict.committed + verdict.quarantined).toBe(20_000);
    await transport.close();
  });
});
