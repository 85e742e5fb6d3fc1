// An edge whose bytes are dear asks for fewer pings, and the hub grants it within bounds.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { EdgeConnection } from "../../app/hub/ingest/connection.ts";
import { GATEWAY_LIMITS } from "../../app/hub/ingest/gateway.ts";
import { EdgeRate } from "../../app/hub/ingest/rate.ts";
import { HEARTBEAT, LIGHT_HEARTBEAT, TICK_MAX_MS } from "../../app/shared/heartbeat.ts";
import { FakeClock } from "../support/fake-clock.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A connection over a real socket, whose hub's time is the test's. */
async function connect(hello: object) {
  const clock = new FakeClock();
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  let closed = "";
  sockets.on("connection", (socket, request) => {
    new EdgeConnection(socket, request.socket, {
      edge: "news",
      address: "",
      version: "t",
      brokers: "real",
      backend: {
        write: () => Promise.reject(new Error("no batch was sent")),
        ask: () => Promise.reject(new Error("nothing was asked")),
        system: () => Promise.resolve("1"),
        mayUse: () => true,
        stored: () => undefined,
      },
      limits: GATEWAY_LIMITS,
      rate: new EdgeRate(GATEWAY_LIMITS.rate, 0),
      heartbeat: HEARTBEAT,
      clock,
      emit: (event) => {
        if (event.event === "edge_disconnected") closed = event.code;
      },
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  closers.push(() => (client.terminate(), server.close(), sockets.close()));
  let pings = 0;
  client.on("ping", () => pings++);
  await once(client, "open");
  const welcome = once(client, "message");
  client.send(
    JSON.stringify({
      type: "hello",
      wire: [1, 2],
      edge: "news",
      version: "t",
      bootId: "b",
      sentMs: 0,
      ...hello,
    }),
  );
  await welcome;
  /** Pings in so many milliseconds of the hub's time; the client answers each. */
  async function pingsIn(ms: number, stepMs: number) {
    const before = pings;
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      // A ping and its pong cross the loopback.
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    return pings - before;
  }
  return { pingsIn, clock, client, closed: () => closed };
}

describe("the hub's pings", () => {
  test("come each 1.1 s to an edge that says nothing of them", async () => {
    const { pingsIn } = await connect({});
    expect(await pingsIn(11_000, 1_100)).toBeGreaterThanOrEqual(9);
  });

  test("come as rarely as a light edge asks for", async () => {
    const { pingsIn, closed } = await connect({ tickMs: LIGHT_HEARTBEAT.tickMs });
    // Each third tick or so finds that the pong was all that came.
    const count = await pingsIn(250_000, 5_000);
    expect(count).toBeGreaterThanOrEqual(5);
    expect(count).toBeLessThanOrEqual(10);
    expect(closed()).toBe("");
  });

  test("never come more often than usual, nor less than once a minute", async () => {
    const quick = await connect({ tickMs: 1 });
    expect(await quick.pingsIn(11_000, 1_100)).toBeLessThanOrEqual(10);
    const slow = await connect({ tickMs: 1e9 });
    expect(await slow.pingsIn(4 * TICK_MAX_MS, 20_000)).toBeGreaterThanOrEqual(2);
    const wrong = await connect({ tickMs: "soon" });
    expect(await wrong.pingsIn(11_000, 1_100)).toBeGreaterThanOrEqual(9);
  });

  test("find a light edge that is gone within four of its ticks", async () => {
    const { client, clock, closed } = await connect({ tickMs: 25_000 });
    client.pause();
    for (let passed = 0; passed < 105_000 && closed() === ""; passed += 5_000) {
      clock.advance(5_000);
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    expect(closed()).toBe("UPLINK_TIMEOUT");
  });
});
