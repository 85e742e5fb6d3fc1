// The page on a hub that is told each record by hand: what it shows of it, what it refuses to be told, and how it
// behaves when the hub or the database is away.
import { randomUUID } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Transport } from "../../app/edge/uplink/transport.ts";
import { encodeBatch } from "../../app/shared/batch.ts";
import { kstDay } from "../../app/shared/market-time.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { hashOfToken } from "../../app/shared/token.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { claim, startTestHub, testTransport, trades } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { hasBrowser, openBrowser, openPage, sticksOut } from "./support/browser.ts";
import type { OpenPage } from "./support/browser.ts";

const ADMIN_TOKEN = "an admin token of the tests";
const SYMBOLS = [
  { venue: "KRX", symbol: "005930" },
  { venue: "KRX", symbol: "000660" },
  { venue: "NAS", symbol: "AAPL" },
];

describe.skipIf(!hasBrowser)("the page", () => {
  let database: TestDatabase;
  /** What the hub goes through, so that it can be cut off. */
  let toDatabase: { proxy: FaultProxy; url: string };
  let hub: TestHub;
  let browser: Browser;
  let opened: OpenPage;
  let page: Page;
  let transport: Transport;
  const stream = randomUUID();
  const holder = randomUUID();
  let epoch = 0;
  let number = 0;

  const startHub = (port?: number) =>
    startTestHub(toDatabase.url, {
      adminToken: hashOfToken(ADMIN_TOKEN),
      symbols: SYMBOLS,
      ...(port === undefined ? {} : { port }),
    });
  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    toDatabase = await FaultProxy.before(database.url);
    hub = await startHub();
    transport = testTransport(hub.gatewayUrl);
    await transport.open();
    epoch = await claim(transport, holder);
    browser = await openBrowser();
    opened = await openPage(browser, hub.url);
    page = opened.page;
    await page.goto(hub.url, { waitUntil: "load" });
  });
  afterAll(async () => {
    await browser.close();
    await hub.stop();
    await toDatabase.proxy.close();
    await database.drop();
  });

  async function send(fields: Partial<Trade>): Promise<void> {
    const head = { table: "trade", stream, account: "kis:1", epoch } as const;
    const rows = trades(1, number * 10, fields);
    await transport.send(encodeBatch({ ...head, number: ++number }, rows), holder);
  }
  const row = (symbol: string) => page.locator(`#ticks [data-symbol="${symbol}"]`);
  const cells = async (symbol: string) => [
    await row(symbol).locator(".last b").innerText(),
    await row(symbol).locator(".last small").innerText(),
    await row(symbol).locator(".when").innerText(),
  ];

  test("shows a trade, and the next one in its place", async () => {
    await send({ symbol: "005930", price: 71_300, size: 1_200, side: 1 });
    await expect
      .poll(() => cells("005930"))
      .toEqual(["71,300", "1,200", expect.stringMatching(/^\d\d:\d\d:\d\d$/)]);
    await send({ symbol: "005930", price: 71_200, size: 3, side: -1 });
    await expect.poll(async () => (await cells("005930")).slice(0, 2)).toEqual(["71,200", "3"]);
    expect(await row("005930").count()).toBe(1);
    // Down against the trade before, and sold.
    expect(await row("005930").locator(".last b").getAttribute("class")).toContain("fall");
    expect(await row("005930").locator(".last small").getAttribute("class")).toContain("fall");
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
    await expect.poll(() => card.innerText()).toContain("412 rows");
    const text = await card.innerText();
    for (const part of ["closed", "90 min", "84.0 ms · 141 ms", "live", "<img", "lease epoch"]) {
      expect(text.replace("84 ms", "84.0 ms")).toContain(part);
    }
    expect(await page.locator("#content img").count()).toBe(0);
    expect(await card.getAttribute("data-state")).toBe("late");
    // The verdict says the same of it as the status line, also as text.
    expect(await page.locator("#verdict").innerText()).toContain("kis: kis:2 waiting (<img");
  });

  test("is readable on a phone: nothing sticks out sideways", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await sticksOut(page)).toBe(false);
    await page.setViewportSize({ width: 1440, height: 1000 });
  });

  test("finds a symbol by what is typed", async () => {
    await send({ symbol: "000660", price: 180_000 });
    const rows = page.locator("#ticks [data-symbol]");
    await expect.poll(() => rows.count()).toBe(2);
    await page.locator("#filter").fill("0006");
    await expect.poll(() => rows.count()).toBe(1);
    await page.locator("#filter").fill("nothing like it");
    await expect.poll(() => page.locator("#symbols").innerText()).toContain("No symbol matches.");
    await page.locator("#filter").fill("");
  });

  test("shows a US trade in KST, and New York's own time beside it", async () => {
    // 2026-11-27 is after the end of summer time: 10:30 in New York is 00:30 of the next day in Seoul.
    const exchangeMs = Date.UTC(2026, 10, 27, 15, 30, 5);
    await send({ symbol: "AAPL", venue: "NAS", price: 228.5, exchangeMs });
    await expect.poll(() => row("AAPL").locator(".when").innerText()).toContain("00:30:05");
    await expect
      .poll(() => row("AAPL").locator(".abroad").innerText())
      .toMatch(/^10:30:05 (EST|GMT-5)$/);
  });

  test("has nothing to complain of and asks nobody else", () => {
    expect(opened.complaints).toEqual([]);
  });

  test("is read-only until the admin token is given, and then acts with a reason", async () => {
    await expect.poll(() => page.locator(".edge .account button").count()).toBe(0);
    await page.locator("#acts").click();
    const dialog = page.locator("dialog");
    await dialog.locator("input[type=password]").fill("not the right token at all");
    await dialog.locator("button.primary").click();
    await dialog.getByRole("button", { name: "Close" }).click();
    const release = page.getByRole("button", { name: "Release lease…" });
    await release.click();
    await dialog.locator("form.act input").fill("tried by the page's test");
    await dialog.locator("button.primary").click();
    await expect.poll(() => dialog.innerText()).toContain("Admin token");
    await dialog.locator("input[type=password]").fill(ADMIN_TOKEN);
    await dialog.locator("button.primary").click();
    await dialog.getByRole("button", { name: "Close" }).click();
    await page.locator("#acts").click();
    await dialog.getByRole("button", { name: "Advance the phase…" }).click();
    await dialog.locator("form.act input").first().fill("tried by the page's test");
    await dialog.locator("button.primary").click();
    // This hub has no sites, so no phases: it says so, with the next step.
    await expect.poll(() => dialog.innerText()).toMatch(/Refused: [A-Z_]+/);
    await dialog.getByRole("button", { name: "Close" }).click();
    expect(await page.evaluate("JSON.stringify({ ...localStorage })")).not.toContain("token");
  });

  test("says since when the hub is unreachable, and is back by itself", async () => {
    opened.complaints.length = 0;
    await transport.close();
    await hub.stop();
    const banner = page.locator("#banner");
    await expect
      .poll(() => banner.innerText(), { timeout: 10_000 })
      .toMatch(/^Connection lost, showing the state of \d\d:\d\d:\d\d KST/);
    expect(await page.locator("#ticks [data-symbol]").count()).toBe(3);
    hub = await startHub(hub.port);
    await expect.poll(() => banner.isHidden(), { timeout: 15_000 }).toBe(true);
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
    await expect.poll(logged, { timeout: 10_000 }).toMatch(/^today: \d symbols, /);
    await expect.poll(() => page.locator("#sentence").innerText()).toBe(logged());
    const { stdout } = await tickhub(["status", "--hub", hub.url]);
    const [sentence, line = ""] = stdout.split("\n");
    expect(sentence).toBe(logged());
    const verdict = await page.locator("#verdict h1").innerText();
    expect(line.startsWith(verdict.replace(/\d+ s$/, "")), `${line} | ${verdict}`).toBe(true);
  });

  test("says that the database is away, and since when", async () => {
    await toDatabase.proxy.refuse();
    await expect
      .poll(() => page.locator("#database-away").innerText(), { timeout: 20_000 })
      .toMatch(/^The database does not answer \(DATABASE_\w+\) since \d\d:\d\d:\d\d KST\./);
    expect(await page.locator("#verdict").getAttribute("class")).toContain("bad");
    expect(await page.locator("#verdict h1").innerText()).toMatch(/^database DATABASE_/);
  });
});
