// The gateway over real sockets against a real PostgreSQL, spoken to with raw messages.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../../app/shared/clock.ts";
import type { HubMessage } from "../../app/shared/gateway-protocol.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import {
  claim,
  startTestHub,
  StreamOfTrades,
  testTransport,
  TOKEN,
  until,
} from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, { edgeAccounts: new Map([["kiwoom", ["kiwoom:1"]]]) });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

/** A client that keeps what it hears. */
async function rawClient(options: { edge?: string; token?: string; hello?: object } = {}) {
  const { edge = "kis", token = TOKEN, hello } = options;
  const socket = new WebSocket(`${hub.gatewayUrl}/edge?edge=${edge}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const heard: HubMessage[] = [];
  let close = 0;
  socket.on("message", (data: Buffer) => heard.push(JSON.parse(data.toString()) as HubMessage));
  socket.on("close", (code) => (close = code));
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("open", resolve));
  const tell = (message: object) => socket.send(JSON.stringify(message));
  tell({ type: "hello", wire: [1], edge, version: "t", bootId: "b", sentMs: 0, ...hello });
  return { socket, heard, tell, closed: () => close };
}

/** Sends bytes to the hub's port, returns what it answered before it closed. */
async function rawBytes(bytes: Buffer | string): Promise<string> {
  const socket = connect(hub.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.write(bytes);
  await new Promise((resolve) => socket.on("close", resolve));
  return answer;
}

const rowsOf = async (stream: string) => {
  const { rows } = await database.pool.query<{ n: number }>(
    "select count(*)::int as n from trade t join stream s on s.no = t.stream where s.id = $1",
    [stream],
  );
  return rows[0]!.n;
};

describe("at the door", () => {
  test("a wrong token gets 401 and a reason in JSON", async () => {
    const answer = await rawBytes(
      "GET /edge?edge=kis HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
        "Authorization: Bearer wrong\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({ code: "EDGE_TOKEN" });
    expect(answer).not.toContain(TOKEN);
  });

  test.each([
    ["noise", Buffer.from([0, 1, 2, 3, 250, 251, 13, 10, 13, 10])],
    ["a TLS hello", Buffer.from("16030100c8010000c403035f", "hex")],
    ["the protocol of PostgreSQL", Buffer.from("0000000804d2162f", "hex")],
    [
      "an upgrade to nowhere",
      "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    [
      "a half WebSocket handshake",
      `GET /edge?edge=kis HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    ],
  ])("%s is answered with 400, and the hub lives", async (_name, bytes) => {
    const before = hub.events.length;
    expect(await rawBytes(bytes)).toMatch(/^HTTP\/1\.1 400 /);
    expect(hub.events.slice(before)).toContainEqual(
      expect.objectContaining({ event: "edge_refused", code: "GATEWAY_PROTOCOL" }),
    );
    expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
  });

  test("a wire version the hub does not speak is refused with both sides' versions", async () => {
    const client = await rawClient({ hello: { wire: [7, 8] } });
    await until(() => client.closed() !== 0, "close");
    expect(client.closed()).toBe(4400);
    expect(client.heard).toEqual([
      expect.objectContaining({
        type: "refused",
        code: "WIRE_VERSION",
        context: { hub: "1", edge: "7 8", release: "t" },
      }),
    ]);
  });

  test.each([
    ["text that is no message", "hello?"],
    [
      "a second hello",
      JSON.stringify({ type: "hello", wire: [1], edge: "kis", version: "", bootId: "", sentMs: 0 }),
    ],
    [
      "a question without a holder",
      JSON.stringify({ type: "ask", id: 1, account: "kis:1", wish: "claim", status: {} }),
    ],
  ])("%s ends the connection with GATEWAY_PROTOCOL", async (_name, text) => {
    const client = await rawClient();
    await until(() => client.heard.length > 0, "welcome");
    client.socket.send(text);
    await until(() => client.closed() === 4400, "close");
    expect(client.heard.at(-1)).toMatchObject({ type: "refused", code: "GATEWAY_PROTOCOL" });
  });

  test("a message announced as 1 GiB is refused from its header alone, with 1009", async () => {
    const client = await rawClient();
    await until(() => client.heard.length > 0, "welcome");
    const before = hub.events.length;
    const raw = (client.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket;
    const header = Buffer.alloc(14);
    header.set([0x82, 0xff]);
    header.writeBigUInt64BE(2n ** 30n, 2);
    raw.write(header);
    await until(() => client.closed() !== 0, "close");
    expect(client.closed()).toBe(1009);
    expect(hub.events.slice(before)).toContainEqual(
      expect.objectContaining({ event: "edge_refused", code: "GATEWAY_FRAME_TOO_LARGE" }),
    );
    expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
  });
});

describe("a batch", () => {
  test("is acked after its commit, is acked the same when it comes again, and is stored once", async () => {
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claimFree(transport, stream.holder);
    const batch = stream.next(epoch, 10);
    expect(await transport.send(batch, stream.holder)).toMatchObject({ number: 1, committed: 10 });
    expect(await rowsOf(stream.stream)).toBe(10);
    expect(await transport.send(batch, stream.holder)).toMatchObject({
      committed: 10,
      duplicate: 0,
    });
    expect(await rowsOf(stream.stream)).toBe(10);
    await release(transport, stream.holder);
  });

  test("behind a hole is refused with the number the hub expects", async () => {
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claimFree(transport, stream.holder);
    stream.next(epoch);
    const second = transport.send(stream.next(epoch), stream.holder);
    await expect(second).rejects.toMatchObject({ code: "STREAM_HOLE", context: { expected: 1 } });
    await release(transport, stream.holder);
  });

  test("of epoch 0, of another's account, or that cannot be read is refused; the connection stays", async () => {
    const transport = testTransport(hub.gatewayUrl, { edge: "kiwoom" });
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const zero = transport.send(stream.next(0, 1, "kiwoom:1"), stream.holder);
    await expect(zero).rejects.toMatchObject({ code: "OUTSIDE_LEASE" });
    const foreign = transport.send(stream.next(1, 1, "kis:1"), stream.holder);
    await expect(foreign).rejects.toMatchObject({ code: "EDGE_ACCOUNT" });
    await expect(claim(transport, stream.holder, "kis:1")).rejects.toMatchObject({
      code: "EDGE_ACCOUNT",
    });
    const client = await rawClient();
    await until(() => client.heard.length === 1, "welcome");
    client.socket.send(Buffer.from("no batch"), { binary: true });
    await until(() => client.heard.length === 2, "answer");
    expect(client.heard[1]).toMatchObject({
      type: "unreadable",
      message: 1,
      code: "BATCH_CORRUPT",
    });
    client.socket.close();
    await transport.close();
  });

  test("that is being stored when the hub stops is acked before the link closes", async () => {
    const other = await startTestHub(database.url);
    const transport = testTransport(other.gatewayUrl);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claimFree(transport, stream.holder);
    const verdicts = Array.from({ length: 20 }, () =>
      transport.send(stream.next(epoch, 100), stream.holder),
    );
    await until(() => other.events.some(({ event }) => event === "batch_stored"), "a first commit");
    await other.stop();
    const settled = await Promise.allSettled(verdicts);
    const acked = settled.filter(({ status }) => status === "fulfilled").length;
    expect(acked).toBeGreaterThan(0);
    // What was not read is not acked; what is not acked is not stored.
    expect(await rowsOf(stream.stream)).toBe(acked * 100);
    for (const verdict of settled.slice(acked)) {
      expect(verdict).toMatchObject({ status: "rejected", reason: { code: "UPLINK_CLOSED" } });
    }
    const again = testTransport(hub.gatewayUrl);
    await again.open();
    await release(again, stream.holder);
  });
});

test("a sender that ignores its window is held back: the hub's memory stays bounded", async () => {
  const { proxy, url } = await FaultProxy.before(database.url);
  const limits = { inFlightMax: 4, inFlightBytesMax: 1024 * 1024 };
  const other = await startTestHub(url, { limits });
  const transport = testTransport(other.gatewayUrl);
  await transport.open();
  const stream = new StreamOfTrades(randomUUID());
  const epoch = await claimFree(transport, stream.holder);
  const batches = Array.from({ length: 120 }, () => noisy(stream, epoch, 1_000));
  proxy.stall();
  const verdicts = batches.map((batch) => transport.send(batch, stream.holder));
  const load = async () => {
    const text = await (await fetch(`${other.url}/metrics`)).text();
    return Number(/^tickhub_gateway_in_flight_bytes\{.*\} (\d+)/m.exec(text)?.[1]);
  };
  await until(async () => (await load()) > 10_000, "batches under way");
  const first = await load();
  await new Promise((resolve) => systemClock.after(300, () => resolve(null)));
  expect(await load()).toBe(first);
  // Four batches, and what one read of the socket (64 KiB) brought along with them.
  expect(first).toBeLessThan(6 * batches[0]!.length + 65_536);
  expect(batches.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(4 * first);
  expect((await fetch(`${other.url}/healthz`)).status).toBe(503);
  await proxy.heal();
  const settled = await Promise.all(verdicts);
  expect(settled.reduce((sum, { committed }) => sum + committed, 0)).toBe(120_000);
  await release(transport, stream.holder);
  await other.stop();
  await proxy.close();
});

/** A batch that does not compress well. */
function noisy(stream: StreamOfTrades, epoch: number, rows: number): Uint8Array {
  const price = () => 1_000 + Math.floor(Math.random() * 1e6);
  return stream.next(epoch, rows, "kis:1", () => ({ price: price(), ask: price(), bid: price() }));
}

/** Claims kis:1, waiting for the test before to give it back. */
async function claimFree(transport: Parameters<typeof claim>[0], holder: string): Promise<number> {
  let epoch = 0;
  await until(async () => {
    epoch = await claim(transport, holder).catch(() => 0);
    return epoch > 0;
  }, "a lease");
  return epoch;
}

async function release(transport: Parameters<typeof claim>[0], holder: string): Promise<void> {
  await transport.ask({ account: "kis:1", holder, edge: "kis", wish: "release", status: {} });
  await transport.close();
}
