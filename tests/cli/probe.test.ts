// `tickhub probe` as a user runs it: the hub is asked for the account first, and the exit code says how it went.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startSim } from "../../app/sim/sim.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, startTestHub, testTransport, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { startConnectProxy, startSocks5 } from "../support/proxies.ts";

const KEY = "PSofTheTest".padEnd(36, "0");
const SECRET = "secretOfTheTest".padEnd(180, "0");
const portOf = (url: string) => Number(new URL(url).port);

let database: TestDatabase;
let hub: TestHub;
let sim: Sim;
let env: Record<string, string>;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url);
  sim = await startSim({ symbols: 2, openingMs: 0, rate: 500, pingpongMs: 50 });
  env = {
    ...{ TICKHUB_EDGE_ID: "kis", TICKHUB_EDGE_TOKEN: TOKEN, TICKHUB_HUB_URL: hub.gatewayUrl },
    ...{ KIS_APP_KEY: KEY, KIS_APP_SECRET: SECRET, TICKHUB_LOG_LEVEL: "silent" },
    ...{ KIS_REST_URL: sim.urls.kisRest, KIS_WS_URL: sim.urls.kisWs },
  };
});
afterAll(async () => {
  await sim.close();
  await hub.stop();
  await database.drop();
});

const probe = (args: string[] = [], more: Record<string, string> = {}) =>
  tickhub(["probe", "kis", "--symbol", sim.symbols[0]!, "--seconds", "1", ...args], {
    ...env,
    ...more,
  });

describe("tickhub probe", () => {
  it("asks for the account, watches one symbol, gives the account back, and keeps the evidence", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tickhub-probe-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const out = join(folder, "probe.json");
    const result = await probe(["--json", "--out", out]);
    expect(result.json).toMatchObject({ ok: true, account: "kis:1", brokerProxied: false });
    expect(result.code).toBe(0);
    const kept = readFileSync(out, "utf8");
    expect(JSON.parse(kept)).toMatchObject({ ok: true, seen: { confirmed: 2, refused: [] } });
    expect(kept + result.stdout + result.stderr).not.toMatch(
      new RegExp(`${KEY}|${SECRET}|${TOKEN}`),
    );
    const { accounts } = await hub.picture();
    expect(accounts.find(({ account }) => account === "kis:1")!.lease!.holder).toBeNull();
  });

  it("refuses while an edge holds the account, without a byte to the broker", async () => {
    const edge = testTransport(hub.gatewayUrl);
    await edge.open();
    const holder = randomUUID();
    await claim(edge, holder);
    const before = sim.counts();
    const result = await probe(["--json"]);
    expect(result).toMatchObject({ code: 1, json: { ok: false, code: "LEASE_HELD" } });
    expect(sim.counts()).toEqual(before);
    await edge.ask({ account: "kis:1", holder, edge: "kis", wish: "release", status: {} });
    await edge.close();
  });

  it("prints a table with what failed and what to do, and exits with 1", async () => {
    sim.fault({ kind: "auth-refuse", broker: "kis", count: 1 });
    const result = await probe();
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/^ {2}FAILED {2}approval key +FEED_AUTH: .*EGW00103/m);
    expect(result.stdout).toMatch(/^ +next: The broker refused the key/m);
    expect(result.stdout).toMatch(/^ {2}- +session +not reached/m);
  });

  it("goes the way an edge would go: the hub and the broker by their proxies", async () => {
    const inner = await startConnectProxy({
      "broker.test": { host: "127.0.0.1", port: portOf(sim.urls.kisRest) },
    });
    const outer = await startSocks5({
      "hub.test:8610": { host: "127.0.0.1", port: hub.port },
      "hub.test:8640": { host: "127.0.0.1", port: portOf(inner.url) },
    });
    onTestFinished(async () => {
      await outer.close();
      await inner.close();
    });
    const result = await probe(["--json"], {
      ...{ TICKHUB_HUB_URL: "ws://hub.test:8610", TICKHUB_UPLINK_PROXY: outer.url },
      ...{ TICKHUB_BROKER_PROXY: "http://hub.test:8640" },
      ...{ KIS_REST_URL: "http://broker.test", KIS_WS_URL: "ws://broker.test" },
    });
    expect(result.json).toMatchObject({ ok: true, brokerProxied: true });
    expect(new Set(outer.asked)).toEqual(new Set(["domain:hub.test:8610", "domain:hub.test:8640"]));
    expect(new Set(inner.asked)).toEqual(new Set(["broker.test:80"]));
  });

  it.each([
    ["an account without a key", ["--account", "kis:2"], {}, "USAGE"],
    ["a symbol that is none", ["--symbol", "a b"], {}, "CONFIG_INVALID"],
    ["no hub, and no word that none is wanted", [], { TICKHUB_HUB_URL: "" }, "CONFIG_MISSING"],
  ])("%s is the caller's to mend: exit 2", async (_what, args, more, code) => {
    const result = await probe(["--json", ...args], more);
    expect(result).toMatchObject({ code: 2, json: { code } });
  });

  it("--no-hub asks nobody, and says that nobody was asked", async () => {
    const result = await probe(["--no-hub", "--json"], { TICKHUB_HUB_URL: "" });
    expect(result.code).toBe(0);
    expect(result.json).toMatchObject({
      checks: expect.arrayContaining([
        expect.objectContaining({ check: "lease", state: "unsure" }),
      ]) as unknown,
    });
  });

  it("a hub that is away ends it: without the hub nobody knows who holds the account", async () => {
    const result = await probe(["--json"], { TICKHUB_HUB_URL: "ws://127.0.0.1:9" });
    expect(result).toMatchObject({ code: 1, json: { code: "UPLINK_UNREACHABLE" } });
  });
});
