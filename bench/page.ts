// What the page costs the browser that shows it: 100 symbols at 2,000 records/s from the simulated brokers, through
// real edges and a real hub, in Chromium. The page's share of a core is thread time over wall time: of its main
// thread alone (what is asked for), and of its whole process (with compositor and raster). First useful paint is
// the verdict and the first rows on the screen, from the start of the navigation.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { Browser, CDPSession, Page } from "playwright-core";
import { fetchJson } from "../app/cli/http.ts";
import { Stack } from "../app/cli/stack.ts";
import type { Picture } from "../app/hub/query/picture.ts";
import { sleep, systemClock } from "../app/shared/clock.ts";
import { median } from "./median.ts";

const BROWSER = "/usr/bin/chromium";
const SYMBOLS = 100;
/** Of the market; each of two brokers says every one. */
const UPDATES_PER_S = 1_000;
const SETTLE_MS = 10_000;
const WATCHED_MS = 20_000;
const VISITS = 3;
const READY_MS = 90_000;

/** Runs before the page's own script: when the verdict and ten rows with prices are there, and drawn. */
const WATCH_PAINT = `(() => {
  const isThere = () =>
    document.querySelector("#verdict:not(.quiet) h1") !== null &&
    [...document.querySelectorAll("#ticks [data-symbol] .last b")].filter((one) => one.textContent !== "–").length >= 10;
  const look = () => {
    if (!isThere()) return requestAnimationFrame(look);
    requestAnimationFrame(() => (window.usefulPaintMs = performance.now()));
  };
  requestAnimationFrame(look);
})()`;

export async function run(): Promise<Record<string, number>> {
  const stateDir = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const stack = await Stack.start({
    ...{ stateDir, port: 0, logLevel: "warn", uplink: "gateway", enoughKeys: true, quietMs: 500 },
    simArgs: ["--rate", String(UPDATES_PER_S), "--symbols", String(SYMBOLS)],
  });
  const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  try {
    const paints: number[] = [];
    for (let visit = 0; visit < VISITS; visit++)
      paints.push(await firstPaint(browser, stack.hubUrl));
    return { ...(await costOf(browser, stack.hubUrl)), first_paint_ms: Math.round(median(paints)) };
  } finally {
    await browser.close();
    await stack.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** In a context of its own: nothing is in its cache. */
async function firstPaint(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
  const page = await context.newPage();
  await page.addInitScript(WATCH_PAINT);
  await page.goto(url);
  await until(page, "window.usefulPaintMs > 0");
  const ms = await page.evaluate<number>("window.usefulPaintMs");
  await context.close();
  return ms;
}

/** Asked from outside: the page's policy lets nobody wait inside it by `eval`. */
async function until(page: Page, holds: string): Promise<void> {
  const untilMs = systemClock.monoMs() + READY_MS;
  while (!(await page.evaluate<boolean>(holds))) {
    if (systemClock.monoMs() > untilMs) throw new Error(`not within ${READY_MS} ms: ${holds}`);
    await sleep(systemClock, 50);
  }
}

async function costOf(browser: Browser, url: string): Promise<Record<string, number>> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  await page.goto(url);
  await until(page, `document.querySelectorAll("#ticks [data-symbol]").length === ${SYMBOLS}`);
  await sleep(systemClock, SETTLE_MS);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const processes = await browser.newBrowserCDPSession();
  const before = await reading(session, processes, url);
  await sleep(systemClock, WATCHED_MS);
  const after = await reading(session, processes, url);
  const wallS = (after.atMs - before.atMs) / 1_000;
  const share = (name: string) =>
    Math.round(((after.seconds[name]! - before.seconds[name]!) / wallS) * 10_000) / 10_000;
  return {
    symbols: SYMBOLS,
    records_per_s: Math.round((after.received - before.received) / wallS),
    page_share: share("TaskDuration"),
    script_share: share("ScriptDuration"),
    layout_share: share("LayoutDuration"),
    style_share: share("RecalcStyleDuration"),
    process_share: share("process"),
    heap_mb: Math.round(after.seconds["JSHeapUsedSize"]! / 1e5) / 10,
  };
}

interface Reading {
  atMs: number;
  received: number;
  seconds: Record<string, number>;
}

async function reading(
  session: CDPSession,
  processes: CDPSession,

  url: string,
): Promise<Reading> {
  const { metrics } = await session.send("Performance.getMetrics");
  const { processInfo } = await processes.send("SystemInfo.getProcessInfo");
  const atMs = systemClock.monoMs();
  const picture = await fetchJson<Picture>(`${url}/status`);
  const seconds = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  // Renderers that are spare have no time to speak of.
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  seconds["process"] = Math.max(...renderers.map(({ cpuTime }) => cpuTime));
  return { atMs, received: picture!.total.received, seconds };
}
