// `POST /sentinel` and `GET /watch` of a real hub: what the Sentinel tells is kept and shown, what others tell is not.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readAlerts } from "../../app/hub/query/alerts.ts";
import type { Alert, SentinelReport } from "../../app/shared/alerts.ts";
import { hashOfToken, newToken } from "../../app/shared/token.ts";
import { hubWatchSchema } from "../../app/shared/watch.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, startTestHub, testTransport, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

const SENTINEL = newToken();
let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, {
    webPort: 0,
    sentinelToken: hashOfToken(SENTINEL),
    diskPath: "/tmp",
  });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});
beforeEach(async () => {
  await database.pool.query("delete from public.alert");
});

const alert = (fields: Partial<Alert> = {}): Alert => ({
  id: "a-1",
  rule: "EDGE_DOWN",
  subject: "kis",
  severity: "critical",
  text: "The edge kis does not answer.",
  raisedMs: 1_795_000_000_000,
  endedMs: null,
  acknowledgedMs: null,
  ...fields,
});
const report = (fields: Partial<SentinelReport> = {}): SentinelReport => ({
  ...{ version: "1.0.0", atMs: Date.now(), isFresh: false, alerts: [], evidence: null },
  ...fields,
});

async function tell(body: unknown, token = SENTINEL, url = hub.url) {
  const response = await fetch(`${url}/sentinel`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

test("an alert is kept, changed by its id, and shown newest first with when the Sentinel was heard", async () => {
  expect((await readAlerts(database.pool)).alerts).toEqual([]);
  await tell(report({ alerts: [alert(), alert({ id: "a-2", raisedMs: 1_795_000_060_000 })] }));
  const ended = { endedMs: 1_795_000_090_000, acknowledgedMs: 1_795_000_030_000 };
  expect(await tell(report({ alerts: [alert(ended)] }))).toEqual({
    status: 200,
    json: { ok: true, open: [] },
  });
  const { alerts, sentinelSeenMs } = await readAlerts(database.pool);
  expect(alerts).toEqual([alert({ id: "a-2", raisedMs: 1_795_000_060_000 }), alert(ended)]);
  expect(Math.abs(sentinelSeenMs! - Date.now())).toBeLessThan(10_000);
});

test("a fresh Sentinel hears which alerts still stand, and only then", async () => {
  await tell(report({ alerts: [alert(), alert({ id: "a-2", endedMs: 1_795_000_090_000 })] }));
  expect((await tell(report({ isFresh: true }))).json["open"]).toEqual([alert()]);
  expect((await tell(report())).json["open"]).toEqual([]);
});

test("the proof of a round trip is evidence of kind alert, and other evidence is refused", async () => {
  const proof = {
    kind: "alert",
    subject: "sentinel",
    ok: true,
    summary: "there and back",
    atMs: Date.now(),
    detail: { channels: ["slack"] },
  } satisfies SentinelReport["evidence"];
  expect((await tell(report({ evidence: proof }))).status).toBe(200);
  const { rows } = await database.pool.query(
    "select kind, subject, ok, summary from public.evidence",
  );
  expect(rows).toEqual([
    { kind: "alert", subject: "sentinel", ok: true, summary: "there and back" },
  ]);
  for (const wrong of [{ subject: "hub" }, { kind: "parity" }, { atMs: Date.now() + 3_600_000 }]) {
    const { status, json } = await tell({ ...report(), evidence: { ...proof, ...wrong } });
    expect([status, json["code"]]).toEqual([400, "SENTINEL_REPORT"]);
  }
});

test("nobody else's token opens it, and it opens nothing else", async () => {
  for (const token of [TOKEN, newToken(), hashOfToken(SENTINEL), ""]) {
    const { status, json } = await tell("no json", token);
    expect([status, json["code"]]).toEqual([401, "SENTINEL_TOKEN"]);
  }
  const asEdge = testTransport(hub.gatewayUrl, { edge: "sentinel", token: SENTINEL });
  await expect(claim(asEdge, crypto.randomUUID())).rejects.toThrow();
  await asEdge.close();
});

test("what is no report is not stored", async () => {
  const wrong = [
    "no json",
    {},
    report({ alerts: [alert({ id: "A 1" })] }),
    { ...report(), more: 1 },
  ];
  for (const body of wrong) expect((await tell(body)).status).toBe(400);
  expect((await readAlerts(database.pool)).alerts).toEqual([]);
});

test("it is on the port of the page, not on the gateway's", async () => {
  const gateway = hub.gatewayUrl.replace(/^ws/, "http").replace(/\/edge$/, "");
  expect((await tell(report(), SENTINEL, gateway)).status).toBe(404);
});

test("a hub that knows no Sentinel has no door", async () => {
  const other = await startTestHub(database.url);
  const { status } = await tell(report(), SENTINEL, other.url);
  await other.stop();
  expect(status).toBe(404);
});

test("the watch has what the rules read, in few bytes", async () => {
  const text = await (await fetch(`${hub.url}/watch`)).text();
  const watch = hubWatchSchema.parse(JSON.parse(text));
  expect(watch.database).toBeNull();
  expect(watch.disk!.freeBytes).toBeGreaterThan(0);
  expect(watch.accounts.map(({ account }) => account)).toEqual(["kis:1", "kiwoom:1"]);
  expect(text.length).toBeLessThan(2_000);
});
