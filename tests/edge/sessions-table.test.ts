// A whole edge between a scripted broker and a real hub: what the table says of the life of its sockets.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Edge } from "../../app/edge/core.ts";
import { startEdge } from "../../app/edge/edge.ts";
import { readSessions } from "../../app/hub/query/coverage/evidence.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { recordingReporter, startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { ScriptedBroker } from "../support/scripted-broker.ts";
import { ackOf } from "./feed/kis-rig.ts";

interface Row {
  no: number;
  edge: string;
  fromMs: number;
  heardMs: number;
  toMs: number | null;
  code: string | null;
}

let database: TestDatabase;
let hub: TestHub;
let broker: ScriptedBroker;
let clock: FakeClock;
let edge: Edge;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

beforeEach(async () => {
  await database.pool.query("delete from feed_session");
  clock = new FakeClock();
  clock.chance = 0;
  broker = await ScriptedBroker.start({
    post: () => ({ status: 200, body: { approval_key: "approval-key" } }),
    handshake: "accept",
    message: (text, socket) => {
      const { header, body } = JSON.parse(text) as {
        header: { tr_type: string };
        body?: { input: { tr_id: string; tr_key: string } };
      };
      if (!body) return;
      const { tr_id: trId, tr_key: trKey } = body.input;
      socket.send(ackOf({ trId, trKey }, header.tr_type === "1" ? "OPSP0000" : "OPSP0001"));
    },
  });
  edge = await startEdge({
    edge: "kis",
    version: "0.0.0-test",
    broker: "kis",
    accounts: [{ account: "kis:1", appKey: "app-key", secret: "secret" }],
    restUrl: broker.restUrl,
    wsUrl: broker.wsUrl,
    hubUrl: `ws://127.0.0.1:${hub.port}`,
    token: TOKEN,
    outboxBytes: 1 << 20,
    statusPort: 0,
    clock,
    market: (wallMs) => wallMs,
    reporter: recordingReporter(),
  });
});
let isStopped = false;
afterEach(async () => {
  if (!isStopped) await stop();
  isStopped = false;
  await broker.close();
});

async function rows(): Promise<Row[]> {
  const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;
  const { rows: found } = await database.pool.query<Row>(
    `select no, edge, ${ms("from_at")} as "fromMs", ${ms("heard_at")} as "heardMs",
       ${ms("to_at")} as "toMs", code
     from feed_session where account = 'kis:1' order by from_at`,
  );
  return found;
}

/** Lets the edge's time run, and the world have its turn, until `condition` holds. */
async function runUntil(condition: (found: Row[]) => boolean): Promise<Row[]> {
  const giveUpMs = performance.now() + 15_000;
  for (;;) {
    const found = await rows();
    if (condition(found)) return found;
    if (performance.now() > giveUpMs) throw new Error(`still ${JSON.stringify(found)}`);
    await turn();
  }
}

async function turn(): Promise<void> {
  clock.advance(50);
  await new Promise((resolve) => setTimeout(resolve, 2));
}

async function stop(): Promise<void> {
  let done = false;
  void edge.stop(2_000).then(() => (done = true));
  while (!done) await turn();
  isStopped = true;
}

test("a socket is one row from its last registration on, as old as its last heartbeat", async () => {
  const [first] = await runUntil((found) => found.length === 1);
  const registered = edge.report().accounts!["kis:1"]!;
  expect(registered.feed).toBe("live");
  expect(first).toMatchObject({ no: 1, edge: "kis", toMs: null, code: null });
  // Nothing but heartbeats comes, and nothing came after the last acknowledgement.
  for (let beats = 1; beats <= 2; beats++) {
    const before = (await rows())[0]!;
    clock.advance(1_000);
    broker.socket.send({ header: { tr_id: "PINGPONG", datetime: `${beats}` } });
    const [now] = await runUntil(([row]) => row!.heardMs > before.heardMs);
    expect(now!.heardMs).toBeGreaterThanOrEqual(before.heardMs + 1_000);
    expect(now!.fromMs).toBe(first!.fromMs);
  }
});

test("a broken socket is closed with its code, and the next one is a row of its own", async () => {
  const [first] = await runUntil((found) => found.length === 1);
  broker.socket.cut();
  const [ended, second] = await runUntil((found) => found.length === 2);
  expect(ended).toMatchObject({ no: 1, fromMs: first!.fromMs, code: "FEED_CLOSED" });
  expect(ended!.toMs).toBeGreaterThanOrEqual(ended!.heardMs);
  // KIS may hold the account of a socket that was cut.
  expect(second!.fromMs - ended!.toMs!).toBeGreaterThanOrEqual(15_000);
  expect(second).toMatchObject({ no: 2, toMs: null });
  expect(edge.report().accounts!["kis:1"]!.sessions).toHaveLength(1);
});

test("what happened while the hub was away is told when it is back", async () => {
  await runUntil((found) => found.length === 1);
  const { port } = hub;
  await hub.stop();
  broker.socket.cut();
  while ((edge.report().accounts!["kis:1"]!.sessions ?? []).length < 2) await turn();
  expect((await rows())[0]!.toMs).toBeNull();
  hub = await startTestHub(database.url, { port });
  const found = await runUntil((all) => all.length === 2);
  expect(found).toMatchObject([
    { no: 1, code: "FEED_CLOSED" },
    { no: 2, toMs: null },
  ]);
});

test("an edge that stops says so before it goes", async () => {
  await runUntil((found) => found.length === 1);
  await stop();
  const [row] = await rows();
  expect(row).toMatchObject({ no: 1, code: null });
  expect(row!.toMs).toBeGreaterThanOrEqual(row!.heardMs);
  const { rows: lease } = await database.pool.query(
    "select holder from lease where account = 'kis:1'",
  );
  expect(lease).toEqual([{ holder: null }]);
});

test("a socket that beat on but brought nothing was alive until its last record, whatever was heard of it", async () => {
  await runUntil((found) => found.length === 1);
  const id = "5e0a1de5-0000-4000-8000-000000000000";
  const hear = (heardMs: number, toMs: number | null) =>
    database.pool.query("select hear_sessions('kis:9', $1, 'kis', $2)", [
      id,
      JSON.stringify([
        { no: 1, fromMs: 1_000, heardMs, toMs, code: toMs === null ? null : "FEED_SILENT" },
      ]),
    ]);
  await hear(20_000, null);
  await hear(8_000, 8_000);
  const within = { fromMs: 0, toMs: 60_000 };
  const sessions = await readSessions(database.pool, ["kis:9"], within);
  expect(sessions.get("kis:9")).toMatchObject([{ fromMs: 1_000, heardMs: 8_000, toMs: 8_000 }]);
});
