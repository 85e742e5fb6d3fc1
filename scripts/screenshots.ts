// Takes the documents' pictures of the dashboard: `npm run docs:screenshots`. Starts `tickhub up` on free ports
// with a state folder of its own, waits until ticks move, and shoots each view in Chromium into docs/images/.
// Needs a Chromium (CHROMIUM, default /usr/bin/chromium) with a Korean font; outside of trading hours also
// libfaketime (apt-get install faketime). Takes about a minute.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { expectsTrades, isTradingDay, previousTradingDay } from "../app/shared/calendar.ts";
import { kstDay, kstMs } from "../app/shared/market-time.ts";

interface Shot {
  name: string;
  /** After the page's address. */
  view: string;
  language: "en-US" | "ko-KR";
  scheme: "light" | "dark";
  size: { width: number; height: number };
  /** Is there in the view that is meant, once it is drawn. */
  shows: string;
}

const FOLDER = "docs/images";
const BYTES_MAX = 250_000;
const BROWSER = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const START_MS = 60_000;
/** So much market before the first picture: the candles of five seconds are then a few. */
const MARKET_MS = 20_000;
const DRAW_MS = 20_000;
/** Where the market is put when none trades: pictures of an evening would show a day that is over. */
const MORNING = 103000;
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const SYMBOL = "#/symbol/kis:1/KRX/005930?step=5000";

const SHOTS: Shot[] = [
  shot("dashboard", "en-US", "light", WIDE, "", "text=005930"),
  shot("dashboard-ko", "ko-KR", "light", WIDE, "", "text=005930"),
  shot("dashboard-phone", "en-US", "dark", PHONE, "", "text=005930"),
  shot("dashboard-phone-ko", "ko-KR", "light", PHONE, "", "text=005930"),
  shot("symbol", "en-US", "dark", WIDE, SYMBOL, "canvas"),
  shot("symbol-ko", "ko-KR", "light", WIDE, SYMBOL, "canvas"),
];

function shot(
  name: string,
  language: Shot["language"],
  scheme: Shot["scheme"],
  size: Shot["size"],
  view: string,
  shows: string,
): Shot {
  return { name, language, scheme, size, view, shows };
}

const shiftMs = intoSession(Date.now());
const state = mkdtempSync(join(tmpdir(), "tickhub-screenshots-"));
// PostgreSQL, started by root, runs as a user that has to enter it.
chmodSync(state, 0o755);
if (!existsSync(BROWSER))
  fail(`there is no ${BROWSER}`, "apt-get install chromium, or set CHROMIUM");
const up = spawn(process.execPath, ["app/cli/main.ts", "up"], {
  env: { ...ofNobody(), ...shifted(shiftMs), TICKHUB_STATE_DIR: state, TICKHUB_PORT: "0" },
  stdio: ["ignore", "ignore", "pipe"],
});
// Whoever ends this ends that too; what waits here then fails.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => up.kill("SIGTERM"));
let browser: Browser | undefined;
try {
  const url = await addressOf(up);
  await flowing(url);
  await sleep(MARKET_MS);
  browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  mkdirSync(FOLDER, { recursive: true });
  const failed: string[] = [];
  for (const one of SHOTS) if (!(await take(browser, url, one))) failed.push(one.name);
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  await browser?.close();
  if (up.exitCode === null) {
    const ended = once(up, "close");
    up.kill("SIGTERM");
    await ended;
  }
  rmSync(state, { recursive: true, force: true });
}

/** One picture; says why where there is none. The file that was there stays. */
async function take(browser: Browser, url: string, shot: Shot): Promise<boolean> {
  const page = await browser.newPage({
    viewport: shot.size,
    locale: shot.language,
    colorScheme: shot.scheme,
    timezoneId: "Asia/Seoul",
    deviceScaleFactor: shot.size === PHONE ? 2 : 1.25,
  });
  try {
    if (shiftMs !== 0) await page.clock.install({ time: Date.now() + shiftMs });
    // Open connections never end: what is waited for is what is drawn.
    await page.goto(`${url}/${shot.view}`, { waitUntil: "load" });
    await drawn(page, shot);
    // A push or two more, so that rates have something to be a rate of.
    await sleep(1_500);
    const path = `${FOLDER}/${shot.name}.png`;
    await page.screenshot({ path, animations: "disabled", caret: "hide" });
    const bytes = statSync(path).size;
    const isLight = bytes <= BYTES_MAX;
    console.error(`${path}: ${bytes} bytes${isLight ? "" : `, more than ${BYTES_MAX}`}`);
    return isLight;
  } catch (error) {
    console.error(`${shot.name}: not taken: ${String(error).split("\n")[0]}`);
    return false;
  } finally {
    await page.close();
  }
}

async function drawn(page: Page, shot: Shot): Promise<void> {
  await page.locator(shot.shows).locator("visible=true").first().waitFor({ timeout: DRAW_MS });
}

/** `tickhub up` says it on stderr. */
async function addressOf(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  const timer = setTimeout(() => child.kill("SIGTERM"), START_MS);
  for await (const line of createInterface({ input: child.stderr! })) {
    said.push(line);
    const url = /Page: (http:\S+)/.exec(line)?.[1];
    if (!url) continue;
    clearTimeout(timer);
    child.stderr!.resume();
    return url;
  }
  fail(`tickhub up did not start: ${said.slice(-5).join(" / ")}`, "npm start, and look");
}

/** Waits until what the hub has stored grows. */
async function flowing(url: string): Promise<void> {
  const deadlineMs = performance.now() + START_MS;
  let first: number | undefined;
  while (performance.now() < deadlineMs) {
    const picture = (await (await fetch(`${url}/status`)).json()) as {
      total?: { committed: number };
    };
    const committed = picture.total?.committed ?? 0;
    if (first !== undefined && committed > first + 1_000) return;
    first ??= committed;
    await sleep(500);
  }
  fail("no ticks move", "npm start, and look");
}

/** How far now is from a trading morning; 0 while the market trades. */
function intoSession(nowMs: number): number {
  if (expectsTrades("KRX", nowMs) !== "no") return 0;
  const today = kstDay(nowMs);
  const day = isTradingDay("KRX", today) === "yes" ? today : previousTradingDay("KRX", today)?.day;
  return day === undefined ? 0 : kstMs(day, MORNING) - nowMs;
}

/** The wall clock of the processes is set by libfaketime, where it is installed. */
function shifted(byMs: number): NodeJS.ProcessEnv {
  if (byMs === 0) return {};
  const library = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];
  if (library === undefined)
    fail("no session now, and no libfaketime to make it one", "apt-get install faketime");
  return {
    LD_PRELOAD: library,
    FAKETIME: `${Math.round(byMs / 1_000)}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
}

/** The environment without settings of the caller's. */
function ofNobody(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TICKHUB|KIS|KIWOOM)_/.test(name));
  return Object.fromEntries(kept);
}

function fail(what: string, next: string): never {
  throw new Error(`${what}. Next: ${next}.`);
}
