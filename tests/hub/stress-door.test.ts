// `GET /stress` and what belongs to it: who may ask, and whose rows are counted.
import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import type { BrokerKind } from "../../app/shared/brokers.ts";
import { CANARY, canaryToken } from "../../app/shared/canary.ts";
import { stressLookSchema } from "../../app/shared/stress-door.ts";
import { createDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";

async function hubOf(brokers: BrokerKind) {
  const database = await createDatabase({ migrated: false });
  const hub = await startTestHub(database.url, { brokers, webPort: 0 });
  onTestFinished(async () => {
    await hub.stop();
    await database.drop();
  });
  const base = hub.gatewayUrl.replace(/^ws/, "http");
  const ask = async (path: string, token = TOKEN, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(`${base}${path}`, { headers, ...init });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { url: database.url, pool: database.pool, ask };
}

test("an edge is told what the hub collects, and how hub and database do", async () => {
  const { ask } = await hubOf("simulated");
  const { status, body } = await ask("/stress?edge=kis");
  expect(status).toBe(200);
  expect(stressLookSchema.parse(body)).toMatchObject({
    brokers: "simulated",
    accounts: ["kis:1", "kiwoom:1"],
    symbols: [{ symbol: "005930" }, { symbol: "000660" }],
    leases: [],
    database: { commitMs: expect.any(Number) as number },
  });
});

test.each([
  "/stress?edge=kis",
  "/stress/rows?edge=kis&holders=0b8f2c1e-5d1a-4c7e-9a51-6a2f0c0d9e11",
])(
  "%s is for edges by their token, and not for the canary; of real brokers nothing is told",
  async (path) => {
    const { url, ask } = await hubOf("simulated");
    expect(await ask(path, "a wrong token")).toMatchObject({ status: 401 });
    const asCanary = await ask(path.replace("kis", CANARY), canaryToken(url));
    expect(asCanary).toMatchObject({ status: 401, body: { code: "EDGE_TOKEN" } });
    const real = await hubOf("real");
    const { status, body } = await real.ask(path);
    expect([status, body["code"], Object.keys(body)]).toEqual([
      403,
      "EDGE_BROKERS",
      ["code", "hint"],
    ]);
  },
);

test("rows are those of the holders named, of the edge that asks, from the sockets", async () => {
  const { pool, ask } = await hubOf("simulated");
  const [mine, other] = [randomUUID(), randomUUID()];
  const open = async (edge: string, holder: string) => {
    const { rows } = await pool.query<{ no: number }>(
      `insert into stream (id, account, table_no, edge, holder)
       values (gen_random_uuid(), 'kis:1', 1, $1, $2) returning no`,
      [edge, holder],
    );
    return rows[0]!.no;
  };
  const trades = async (stream: number, count: number, origin = 0) =>
    await pool.query(
      `insert into trade (ts, symbol, venue, source, day, chain, seq, price, size, side, session,
         origin, edge_recv, stream, capture)
       select now(), '005930', 'KRX', 'kis:1', current_date, 0, $1::int * 1000 + $3::int * 100 + n,
         1, 1, 1, 1, $3::int, now(), $1::int, n from generate_series(1, $2::int) n`,
      [stream, count, origin],
    );
  const [first, second] = [await open("kis", mine), await open("kis", mine)];
  await trades(first, 3);
  await trades(second, 4);
  await trades(second, 9, 1);
  await trades(await open("kis", other), 20);
  await trades(await open("kiwoom", mine), 50);
  const count = async (query: string) => (await ask(`/stress/rows?${query}`)).body;
  expect(await count(`edge=kis&holders=${mine}`)).toEqual({ rows: 7 });
  expect(await count(`edge=kis&holders=${mine},${other}`)).toEqual({ rows: 27 });
  expect(await count(`edge=kiwoom&holders=${mine}`)).toEqual({ rows: 50 });
  expect(await count(`edge=kis&holders=${randomUUID()}`)).toEqual({ rows: 0 });
  expect(await ask("/stress/rows?edge=kis")).toMatchObject({ status: 400 });
  expect(await ask("/stress/rows?edge=kis&holders=none")).toMatchObject({ status: 400 });
});

test("who loads a hub of simulated brokers may speak for it, and for that alone", async () => {
  const evidence = { kind: "stress", subject: "hub", ok: true, summary: "held", atMs: Date.now() };
  const send = async (brokers: BrokerKind, kind = "stress") => {
    const { ask } = await hubOf(brokers);
    const body = JSON.stringify({ ...evidence, kind });
    return (await ask("/evidence?edge=kis", TOKEN, { method: "POST", body })).status;
  };
  expect(await send("simulated")).toBe(200);
  expect(await send("simulated", "backup")).toBe(403);
  expect(await send("real")).toBe(403);
});
