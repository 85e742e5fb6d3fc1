// `tickhub latency` as a user runs it, against a real hub and a real database (which has no fsync in tests,
// and that must not pass for a good one).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { latestEvidence } from "../../app/store/evidence.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, { edgeAccounts: new Map([["kis", ["kis:1"]]]) });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

const SHORT = ["--samples", "20", "--no-pool"];
const asEdge = () => ({
  TICKHUB_HUB_URL: hub.gatewayUrl,
  TICKHUB_EDGE_ID: "kis",
  TICKHUB_EDGE_TOKEN: TOKEN,
});

interface Row {
  probe: string;
  subject: string;
  label: string | null;
  samples: number;
  verdict: string;
  over_what: string[];
  path: string;
  is_whole: boolean;
}

async function rowsOf(run: unknown): Promise<Row[]> {
  const { rows } = await database.pool.query<Row>(
    `select probe, subject, label, samples::int as samples, verdict, over_what, path,
       p50_ms > 0 and max_ms >= p50_ms and p99_ms is null and offset_bound_ms > 0
         and ended_at >= started_at and jsonb_array_length(bins) > 0 as is_whole
     from public.latency_run where run = $1 order by id`,
    [run],
  );
  return rows;
}

async function count(table: string): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(*)::int as n from public.${table}`,
  );
  return rows[0]!.n;
}

describe("from an edge without a database login", () => {
  test("the hub's door keeps the evidence and a row for each probe", async () => {
    const accept = { TICKHUB_LATENCY_ACCEPT: "ask.p50=5000,ack.p50=5000" };
    const { code, json, stderr } = await tickhub(["latency", "--json", ...SHORT], {
      ...asEdge(),
      ...accept,
    });
    expect(stderr).toBe("");
    expect([code, json]).toMatchObject([0, { ok: true, subject: "kis", stored: { ok: true } }]);
    const rows = await rowsOf(json!["run"]);
    expect(rows).toEqual(
      ["connect", "ask", "ack"].map((probe) => ({
        ...{ probe, subject: "kis", label: null, samples: 20, over_what: [] },
        ...{ verdict: probe === "connect" ? "unjudged" : "accepted", path: "this machine" },
        is_whole: true,
      })),
    );
    const evidence = (await latestEvidence(database.pool, "latency")).get("kis")!;
    expect(evidence.ok).toBe(true);
    expect(evidence.summary).toMatch(/^accepted: ask p50 [\d.]+ ms/);
    expect(evidence.detail).not.toHaveProperty("report");
    expect(evidence.detail).toMatchObject({ run: json!["run"], probes: { ack: { samples: 20 } } });
  });

  test("what is over a threshold is said, kept, and ends with 1", async () => {
    const { code, stdout } = await tickhub(["latency", ...SHORT], {
      ...asEdge(),
      TICKHUB_LATENCY_ACCEPT: "ack.p50=0.001",
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^not accepted: ack\.p50 is [\d.]+ ms, over 0\.001 ms$/m);
    const evidence = (await latestEvidence(database.pool, "latency")).get("kis")!;
    expect(evidence.ok).toBe(false);
  });
});

describe("with the database and the gateway", () => {
  test(
    "every probe is measured, nothing of ticks is written, and a server without fsync is not accepted",
    { timeout: 180_000 },
    async () => {
      const before = await Promise.all(["trade", "book", "status", "quarantine"].map(count));
      const page = join(newStateDir(), "latency.html");
      const { code, json } = await tickhub(
        [
          ...["latency", "--json", "--samples", "20", "--report", page, "--tune"],
          ...["--to", database.url, "--to", hub.gatewayUrl],
        ],
        { TICKHUB_DATABASE_URL: database.url },
      );
      expect(code).toBe(1);
      expect(json).toMatchObject({
        ok: false,
        subject: "home",
        skipped: [],
        durability: { fsync: false, synchronousCommit: true },
        stored: { ok: true },
      });
      expect(json!["reasons"]).toContain("fsync is off there, so no commit is on disk");
      const rows = await rowsOf(json!["run"]);
      const plain = rows.filter(({ label }) => label === null);
      expect(plain.map(({ probe }) => probe)).toEqual([
        ...["connect", "connect", "query", "commit", "ask", "ack", "queryable"],
      ]);
      const labels = new Set(rows.map(({ label }) => label));
      for (const name of ["nodelay", "reuse", "prepared", "pipeline", "link"]) {
        expect(labels).toContain(`before-${name}`);
        expect(labels).toContain(`after-${name}`);
      }
      expect((json!["pool"] as { connections: number }[]).map((one) => one.connections)).toEqual([
        ...[1, 2, 4, 8, 16],
      ]);
      expect(await Promise.all(["trade", "book", "status", "quarantine"].map(count))).toEqual(
        before,
      );
      expect(await count("latency_probe")).toBe(0);
      const html = await readFile(page, "utf8");
      expect(html).toContain("not accepted: fsync is off");
      expect(html.match(/<svg/g)!.length).toBe(3);
      const { password } = new URL(database.url);
      for (const text of [html, JSON.stringify(json)])
        expect(text).not.toContain(password || TOKEN);
    },
  );

  test("two labels are compared probe by probe", async () => {
    const { code, stdout } = await tickhub(
      ["latency", "--compare", "before-reuse", "after-reuse"],
      { TICKHUB_DATABASE_URL: database.url },
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^query to postgres:\/\/.*, before-reuse → after-reuse:$/m);
    expect(stdout).toMatch(/^ {2}p50 +[\d.]+ ms → [\d.]+ ms \(-[\d.]+ ms, -\d+ %\)$/m);
    const none = await tickhub(["latency", "--json", "--compare", "before-reuse", "nothing"], {
      TICKHUB_DATABASE_URL: database.url,
    });
    expect([none.code, none.json]).toMatchObject([1, { ok: false, changes: [] }]);
  });
});

test("wrong use and missing settings are told with exit code 2", async () => {
  for (const args of [[], ["--to", "http://127.0.0.1:1"], ["--compare", "one"]]) {
    const { code, json } = await tickhub(["latency", "--json", ...args]);
    expect([args, code, json!["code"]]).toEqual([args, 2, "USAGE"]);
  }
  const { code, json } = await tickhub(["latency", "--json", "--to", hub.gatewayUrl]);
  expect([code, json!["code"]]).toEqual([2, "CONFIG_MISSING"]);
});

test("a hub that does not answer is an error with its code, and no password in it", async () => {
  const url = "postgres://someone:hidden-word@127.0.0.1:1/tickhub";
  const { code, json, stderr } = await tickhub(["latency", "--json", "--to", url]);
  expect([code, json!["code"]]).toEqual([1, "DATABASE_UNREACHABLE"]);
  expect(stderr).not.toContain("hidden-word");
});
