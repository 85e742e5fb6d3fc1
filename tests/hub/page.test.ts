// The page in a real browser: Chromium, where there is one.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Transport } from "../../app/edge/uplink/transport.ts";
import { encodeBatch } from "../../app/shared/batch.ts";
import { kstDay } from "../../app/shared/market-time.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { claim, startTestHub, testTransport, trades } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

const BROWSER = "/usr/bin/chromium";
const hasBrowser = existsSync(BROWSER);
if (!hasBrowser && process.env["TICKHUB_CI"] === "1") throw new Error(`There is no ${BROWSER}`);
if (!hasBrowser) console.warn(`Skipped: the page needs ${BROWSER} (apt-get install chromium).`);

describe.skipIf(!hasBrowser)("the page", () => {
  let database: TestDatabase;
  let hub: TestHub;
  let browser: Browser;
  let page: Page;
  let transport: Transport;
  const stream = randomUUID();
  const holder = randomUUID();
  const complaints: string[] = [];
  let epoch = 0;
  let number = 0;

  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    hub = await startTestHub(database.url);
    transport = testTransport(hub.gatewayUrl);
    await transport.open();
    epoch = await claim(transport, holder);
    browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(hub.url)) complaints.push(`asks ${request.url()}`);
    });
    await page.goto(hub.url, { waitUntil: "load" });
  });
  afterAll(async () => {
    await browser.close();
    await hub.stop();
    await database.drop();
  });

  async function send(fields: Partial<Trade>): Promise<void> {
    const head = { table: "trade", stream, account: "kis:1", epoch } as const;
    const rows = trades(1, number * 10, fields);
    await transport.send(encodeBatch({ ...head, number: ++number }, rows), holder);
  }
  const cells = (symbol: string) =>
    page.locator("#ticks tbody tr", { hasText: symbol }).locator("td").allInnerTexts();

  test("shows a trade, and the next one in its place", async () => {
    await send({ symbol: "005930", price: 71_300, size: 12, side: 1 });
    await expect
      .poll(() => cells("005930"))
      .toEqual([
        expect.stringMatching(/^005930 ?\s?KRX$/),
        "kis:1",
        "71,300",
        "12",
        "buy",
        expect.stringMatching(/^\d\d:\d\d:\d\d$/),
      ]);
    await send({ symbol: "005930", price: 71_200, size: 3, side: -1 });
    await expect
      .poll(async () => (await cells("005930")).slice(2, 5))
      .toEqual(["71,200", "3", "sell"]);
    expect(await page.locator("#ticks tbody tr").count()).toBe(1);
  });

  test("shows the sum of all records and that it holds", async () => {
    await expect.poll(() => page.locator("#balance").innerText()).toBe("✓ balanced");
    await expect.poll(() => page.locator("[data-sum=received]").innerText()).toBe(String(number));
    expect(await page.locator("[data-sum=committed]").innerText()).toBe(String(number));
  });

  test("shows how an edge does, and nothing an edge says becomes markup", async () => {
    await transport.ask({
      ...{ account: "kis:1", holder, edge: "kis", wish: "hold" },
      status: {
        outbox: { bytes: 81_400, rows: 412, secondsLeft: 5_400, oldestMs: 90 },
        uplink: { breaker: "closed", link: "up", p50Ms: 84, p99Ms: 141, offsetMs: 1 },
        accounts: {
          "kis:1": { feed: "live", lease: "holding", registrations: 41, tickAgeMs: 300 },
          "kis:2": {
            feed: "waiting",
            code: "<img src=x onerror=alert(1)>",
            lease: "claiming",
            tickAgeMs: null,
          },
        },
      },
    });
    const card = page.locator(".edge");
    await expect.poll(() => card.innerText()).toContain("412 rows, 81.4 kB");
    const text = await card.innerText();
    for (const part of [
      "connected",
      "breaker closed",
      "90 min",
      "84 ms · 141 ms",
      "live",
      "last tick never",
      "<img",
    ]) {
      expect(text).toContain(part);
    }
    expect(await page.locator("img").count()).toBe(0);
  });

  test("is readable on a phone: nothing sticks out sideways", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const sticksOut = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
    expect(sticksOut).toBe(false);
    await page.setViewportSize({ width: 1100, height: 1000 });
  });

  test("finds a symbol by what is typed", async () => {
    await send({ symbol: "000660", price: 180_000 });
    await expect.poll(() => page.locator("#ticks tbody tr").count()).toBe(2);
    await page.locator("#filter").fill("0006");
    expect(await page.locator("#ticks tbody tr:visible").count()).toBe(1);
    await page.locator("#filter").fill("");
  });

  test("has nothing to complain of and asks nobody else", () => {
    expect(complaints).toEqual([]);
  });

  test("says since when the hub is unreachable, and is back by itself", async () => {
    await transport.close();
    await hub.stop();
    await expect
      .poll(() => page.locator("#alert").innerText(), { timeout: 10_000 })
      .toMatch(/^Hub unreachable since \d\d:\d\d:\d\d KST/);
    hub = await startTestHub(database.url, { port: hub.port });
    await expect.poll(() => page.locator("#alert").isHidden(), { timeout: 10_000 }).toBe(true);
    expect(await page.locator("#hub").innerText()).toContain("hub 0.0.0-test");
  });

  test("says how complete the day is in the words of the log and of the status line", async () => {
    transport = testTransport(hub.gatewayUrl);
    await transport.open();
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    for (const symbol of ["005930", "000660"]) {
      await send({ symbol, exchangeMs: nowMs, day: kstDay(nowMs) });
    }
    const logged = () => {
      const event = hub.events.findLast((one) => one.event === "coverage_summed");
      return event && "sentence" in event ? event.sentence : "";
    };
    await expect.poll(logged, { timeout: 10_000 }).toMatch(/^today: 2 symbols, /);
    await expect.poll(() => page.locator("#sentence").innerText()).toBe(logged());
    const { stdout } = await tickhub(["status", "--hub", hub.url]);
    expect(stdout.split("\n")[0]).toBe(logged());
    const { coverage } = await hub.picture();
    const rows = page.locator("#gaps tbody tr");
    expect(await rows.count()).toBe(Math.min(coverage.incidents.length, 8));
  });
});
