// `tickhub sentinel`: the watchdog of a deployment, apart from all it watches; `check`, one look with a verdict; and
// what is said to the one that runs here: `test`, `ack CODE`, `quiet MINUTES`, `status`.
import { randomInt, randomUUID } from "node:crypto";
import { checkOnce } from "../sentinel/check.ts";
import { parseCommand } from "../sentinel/command.ts";
import { startSentinel } from "../sentinel/sentinel.ts";
import type { SentinelOptions } from "../sentinel/sentinel.ts";
import type { Clock } from "../shared/clock.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings, required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { errorOf } from "../shared/gateway-protocol.ts";
import { createReporter } from "../shared/report.ts";
import { printJson, say } from "./output.ts";
import { untilSignal } from "./signal.ts";
import { VERSION } from "./version.ts";

export const ACTIONS = ["run", "check", "test", "ack", "quiet", "status"] as const;
export type SentinelAction = (typeof ACTIONS)[number];

export interface SentinelCommand {
  json?: boolean;
  /** Everything so many times faster, for drills and tests. */
  pace: number;
}

export async function sentinel(
  action: SentinelAction,
  words: readonly string[],
  options: SentinelCommand,
): Promise<number> {
  const settings = readSettings(process.env);
  switch (action) {
    case "run":
      return await run(settings, options);
    case "check":
      return await check(settings, options);
    case "test":
      return await test(settings, options);
    case "ack":
    case "quiet":
    case "status":
      return await tell(settings, [action, ...words].join(" "), options);
  }
}

async function run(settings: Settings, { json, pace }: SentinelCommand): Promise<number> {
  const reporter = createReporter("sentinel", settings.TICKHUB_LOG_LEVEL);
  const running = await startSentinel({
    ...optionsOf(settings),
    ...{ reporter, clock: paced(systemClock, pace), version: VERSION },
    mintId: randomUUID,
    mintCode: newCode,
  });
  reporter.emit({ event: "process_started", role: "sentinel", version: VERSION });
  printJson({ event: "sentinel_listening", url: running.url });
  if (!json) say(`tickhub sentinel: ${running.url}`);
  const signal = await untilSignal();
  reporter.emit({ event: "process_stopping", role: "sentinel", signal });
  await running.stop();
  reporter.emit({ event: "process_stopped", role: "sentinel", held: 0 });
  return 0;
}

/** What every rule says of this moment, without the patience of the book, and whether the bot's token is good. */
async function check(settings: Settings, { json }: SentinelCommand): Promise<number> {
  const found = await checkOnce({ ...optionsOf(settings), clock: systemClock });
  const ok = found.breaches.length === 0 && found.channels.every((one) => one.code === null);
  if (json) printJson({ ok, ...found });
  else {
    for (const { rule, subject, severity, text } of found.breaches) {
      process.stdout.write(`${severity} ${rule} ${subject}: ${text}\n`);
    }
    for (const { name, code } of found.channels) {
      process.stdout.write(`channel ${name}: ${code ?? "ok"}\n`);
    }
    if (found.blind.length > 0) say(`not judged: ${found.blind.join(", ")}`);
    if (ok) process.stdout.write("no rule is broken\n");
  }
  if (found.channels.length === 0) throw new TickhubError("CHANNEL_MISSING");
  return ok ? 0 : 1;
}

async function test(settings: Settings, { json }: SentinelCommand): Promise<number> {
  if (!settings.SENTINEL_TELEGRAM_TOKEN && !settings.SENTINEL_SLACK_URL) {
    throw new TickhubError("CHANNEL_MISSING");
  }
  await ask(settings, "/test", "");
  const next =
    "Give the code of its message back: /ack CODE to the bot, or tickhub sentinel ack CODE";
  if (json) printJson({ ok: true, next });
  else process.stdout.write(`A test alert is on its way.\n${next}\n`);
  return 0;
}

async function tell(settings: Settings, text: string, { json }: SentinelCommand): Promise<number> {
  if (!parseCommand(text)) {
    const problem = "ack CODE, quiet MINUTES [REASON], quiet off, or status";
    throw new TickhubError("USAGE", { problem });
  }
  const { says } = await ask(settings, "/say", text);
  if (json) printJson({ ok: true, says });
  else process.stdout.write(`${says}\n`);
  return 0;
}

const ASK_MS = 15_000;

/** Of the Sentinel that runs on this machine, or in this container. Throws SENTINEL_*. */
async function ask(settings: Settings, path: string, body: string): Promise<{ says: string }> {
  const port = settings.TICKHUB_STATUS_PORT;
  const bind = settings.TICKHUB_STATUS_BIND;
  const host = ["0.0.0.0", "::"].includes(bind) ? "127.0.0.1" : bind;
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
  const token = required(settings, "TICKHUB_SENTINEL_TOKEN");
  let answer: { ok?: boolean; code?: string; says?: string };
  try {
    const signal = AbortSignal.timeout(ASK_MS);
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: "POST", body, headers, signal });
    answer = (await response.json()) as typeof answer;
  } catch (cause) {
    throw new TickhubError("SENTINEL_UNREACHABLE", { url }, { cause });
  }
  if (answer.ok) return { says: answer.says ?? "" };
  throw errorOf(answer.code ?? "", { url }, "SENTINEL_UNREACHABLE");
}

type FromSettings = Omit<SentinelOptions, "version" | "clock" | "reporter" | "mintId" | "mintCode">;

function optionsOf(settings: Settings): FromSettings {
  const { SENTINEL_TELEGRAM_TOKEN: token, SENTINEL_TELEGRAM_CHAT: chat } = settings;
  if ((token === undefined) !== (chat === undefined)) {
    required(settings, token === undefined ? "SENTINEL_TELEGRAM_TOKEN" : "SENTINEL_TELEGRAM_CHAT");
  }
  return {
    hubUrl: required(settings, "TICKHUB_SENTINEL_HUB"),
    edges: settings.TICKHUB_SENTINEL_EDGES,
    expiries: [...settings.TICKHUB_SENTINEL_EXPIRIES].map(([subject, atMs]) => ({ subject, atMs })),
    windows: settings.TICKHUB_SENTINEL_QUIET,
    dailyMinute: settings.TICKHUB_SENTINEL_DAILY,
    language: settings.TICKHUB_LANG,
    token: settings.TICKHUB_SENTINEL_TOKEN ?? null,
    telegram: token && chat ? { url: settings.SENTINEL_TELEGRAM_URL, token, chat } : null,
    slackUrl: settings.SENTINEL_SLACK_URL ?? null,
    pingUrl: settings.SENTINEL_PING_URL ?? null,
    uplinkProxy: settings.TICKHUB_UPLINK_PROXY,
    statusPort: settings.TICKHUB_STATUS_PORT,
    statusBind: settings.TICKHUB_STATUS_BIND,
    allowPublic: settings.TICKHUB_ALLOW_PUBLIC,
  };
}

/** Without letters and digits that look alike on a phone. */
const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LENGTH = 6;

function newCode(): string {
  return Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

/** Durations so many times shorter; what time it is stays as it is. */
function paced(clock: Clock, pace: number): Clock {
  if (pace === 1) return clock;
  return {
    nowMs: () => clock.nowMs(),
    monoMs: () => clock.monoMs() * pace,
    random: () => clock.random(),
    after: (delayMs, then) => clock.after(delayMs / pace, then),
  };
}
