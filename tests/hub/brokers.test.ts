// Real and simulated ticks are kept apart: by the hub, by the edge and by the database, each for itself.
import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import type { HubOptions } from "../../app/hub/hub.ts";
import type { BrokerKind } from "../../app/shared/brokers.ts";
import { CANARY, canaryToken } from "../../app/shared/canary.ts";
import { createDatabase } from "../support/database.ts";
import { startTestHub, testTransport, TOKEN } from "../support/hub.ts";

async function database() {
  const made = await createDatabase({ migrated: false });
  onTestFinished(() => made.drop());
  return made;
}

async function hubOn(url: string, options: Partial<HubOptions> = {}) {
  const hub = await startTestHub(url, options);
  onTestFinished(() => hub.stop());
  return hub;
}

/** What becomes of an edge that says this, and that it can be told. */
async function opened(url: string, brokers: BrokerKind | undefined, edge = "kis", token = TOKEN) {
  const transport = testTransport(url, { brokers, edge, token });
  onTestFinished(() => transport.close());
  return await transport.open().then(
    () => "open",
    (error: unknown) => (error as { code: string }).code,
  );
}

test.each<[hub: BrokerKind, edge: BrokerKind | undefined, what: string]>([
  ["real", undefined, "open"],
  ["real", "real", "open"],
  ["real", "simulated", "EDGE_BROKERS"],
  ["simulated", "simulated", "open"],
  ["simulated", "real", "EDGE_BROKERS"],
  ["simulated", undefined, "EDGE_BROKERS"],
])("at a hub of %s brokers an edge that says %s: %s", async (brokers, edge, what) => {
  const { url } = await database();
  const hub = await hubOn(url, { brokers });
  expect(await opened(hub.gatewayUrl, edge)).toBe(what);
  // Whoever asks the database itself hears the same.
  expect(await opened(url, edge)).toBe(what);
  expect(await opened(hub.gatewayUrl, undefined, CANARY, canaryToken(url))).toBe("open");
  expect((await hub.picture()).brokers).toBe(brokers);
});

test.each<[hub: BrokerKind, edge: BrokerKind | undefined]>([
  ["simulated", undefined],
  ["simulated", "real"],
  ["real", "simulated"],
])(
  "a hub of %s brokers refuses the hello of an edge that says %s by itself",
  async (brokers, says) => {
    const { url } = await database();
    const hub = await hubOn(url, { brokers });
    const socket = new WebSocket(`${hub.gatewayUrl}/edge?edge=kis`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    await new Promise((resolve) => socket.once("open", resolve));
    const said = new Promise<string>((resolve) =>
      socket.once("message", (data) => resolve((data as Buffer).toString())),
    );
    const hello = {
      type: "hello",
      wire: [1, 2],
      edge: "kis",
      version: "0",
      bootId: "b",
      sentMs: 1,
    };
    socket.send(JSON.stringify({ ...hello, brokers: says }));
    expect(JSON.parse(await said)).toMatchObject({ type: "refused", code: "EDGE_BROKERS" });
  },
);

test("an edge of simulated brokers leaves a hub that does not say whose it takes, before a byte of a batch", async () => {
  const server = createServer();
  const heard: string[] = [];
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("message", (data) => {
      heard.push((JSON.parse((data as Buffer).toString()) as { type: string }).type);
      const limits = { batchBytesMax: 1_000, inFlightMax: 1, inFlightBytesMax: 1_000 };
      const welcome = { type: "welcome", wire: 1, hub: "old", system: "1", hubMs: 1, limits };
      socket.send(JSON.stringify(welcome));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    sockets.close();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  expect(await opened(`ws://127.0.0.1:${port}`, "simulated")).toBe("EDGE_BROKERS");
  expect(await opened(`ws://127.0.0.1:${port}`, undefined)).toBe("open");
  expect(heard).toEqual(["hello", "hello"]);
});

test("a database is of one kind for good: a hub of the other does not start on it", async () => {
  const { url } = await database();
  await (await startTestHub(url, { brokers: "simulated" })).stop();
  await expect(startTestHub(url)).rejects.toMatchObject({
    code: "DATABASE_BROKERS",
    context: { database: "simulated", hub: "real" },
  });
  await (await startTestHub(url, { brokers: "simulated" })).stop();
});

test("a database with rows from before it was marked holds real ones", async () => {
  const { url, pool } = await database();
  await (await startTestHub(url)).stop();
  await pool.query("truncate hub_brokers");
  await pool.query(
    "insert into stream (id, account, table_no, edge, holder) values ($1, 'kis:1', 1, 'kis', $2)",
    [randomUUID(), randomUUID()],
  );
  await expect(startTestHub(url, { brokers: "simulated" })).rejects.toMatchObject({
    code: "DATABASE_BROKERS",
    context: { database: "real", hub: "simulated" },
  });
  await (await startTestHub(url)).stop();
});
