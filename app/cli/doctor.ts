// `tickhub doctor`: asks every precondition of a run on this machine, and for each broken one says what is
// wrong and which command mends it. Changes nothing. Exits with 1 when anything is broken.
import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
import { planAssignments } from "../hub/lease/planner.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import type { ErrorCode } from "../shared/errors.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { openPool } from "../store/database.ts";
import { checkSchema } from "../store/migrate.ts";
import { fetchJson } from "./http.ts";
import { printJson } from "./output.ts";
import { accountsOf, symbolsOf } from "./watchlist.ts";

/** What was asked, and how it stands. */
export interface Finding {
  check: string;
  ok: boolean;
  /** Present when it is broken. */
  code?: ErrorCode;
  cause?: string;
  /** A command or an action that mends it. */
  next?: string;
}

/** Two machines further apart date ticks on the wrong side of a second, and leases by guess. */
const SKEW_MS_MAX = 2_000;

export async function doctor(options: { json?: boolean }): Promise<number> {
  const findings = await examine(process.env);
  const ok = findings.every((finding) => finding.ok);
  if (options.json) printJson({ ok, findings });
  else for (const finding of findings) process.stdout.write(lineOf(finding));
  return ok ? 0 : 1;
}

/** All checks against one environment. The first broken setting ends it: the rest would guess. */
export async function examine(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const settings = await ask("settings", () => readSettings(env));
  if (!settings.value) return [settings.finding];
  const { value } = settings;
  const checks: [string, (settings: Settings) => unknown][] = [
    ["market clock", (given) => parseMarketClock(given.TICKHUB_MARKET_CLOCK)],
    ["KIS keys", (given) => checkKeys(given, "KIS")],
    ["Kiwoom keys", (given) => checkKeys(given, "KIWOOM")],
    ["enough app keys", checkCaps],
    ["state directory", checkStateDirectory],
    ["port", checkPort],
    ["database", checkDatabase],
    ["clock", checkClock],
  ];
  const findings = [settings.finding];
  for (const [name, check] of checks) findings.push((await ask(name, () => check(value))).finding);
  return findings;
}

async function ask<T>(
  check: string,
  run: () => T,
): Promise<{ finding: Finding; value?: Awaited<T> }> {
  try {
    return { finding: { check, ok: true }, value: await run() };
  } catch (error) {
    if (!(error instanceof TickhubError)) throw error;
    const cause =
      error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
    return { finding: { check, ok: false, code: error.code, cause, next: error.hint } };
  }
}

/** Lengths and alphabet as the brokers' portals give them out. */
const KEY_FORMS = {
  KIS: {
    keys: "KIS_APP_KEY",
    secrets: "KIS_APP_SECRET",
    key: /^[A-Za-z0-9]{36}$/,
    secret: /^[A-Za-z0-9+/=]{180}$/,
  },
  KIWOOM: {
    keys: "KIWOOM_APP_KEY",
    secrets: "KIWOOM_SECRET_KEY",
    key: /^[\w-]{20,64}$/,
    secret: /^[\w-]{20,64}$/,
  },
} as const;

/** Keys of a broker are optional on this machine; half of them, or a pasted quote, are not. */
function checkKeys(settings: Settings, broker: keyof typeof KEY_FORMS): void {
  const form = KEY_FORMS[broker];
  const keys = settings[form.keys];
  const secrets = settings[form.secrets];
  if (keys.length !== secrets.length) {
    const name = keys.length > secrets.length ? form.secrets : form.keys;
    throw new TickhubError("CONFIG_MISSING", { name, keys: keys.length, secrets: secrets.length });
  }
  const check = (name: string, values: readonly string[], wanted: RegExp) => {
    const wrong = values.findIndex((value) => !wanted.test(value));
    if (wrong < 0) return;
    throw new TickhubError("CONFIG_INVALID", {
      name,
      position: wrong + 1,
      characters: values[wrong]!.length,
      wanted: wanted.source,
    });
  };
  check(form.keys, keys, form.key);
  check(form.secrets, secrets, form.secret);
}

/** The symbols fit into what the accounts' sessions may register, and every planned account has a key here. */
function checkCaps(settings: Settings): void {
  const symbols = symbolsOf(settings);
  const accounts = accountsOf(settings);
  if (symbols.length > 0)
    planAssignments({ symbols, accounts, channels: ["trade", "book"], previous: [] });
  for (const [broker, keys] of [
    ["kis", settings.KIS_APP_KEY],
    ["kiwoom", settings.KIWOOM_APP_KEY],
  ] as const) {
    const planned = accounts.filter((one) => one.broker === broker).length;
    if (keys.length > 0 && keys.length < planned) {
      throw new TickhubError("CAP_TOO_SMALL", {
        broker,
        accounts: planned,
        keys: keys.length,
        keysMissing: planned - keys.length,
      });
    }
  }
}

async function checkStateDirectory(settings: Settings): Promise<void> {
  const directory = resolve(settings.TICKHUB_STATE_DIR);
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new TickhubError(
      "DATABASE_DIRECTORY",
      { directory, parent: dirname(directory), reason: codeOf(cause) },
      { cause },
    );
  }
}

/** Free, or held by a hub of ours. */
async function checkPort(settings: Settings): Promise<void> {
  const { TICKHUB_PORT: port, TICKHUB_BIND: host } = settings;
  const server = createServer();
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed).listen(port, host, () => server.close(() => done()));
    });
  } catch (cause) {
    const ours = await fetchJson<{ version?: string }>(`http://${host}:${port}/status`);
    if (typeof ours?.version === "string") return;
    throw new TickhubError("GATEWAY_PORT_TAKEN", { host, port, reason: codeOf(cause) }, { cause });
  }
}

/** The embedded database looks after itself; another one has to answer, and to be for this release. */
async function checkDatabase(settings: Settings): Promise<void> {
  const url = settings.TICKHUB_DATABASE_URL;
  if (!url) return;
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub-doctor" });
  try {
    await checkSchema(pool);
  } finally {
    await pool.end();
  }
}

/** Against the hub this edge sends to, else against the database. */
async function checkClock(settings: Settings): Promise<void> {
  const startedMs = systemClock.nowMs();
  const theirsMs = (await hubMs(settings)) ?? (await databaseMs(settings));
  if (theirsMs === null) return;
  const oursMs = (startedMs + systemClock.nowMs()) / 2;
  const skewMs = Math.round(oursMs - theirsMs);
  if (Math.abs(skewMs) > SKEW_MS_MAX)
    throw new TickhubError("CLOCK_SKEW", { skewMs, allowedMs: SKEW_MS_MAX });
}

async function hubMs(settings: Settings): Promise<number | null> {
  const url = settings.TICKHUB_HUB_URL;
  if (!url?.startsWith("ws")) return null;
  const status = await fetchJson<{ nowMs?: number }>(
    new URL("/status", url.replace(/^ws/, "http")).href,
  );
  return status?.nowMs ?? null;
}

async function databaseMs(settings: Settings): Promise<number | null> {
  const url = settings.TICKHUB_DATABASE_URL;
  if (!url) return null;
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub-doctor" });
  try {
    const { rows } = await pool.query<{ now_ms: number }>(
      "select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms",
    );
    return rows[0]!.now_ms;
  } catch {
    return null; // The check before has told.
  } finally {
    await pool.end();
  }
}

function lineOf({ check, ok, code, cause, next }: Finding): string {
  if (ok) return `  ok      ${check}\n`;
  return `  BROKEN  ${check}: ${code!}\n          ${cause!}\n          next: ${next!}\n`;
}
