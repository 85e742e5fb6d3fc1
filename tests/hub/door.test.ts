// The gateway's door under pressure: guesses, too many connections, too fast a sender.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GATEWAY_LIMITS } from "../../app/hub/ingest/gateway.ts";
import type { GatewayLimits } from "../../app/hub/ingest/gateway.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, startTestHub, StreamOfTrades, testTransport, until } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
});
afterAll(() => database.drop());

async function withHub(limits: Partial<GatewayLimits>, run: (hub: TestHub) => Promise<void>) {
  const hub = await startTestHub(database.url, { limits });
  try {
    await run(hub);
  } finally {
    await hub.stop();
  }
}

/** Knocks with a token, returns the whole answer and how long it took. */
async function knock(hub: TestHub, edge: string, token: string) {
  const startMs = performance.now();
  const socket = connect(hub.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.write(
    `GET /edge?edge=${edge} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `Authorization: Bearer ${token}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.on("close", resolve));
  return { answer, tookMs: performance.now() - startMs };
}

test("an unknown edge and a wrong token get the same answer, byte for byte", async () => {
  await withHub({}, async (hub) => {
    const known = await knock(hub, "kis", "wrong");
    expect(known.answer).toMatch(/^HTTP\/1\.1 401 /);
    expect((await knock(hub, "stranger", "wrong")).answer).toBe(known.answer);
    expect((await knock(hub, "", "")).answer).toBe(known.answer);
    expect((await knock(hub, "kis", "w".repeat(4_000))).answer).toBe(known.answer);
  });
});

describe("an address that guesses", () => {
  const guess = { ...GATEWAY_LIMITS.guess, wrong: { perSecond: 10, burst: 3 }, waitingMax: 2 };

  test("is slowed after a few wrong tokens, and every one is counted", async () => {
    await withHub({ guess }, async (hub) => {
      const startMs = performance.now();
      for (let i = 0; i < 9; i++) {
        expect((await knock(hub, "kis", `guess ${i}`)).answer).toContain("EDGE_TOKEN");
      }
      // Three at once; each of the next five had to wait for its tenth of a second.
      expect(performance.now() - startMs).toBeGreaterThan(5 * 100 * 0.9);
      const metrics = await (await fetch(`${hub.url}/metrics`)).text();
      expect(metrics).toMatch(/^tickhub_edge_refused_total\{.*code="EDGE_TOKEN".*\} 9$/m);
    });
  });

  test("gains nothing by guessing side by side", async () => {
    await withHub({ guess }, async (hub) => {
      for (let i = 0; i < 12; i++) void knock(hub, "kis", "early");
      await until(() => hub.events.length >= 12, "the first guesses");
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => knock(hub, "kis", "guess")),
      );
      const unseen = answers.filter(({ answer }) => answer.includes("GATEWAY_FULL"));
      expect(unseen.length).toBeGreaterThanOrEqual(8);
    });
  });

  test("does not keep the hub from stopping", async () => {
    const slow = { ...guess, wrong: { perSecond: 0.001, burst: 0 }, waitMaxMs: 3_600_000 };
    const hub = await startTestHub(database.url, { limits: { guess: slow } });
    await knock(hub, "kis", "guess");
    // Two may wait: once the third is sent away, the others are known to.
    const knocks = Array.from({ length: 3 }, () => knock(hub, "kis", "guess"));
    expect((await Promise.race(knocks)).answer).toContain("GATEWAY_FULL");
    await hub.stop();
    const answers = (await Promise.all(knocks)).map(({ answer }) => answer);
    expect(answers.filter((answer) => answer === "")).toHaveLength(2);
  });
});

test("an edge has a number of connections, which another edge does not use up", async () => {
  await withHub({ edgeConnectionsMax: 2 }, async (hub) => {
    const first = testTransport(hub.gatewayUrl);
    const second = testTransport(hub.gatewayUrl);
    await Promise.all([first.open(), second.open()]);
    const third = testTransport(hub.gatewayUrl).open();
    await expect(third).rejects.toMatchObject({ code: "GATEWAY_FULL" });
    const other = testTransport(hub.gatewayUrl, { edge: "kiwoom" });
    await other.open();
    await first.close();
    const again = testTransport(hub.gatewayUrl);
    await until(async () => await again.open().then(Boolean, () => false), "room for another");
    await Promise.all([second, other, again].map((transport) => transport.close()));
  });
});

test("an edge over its rate is held back, not refused: everything is stored, as fast as allowed", async () => {
  const rate = { ...GATEWAY_LIMITS.rate, batches: { perSecond: 20, burst: 10 } };
  await withHub({ rate }, async (hub) => {
    const transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const stream = new StreamOfTrades(randomUUID());
    const epoch = await claim(transport, stream.holder);
    const startMs = performance.now();
    // Large enough that one read of the socket does not bring all of them.
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, () =>
        transport.send(
          stream.next(epoch, 1_000, "kis:1", () => ({ price: Math.floor(Math.random() * 1e6) })),
          stream.holder,
        ),
      ),
    );
    const tookMs = performance.now() - startMs;
    expect(verdicts.reduce((sum, { committed }) => sum + committed, 0)).toBe(40_000);
    // Ten at once and the last few that came with the read before, the others 50 ms apart.
    expect(tookMs).toBeGreaterThan(20 * 50);
    const paused = hub.events.filter(({ event }) => event === "edge_paused");
    expect(paused.length).toBeGreaterThan(0);
    expect(hub.events.filter(({ event }) => event === "batch_refused")).toEqual([]);
    await transport.close();
  });
});
