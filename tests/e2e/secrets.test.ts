// Secrets stay where they belong: a real stack runs, is hurt in the ways that make it talk, and everything
// it says anywhere is searched for every secret it holds.
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Child } from "../../app/cli/child.ts";
import { fetchJson } from "../../app/cli/http.ts";
import { tickhub } from "../support/cli.ts";
import { eventually, startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";

const SETTING = /^(TICKHUB_EDGE_TOKENS?|(KIS|KIWOOM)_\w*(KEY|SECRET))$/;
/** Of the commands that fail, each with a word to search for. */
const BAD = {
  TICKHUB_EDGE_TOKEN: "leak-token-4711-of-an-edge",
  KIS_APP_KEY: "PSleakkey4711".padEnd(36, "x"),
  KIS_APP_SECRET: "leaksecret4711".padEnd(180, "x"),
};
const BAD_PASSWORD = "leak-password-4711";

let test: TestStack;
const secrets = new Map<string, string>();
const keep = (what: string, secret: unknown) => {
  expect(typeof secret === "string" && secret.length >= 8, what).toBe(true);
  secrets.set(secret as string, what);
};
const names = (text: string) =>
  [...secrets].filter(([secret]) => text.includes(secret)).map(([, what]) => what);
const logs = () =>
  readdirSync(join(test.stateDir, "logs")).map((name) => ({ name, text: log(name) }));
const log = (name: string) => {
  const path = join(test.stateDir, "logs", name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};

/** The environment a process was started with. */
function environmentOf(pid: number): Map<string, string> {
  const pairs = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  return new Map(pairs.map((pair) => [pair.split("=")[0]!, pair.slice(pair.indexOf("=") + 1)]));
}

/** What `ps` shows of this process and all below it. */
function argumentsBelow(pid: number): string[] {
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [name, / (\d+) /.exec(read(`/proc/${name}/stat`).replace(/^.*\) ./, ""))?.[1]]);
  const family = new Set([String(pid)]);
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const [child, parent] of parents) if (family.has(parent!)) family.add(child!);
  }
  return [...family].map((child) => read(`/proc/${child}/cmdline`).replaceAll("\0", " "));
}

async function edgeThatIsRefused(name: string, hubUrl: string): Promise<Child> {
  const { kisRest, kisWs, marketClock } = test.stack.places;
  const child = new Child({
    args: ["edge", "--feed", "kis", "--json"],
    env: {
      ...BAD,
      TICKHUB_EDGE_ID: "kis",
      TICKHUB_HUB_URL: hubUrl,
      TICKHUB_LOG_LEVEL: "debug",
      TICKHUB_MARKET_CLOCK: marketClock,
      KIS_REST_URL: kisRest,
      KIS_WS_URL: kisWs,
    },
    logFile: join(test.stateDir, "logs", `${name}.log`),
  });
  await eventually(20_000, `${name} refused`, () =>
    Promise.resolve(log(`${name}.log`).includes("EDGE_TOKEN")),
  );
  return child;
}

describe.skipIf(!existsSync("/proc/self/environ"))("secrets", () => {
  const extra: Child[] = [];

  beforeAll(async () => {
    test = await startStack({ logLevel: "debug" });
    const { stack } = test;
    for (const child of [stack.hub, ...stack.edges.values()]) {
      for (const [name, value] of environmentOf(child.pid)) {
        if (!SETTING.test(name)) continue;
        for (const part of value.split(",")) keep(name, part.slice(part.indexOf("=") + 1));
      }
    }
    keep("the database's password", new URL(stack.databaseUrl).password);
    for (const [name, value] of Object.entries(BAD)) keep(name, value);
    keep("a wrong password", BAD_PASSWORD);

    // What the brokers gave the edges: asked for again with the same key, it is the same.
    const kis = environmentOf(stack.edges.get("kis")!.pid);
    const approval = await fetchJson<Record<string, string>>(
      `${stack.places.kisRest}/oauth2/Approval`,
      {
        grant_type: "client_credentials",
        appkey: kis.get("KIS_APP_KEY"),
        secretkey: kis.get("KIS_APP_SECRET"),
      },
    );
    keep("KIS's approval key", approval?.["approval_key"]);
    const kiwoom = environmentOf(stack.edges.get("kiwoom")!.pid);
    const token = await fetchJson<Record<string, string>>(
      `${stack.places.kiwoomRest}/oauth2/token`,
      {
        grant_type: "client_credentials",
        appkey: kiwoom.get("KIWOOM_APP_KEY"),
        secretkey: kiwoom.get("KIWOOM_SECRET_KEY"),
      },
    );
    keep("Kiwoom's token", token?.["token"]);
  });
  afterAll(async () => {
    await Promise.all(extra.map((child) => child.stop("SIGKILL")));
    await test.stop();
  });

  it("are in no log, however much goes wrong", { timeout: 120_000 }, async () => {
    const { stack } = test;
    await eventually(30_000, "a stored batch", () =>
      Promise.resolve(log("hub.log").includes("batch_stored")),
    );
    // A wrong token, and a wrong password on the direct way.
    const direct = new URL(stack.databaseUrl);
    direct.password = BAD_PASSWORD;
    extra.push(await edgeThatIsRefused("wrong-token", stack.hubUrl.replace("http", "ws")));
    extra.push(await edgeThatIsRefused("wrong-password", direct.href));
    // The brokers refuse every key, and the hub goes away and comes back.
    for (const broker of ["kis", "kiwoom"]) {
      await fetchJson(`${stack.places.control}/fault`, { kind: "auth-refuse", broker, count: 3 });
      await fetchJson(`${stack.places.control}/fault`, { kind: "drop", broker });
    }
    await eventually(60_000, "feeds that had to try again", () =>
      Promise.resolve(
        ["kis", "kiwoom"].every((broker) => log(`edge-${broker}.log`).includes("feed_retrying")),
      ),
    );
    await stack.hub.stop("SIGKILL");
    await stack.startHub();
    await eventually(30_000, "edges that are back", () =>
      Promise.resolve(log("hub.log").split("edge_connected").length > 4),
    );
    expect(logs().length).toBeGreaterThanOrEqual(6);
    for (const { name, text } of logs()) {
      expect(text.length > 0 || name === "sim.log", name).toBe(true);
      expect(names(text), name).toEqual([]);
      expect(text, name).not.toMatch(/sim\.[0-9a-f]{8}-|Bearer [\w.-]/);
    }
  });

  it("are on no page of the hub or an edge", async () => {
    const { stack } = test;
    const edges = await Promise.all(
      [...stack.edges.values()].map(async (edge) =>
        String((await edge.announced("edge_listening")).url),
      ),
    );
    for (const base of [stack.hubUrl, ...edges]) {
      for (const path of ["/status", "/metrics", "/healthz", "/", "/nowhere"]) {
        const response = await fetch(base + path);
        const text = JSON.stringify([...response.headers]) + (await response.text());
        expect(names(text), base + path).toEqual([]);
      }
    }
    const live = await fetch(`${stack.hubUrl}/live`);
    for await (const chunk of live.body!) {
      expect(names(Buffer.from(chunk).toString())).toEqual([]);
      break;
    }
  });

  it("are in no process's arguments", () => {
    const lines = argumentsBelow(process.pid);
    const ours = lines.filter((line) => /app\/(cli|sim)\/main\.ts/.test(line));
    expect(ours.length).toBeGreaterThanOrEqual(6);
    for (const line of lines) expect(names(line), line.slice(0, 60)).toEqual([]);
  });

  it.each([
    ["doctor", ["doctor", "--json"], {}],
    ["an edge without a hub", ["edge", "--feed", "kis", "--json"], { TICKHUB_EDGE_ID: "kis" }],
    [
      "an edge with half a hub",
      ["edge", "--feed", "kis", "--json"],
      { TICKHUB_EDGE_ID: "kis", TICKHUB_HUB_URL: `http://kis:${BAD_PASSWORD}@hub` },
    ],
    [
      "a hub with a token that is none",
      ["hub", "--json"],
      { TICKHUB_EDGE_TOKENS: `kis=sha256:${BAD_PASSWORD}` },
    ],
    [
      "a hub whose database refuses it",
      ["hub", "--json"],
      { TICKHUB_EDGE_TOKENS: `kis=${BAD.TICKHUB_EDGE_TOKEN}`, TICKHUB_DATABASE_URL: "" },
    ],
  ])("are in nothing that %s says", async (_title, args, env) => {
    const url = new URL(test.stack.databaseUrl);
    url.password = BAD_PASSWORD;
    const own = "TICKHUB_DATABASE_URL" in env ? { TICKHUB_DATABASE_URL: url.href } : {};
    const { stdout, stderr } = await tickhub(args, { ...BAD, ...env, ...own });
    expect(stdout + stderr).not.toBe("");
    expect(names(stdout + stderr)).toEqual([]);
  });
});

it("a secret outlives its reading in no process below the hub", { timeout: 120_000 }, async () => {
  if (!existsSync("/proc/self/environ")) return;
  const stateDir = mkdtempSync(join(tmpdir(), "tickhub-secrets-"));
  const hub = new Child({
    args: ["hub", "--json"],
    env: {
      TICKHUB_EDGE_TOKENS: `kis=${BAD.TICKHUB_EDGE_TOKEN}`,
      TICKHUB_STATE_DIR: stateDir,
      TICKHUB_PORT: "0",
      TICKHUB_SYMBOLS: "005930",
    },
    logFile: join(stateDir, "hub.log"),
  });
  try {
    await hub.announced("hub_listening");
    const below = readFileSync(`/proc/${hub.pid}/task/${hub.pid}/children`, "utf8");
    const [postgres] = below.trim().split(" ").map(Number);
    expect(environmentOf(postgres!).has("PATH")).toBe(true);
    expect([...environmentOf(postgres!).values()].join()).not.toContain(BAD.TICKHUB_EDGE_TOKEN);
  } finally {
    await hub.stop();
  }
});
