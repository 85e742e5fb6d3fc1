// `POST /evidence`: what an edge without a database login measured reaches the table, and nothing else does.
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CANARY, canaryToken } from "../../app/shared/canary.ts";
import type { Evidence } from "../../app/shared/evidence.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, {
    webPort: 0,
    edgeAccounts: new Map([["kis", ["kis:1"]]]),
  });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

const evidence = (fields: Partial<Evidence> = {}): Evidence => ({
  kind: "latency",
  subject: "kis",
  ok: true,
  summary: "as fast as wanted",
  atMs: Date.now(),
  detail: { p99Ms: 12 },
  ...fields,
});

interface Sent {
  edge?: string;
  token?: string;
  type?: string;
}

async function send(body: unknown, { edge = "kis", token = TOKEN, type }: Sent = {}, to = hub) {
  const url = `${to.gatewayUrl.replace(/^ws/, "http")}/evidence?edge=${edge}`;
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": type ?? "application/json",
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) as Record<string, unknown> };
}

async function stored(): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    "select count(*)::int as n from public.evidence",
  );
  return rows[0]!.n;
}

test("what an edge says of itself is stored as it was said", async () => {
  const said = evidence({ summary: "12 ms" });
  const { status, json } = await send(said);
  expect(status).toBe(200);
  const { rows } = await database.pool.query(
    `select kind, subject, ok, summary, (extract(epoch from at) * 1000)::float8 as at_ms, detail
     from public.evidence where id = $1`,
    [json["id"]],
  );
  expect(rows).toEqual([
    {
      kind: "latency",
      subject: "kis",
      ok: true,
      summary: "12 ms",
      at_ms: said.atMs,
      detail: { p99Ms: 12 },
    },
  ]);
  expect(hub.events).toContainEqual({
    event: "evidence_stored",
    edge: "kis",
    kind: "latency",
    subject: "kis",
    ok: true,
  });
});

test("a probe may be of an account that the hub gives the edge, and of no other", async () => {
  const probe = (subject: string) => send(evidence({ kind: "probe", subject }));
  expect((await probe("kis:1")).status).toBe(200);
  for (const subject of ["kiwoom:1", "kis:2", "hub", "kiwoom"]) {
    const { status, json } = await probe(subject);
    expect([subject, status, json["code"]]).toEqual([subject, 403, "EVIDENCE_SUBJECT"]);
  }
});

test("an edge that may use every account still speaks for accounts of the plan only", async () => {
  const as = { edge: "kiwoom" };
  expect((await send(evidence({ kind: "probe", subject: "kis:1" }), as)).status).toBe(200);
  expect((await send(evidence({ kind: "probe", subject: "hub" }), as)).status).toBe(403);
  expect((await send(evidence({ kind: "stress", subject: "hub" }), as)).status).toBe(403);
  expect((await send(evidence({ subject: "kis:1" }), as)).status).toBe(403);
});

test("an unknown edge and a wrong token get the same answer, byte for byte, before the body is read", async () => {
  const before = await stored();
  const wrong = await send("no json", { token: "a wrong token" });
  expect(wrong.status).toBe(401);
  expect(wrong.json["code"]).toBe("EDGE_TOKEN");
  for (const sent of [{ edge: "stranger" }, { edge: "" }, { edge: "kiwoom", token: "another" }]) {
    const { status, text } = await send(evidence(), sent);
    expect({ status, text }).toEqual({ status: 401, text: wrong.text });
  }
  expect(await stored()).toBe(before);
});

test("the canary has nothing to say, whoever knows its token", async () => {
  const said = evidence({ subject: CANARY });
  const { status } = await send(said, { edge: CANARY, token: canaryToken(database.url) });
  expect(status).toBe(401);
});

test("what is no evidence is refused with the reason, and stored nowhere", async () => {
  const before = await stored();
  const unknown = await send({ ...evidence(), kind: "rumour" });
  expect(unknown.status).toBe(400);
  expect(unknown.json).toMatchObject({ code: "EVIDENCE_INVALID" });
  expect(unknown.json["problem"]).toContain("kind");
  for (const body of [{ ...evidence(), more: 1 }, "{", "", [], { ...evidence(), summary: 7 }]) {
    expect((await send(body)).json["code"], JSON.stringify(body)).toBe("EVIDENCE_INVALID");
  }
  const large = await send(evidence({ detail: { filler: "x".repeat(64 * 1024) } }));
  expect(large.json["code"]).toBe("EVIDENCE_INVALID");
  expect(large.json["problem"]).toContain("TOO_LARGE");
  const text = await send(JSON.stringify(evidence()), { type: "text/html" });
  expect(text.json).toMatchObject({ code: "EVIDENCE_INVALID" });
  expect(await stored()).toBe(before);
});

test("evidence from the future is refused: it would never grow old", async () => {
  const { status, json } = await send(evidence({ atMs: Date.now() + 600_000 }));
  expect([status, json["problem"]]).toEqual([400, "atMs lies in the future"]);
});

test("only the port of the gateway has the door", async () => {
  const response = await fetch(`${hub.url}/evidence?edge=kis`, { method: "POST" });
  expect(response.status).toBe(404);
});

describe("an edge with a tag", () => {
  test("is refused from a machine without it, token or not", async () => {
    const socketPath = join(mkdtempSync(join(tmpdir(), "tickhub-tailscaled-")), "socket");
    const tailscaled = createServer((_request, response) => {
      response.end(JSON.stringify({ Node: { Tags: ["tag:other"] } }));
    });
    await new Promise<void>((resolve) => tailscaled.listen(socketPath, resolve));
    const other = await startTestHub(database.url, {
      edgeTags: new Map([["kis", ["tag:edge-kis"]]]),
      tailscaleSocket: socketPath,
    });
    onTestFinished(async () => {
      await other.stop();
      tailscaled.close().closeAllConnections();
    });
    const { status, json } = await send(evidence(), {}, other);
    expect([status, json["code"]]).toEqual([403, "EDGE_IDENTITY"]);
    expect((await send(evidence({ subject: "kiwoom" }), { edge: "kiwoom" }, other)).status).toBe(
      200,
    );
  });
});

test("an edge that sends without end is told to wait, and its neighbour is not", async () => {
  const before = await stored();
  const answers = await Promise.all(Array.from({ length: 60 }, () => send(evidence())));
  const codes = new Set(answers.map(({ json }) => json["code"] ?? "stored"));
  expect(codes).toEqual(new Set(["stored", "EVIDENCE_RATE"]));
  expect(await stored()).toBeLessThan(before + 45);
  const neighbour = await send(evidence({ subject: "kiwoom" }), { edge: "kiwoom" });
  expect(neighbour.status).toBe(200);
});
