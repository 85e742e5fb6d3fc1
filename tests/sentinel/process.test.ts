// The real `tickhub sentinel` beside a real `tickhub hub`: the hub is killed and comes back, and people hear of both.
// Durations are twenty times shorter by its own --pace, so the bound of 100 s is 5 s here.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { readAlerts } from "../../app/hub/query/alerts.ts";
import { latestEvidence } from "../../app/store/evidence.ts";
import { hashOfToken, newToken } from "../../app/shared/token.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { until } from "../support/hub.ts";
import { BOT_TOKEN, CHAT, startSlack, startTelegram } from "./support/messengers.ts";
import type { Messenger, TelegramServer } from "./support/messengers.ts";

const TOKEN = newToken();
const PACE = 20;
let database: TestDatabase;
let telegram: TelegramServer;
let slack: Messenger;
let hubPort: number;
let ownPort: number;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  telegram = await startTelegram();
  slack = await startSlack();
  [hubPort, ownPort] = [await freePort(), await freePort()];
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => end(child, "SIGTERM")));
});
afterAll(async () => {
  await telegram.close();
  await slack.close();
  await database.drop();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(args: string[], env: Record<string, string>): ChildProcess {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TICKHUB|SENTINEL|KIS|KIWOOM)_/.test(name),
  );
  const child = spawn(process.execPath, ["app/cli/main.ts", ...args], {
    env: { ...Object.fromEntries(kept), TICKHUB_STATE_DIR: newStateDir(), ...env },
    stdio: ["ignore", "ignore", "ignore"],
  });
  children.push(child);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

const startHub = () =>
  start(["hub", "--json"], {
    TICKHUB_DATABASE_URL: database.url,
    TICKHUB_PORT: String(hubPort),
    TICKHUB_EDGE_TOKENS: `kis=${newToken()}`,
    TICKHUB_SENTINEL_TOKEN: hashOfToken(TOKEN),
    TICKHUB_SYMBOLS: "005930",
    TICKHUB_ACCOUNTS: "kis:1",
    TICKHUB_MARKET_CLOCK: "fixed:2026-11-28T12:00:00+09:00",
  });
const settings = () => ({
  TICKHUB_SENTINEL_HUB: `http://127.0.0.1:${hubPort}`,
  TICKHUB_SENTINEL_TOKEN: TOKEN,
  TICKHUB_SENTINEL_DAILY: "off",
  TICKHUB_STATUS_PORT: String(ownPort),
  SENTINEL_TELEGRAM_URL: telegram.url,
  SENTINEL_TELEGRAM_TOKEN: BOT_TOKEN,
  SENTINEL_TELEGRAM_CHAT: CHAT,
  SENTINEL_SLACK_URL: slack.url,
});
const answers = (port: number) =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
const heard = (messenger: Messenger, words: string) =>
  messenger.texts.some((text) => text.includes(words));

test("a killed hub is an alert on both messengers within its bound, and its return a recovery, on the page too", async () => {
  const hub = startHub();
  await until(() => answers(hubPort), "the hub answers", 60_000);
  start(["sentinel", "--json", "--pace", String(PACE)], settings());
  await until(() => answers(ownPort), "the Sentinel answers", 60_000);
  await until(async () => (await readAlerts(database.pool)).sentinelSeenMs !== null, "it is heard");
  await end(hub, "SIGKILL");
  const killedMs = performance.now();
  await until(() => heard(telegram, "ALERT HUB_DOWN"), "the alert", 30_000);
  // 30 s to the next look, 60 s of patience, 10 s between looks, and what a busy machine adds.
  expect((performance.now() - killedMs) / 1_000).toBeLessThan(100 / PACE + 10);
  await until(() => heard(slack, "ALERT HUB_DOWN"), "the alert on Slack");
  startHub();
  await until(() => heard(telegram, "OVER HUB_DOWN"), "the recovery", 60_000);
  await until(() => heard(slack, "OVER HUB_DOWN"), "the recovery on Slack");
  await until(async () => {
    const { alerts } = await readAlerts(database.pool);
    return alerts.some(({ rule, endedMs }) => rule === "HUB_DOWN" && endedMs !== null);
  }, "the hub has it");
  expect(telegram.texts.filter((text) => text.includes("HUB_DOWN"))).toHaveLength(2);
}, 180_000);

test("a test alert makes its round trip by the command, by the bot, and not by a guess", async () => {
  startHub();
  await until(() => answers(hubPort), "the hub answers", 60_000);
  start(["sentinel", "--json", "--pace", String(PACE)], settings());
  await until(() => answers(ownPort), "the Sentinel answers", 60_000);
  const run = (...args: string[]) => tickhub(["sentinel", ...args, "--json"], settings());
  const codeIn = (text: string | undefined) => /\/ack (\w+)$/.exec(text ?? "")?.[1] ?? "";
  const proofs = async () => (await latestEvidence(database.pool, "alert")).get("sentinel");

  const sent = await run("test");
  expect(sent.code).toBe(0);
  expect(sent.stdout).not.toMatch(/ack [A-Z2-9]{6}/);
  await until(() => heard(slack, "TEST alert") && heard(telegram, "TEST alert"), "both are told");
  const wrong = await run("ack", "AAAAAA");
  expect([wrong.code, wrong.json?.["code"]]).toEqual([1, "SENTINEL_CODE"]);
  expect(await proofs()).toBeUndefined();
  const code = codeIn(slack.texts.at(-1));
  expect((await run("ack", code.toLowerCase())).code).toBe(0);
  await until(async () => (await proofs())?.ok === true, "the evidence");
  expect((await proofs())?.detail).toMatchObject({
    channels: ["slack", "telegram"],
    by: "command",
  });

  await run("test");
  await until(
    () => codeIn(telegram.texts.at(-1)) !== "" && codeIn(telegram.texts.at(-1)) !== code,
    "told",
  );
  telegram.write(`/ack ${codeIn(telegram.texts.at(-1))}`);
  await until(async () => (await proofs())?.detail["by"] === "telegram", "the bot's evidence");
}, 180_000);

test("check looks once, says what every rule would, and exits 1 when one is broken", async () => {
  const dead = await tickhub(["sentinel", "check", "--json"], settings());
  expect(dead.code).toBe(1);
  expect(dead.json).toMatchObject({ ok: false, hub: "away", breaches: [{ rule: "HUB_DOWN" }] });
  startHub();
  await until(() => answers(hubPort), "the hub answers", 60_000);
  const well = await tickhub(["sentinel", "check", "--json"], settings());
  expect(well.json).toMatchObject({ ok: true, hub: "seen", breaches: [] });
  expect(well.code).toBe(0);
}, 120_000);

test("what is missing is named with its setting", async () => {
  const nothing = await tickhub(["sentinel", "check", "--json"]);
  expect([nothing.code, nothing.json?.["code"]]).toEqual([2, "CONFIG_MISSING"]);
  const leave = (...names: string[]) =>
    Object.fromEntries(Object.entries(settings()).filter(([name]) => !names.includes(name)));
  const rest = leave("SENTINEL_TELEGRAM_TOKEN", "SENTINEL_SLACK_URL");
  const half = await tickhub(["sentinel", "check", "--json"], rest);
  expect(half.json?.["context"]).toMatchObject({ name: "SENTINEL_TELEGRAM_TOKEN" });
  const mute = leave("SENTINEL_TELEGRAM_TOKEN", "SENTINEL_SLACK_URL", "SENTINEL_TELEGRAM_CHAT");
  const silent = await tickhub(["sentinel", "test", "--json"], mute);
  expect(silent.json?.["code"]).toBe("CHANNEL_MISSING");
  const alone = await tickhub(["sentinel", "ack", "ABCDEF", "--json"], settings());
  expect([alone.code, alone.json?.["code"]]).toEqual([1, "SENTINEL_UNREACHABLE"]);
  const odd = await tickhub(["sentinel", "quiet", "soon", "--json"], settings());
  expect([odd.code, odd.json?.["code"]]).toEqual([2, "USAGE"]);
}, 60_000);
