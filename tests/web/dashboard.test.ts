// The dashboard of a whole running tickhub: simulated brokers, real edges, hub and database as processes, Chromium.
// An edge is killed before its eyes.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStack } from "../support/stack.ts";
import type { TestStack } from "../support/stack.ts";
import { seriousViolations } from "./support/axe.ts";
import { hasBrowser, openBrowser, openPage, sticksOut } from "./support/browser.ts";
import type { OpenPage } from "./support/browser.ts";

const PHONE = {
  colorScheme: "dark",
  locale: "ko-KR",
  viewport: { width: 360, height: 740 },
} as const;
const ADMIN_TOKEN = "an admin token of the tests";
const SYMBOLS = 12;
/** How long a killed edge may take to be seen. */
const SEEN_MS = 5_000;

describe.skipIf(!hasBrowser)("the dashboard of a running hub", () => {
  let running: TestStack;
  let url: string;
  let browser: Browser;
  let opened: OpenPage;
  let page: Page;

  beforeAll(async () => {
    running = await startStack({
      simArgs: ["--rate", "150", "--symbols", String(SYMBOLS), "--slot-hold-ms", "500"],
      killGraceMs: 1_000,
      hubEnv: { TICKHUB_ADMIN_TOKEN: ADMIN_TOKEN },
    });
    url = running.stack.hubUrl;
    browser = await openBrowser();
    opened = await openPage(browser, url);
    page = opened.page;
    await page.goto(url);
  });
  afterAll(async () => {
    await browser.close();
    await running.stop();
  });

  const edge = (name: string) => page.locator(`.edge[data-edge="${name}"]`);
  const rows = () => page.locator("#ticks [data-symbol]");
  const prices = () => page.locator("#ticks [data-symbol] .last").allInnerTexts();

  test("shows every symbol, and ticks move", async () => {
    await expect.poll(() => rows().count(), { timeout: 30_000 }).toBe(SYMBOLS);
    const before = await prices();
    await expect.poll(async () => (await prices()).join() !== before.join()).toBe(true);
    await expect.poll(() => edge("kis").getAttribute("data-state")).toBe("ok");
    await expect.poll(() => edge("kiwoom").getAttribute("data-state")).toBe("ok");
    await expect.poll(() => page.locator("#latency dd").first().innerText()).toMatch(/ ms$/);
  });

  test("answers with one sentence, green while all is well", async () => {
    const verdict = page.locator("#verdict");
    await expect.poll(() => verdict.getAttribute("class"), { timeout: 30_000 }).toContain("good");
    expect(await verdict.locator("h1").innerText()).toBe("all well");
    expect(await page.locator("#sentence").innerText()).toContain(`${SYMBOLS} symbols`);
  });

  test("draws a strip for each source of a symbol, and says it in words", async () => {
    const strips = rows().first().locator(".strip[role=img]");
    await expect.poll(() => strips.count(), { timeout: 30_000 }).toBe(2);
    expect(await strips.first().getAttribute("aria-label")).toMatch(/^kis:1: .* verified; /);
    expect(
      await page.evaluate("document.querySelector('.strip[role=img]').style.backgroundImage"),
    ).toContain("linear-gradient");
  });

  test("shows one symbol: candles, a ladder that moves, trades", async () => {
    await rows().first().locator("a").click();
    await expect.poll(() => page.url()).toContain("#/symbol/kis:1/KRX/");
    await expect.poll(() => page.locator(".chart canvas").count()).toBeGreaterThan(0);
    await page.getByRole("button", { name: "5 s", exact: true }).click();
    await expect.poll(() => page.url()).toContain("step=5000");
    await expect
      .poll(() => page.locator("#ohlc").innerText(), { timeout: 30_000 })
      .toMatch(/C .*\d/);
    const ladder = page.locator("#ladder tbody");
    await expect.poll(() => ladder.locator("tr").count()).toBeGreaterThanOrEqual(20);
    const before = await ladder.innerText();
    await expect.poll(async () => (await ladder.innerText()) !== before).toBe(true);
    await expect.poll(() => page.locator(".trade-list tbody tr").count()).toBeGreaterThan(3);
    await page.goto(`${url}/#/`);
    await expect.poll(() => rows().count()).toBe(SYMBOLS);
  });

  test("sees a killed edge turn red and its gap appear within five seconds", async () => {
    const killedMs = performance.now();
    await running.stack.edges.get("kis")!.stop("SIGKILL");
    const left = () => Math.max(1, SEEN_MS - (performance.now() - killedMs));
    const gap = page.locator('#gaps [data-source="kis:1"][data-state="now"]');
    await edge("kis").and(page.locator('[data-state="down"]')).waitFor({ timeout: left() });
    const redMs = performance.now() - killedMs;
    await gap.waitFor({ timeout: left() });
    const gapMs = performance.now() - killedMs;
    console.log(
      `a killed edge is red after ${redMs.toFixed(0)} ms, its gap there after ${gapMs.toFixed(0)} ms`,
    );
    expect(await gap.innerText()).toContain("edge kis is down");
    expect(await page.locator("#verdict").getAttribute("class")).toContain("bad");
    expect(await page.locator("#verdict h1").innerText()).toMatch(/^kis: silent for \d+ s$/);
    const border = await page.evaluate(
      `getComputedStyle(document.querySelector('.edge[data-edge="kis"]')).borderLeftColor`,
    );
    expect(border).toBe("rgb(211, 58, 47)");
  });

  test("sees the edge come back, and the gap become the hub's own, with its state", async () => {
    await running.stack.startEdge("kis");
    await expect.poll(() => edge("kis").getAttribute("data-state"), { timeout: 30_000 }).toBe("ok");
    const declared = page.locator('#gaps [data-source="kis:1"]:not([data-state="now"])');
    await declared.first().waitFor({ timeout: 30_000 });
    expect(await declared.first().innerText()).toMatch(/trades (being refilled|refilled|partly)/);
    await expect
      .poll(() => declared.first().getAttribute("data-state"), { timeout: 60_000 })
      .toMatch(/refilled|partial/);
  });

  test("draws the gap over the symbol's chart and lists it", async () => {
    await rows().first().locator("a").click();
    const notes = page.locator(".gap-notes");
    await expect.poll(() => notes.innerText(), { timeout: 30_000 }).toMatch(/Gaps \([1-9]/);
    await page.goto(`${url}/#/`);
    await expect.poll(() => rows().count()).toBe(SYMBOLS);
  });

  test("switches its language and remembers it", async () => {
    await page.locator("#language").click();
    await expect.poll(() => page.locator("#edges h2").innerText()).toBe("엣지");
    expect(await page.evaluate("document.documentElement.lang")).toBe("ko");
    // Korean screens: red rises.
    expect(await page.evaluate("document.documentElement.dataset.colours")).toBe("seoul");
    await page.reload();
    await expect.poll(() => page.locator("#edges h2").innerText()).toBe("엣지");
    expect(await page.locator("#sentence").innerText()).toContain(`${SYMBOLS}종목`);
    await page.locator("#language").click();
    await expect.poll(() => page.locator("#edges h2").innerText()).toBe("Edges");
  });

  test("has a dark scheme, by the system or by choice", async () => {
    const back = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    expect(await back()).toBe("rgb(244, 245, 243)");
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(back).toBe("rgb(14, 19, 17)");
    await page.locator("#theme").selectOption("light");
    await expect.poll(back).toBe("rgb(244, 245, 243)");
    await page.locator("#theme").selectOption("dark");
    await expect.poll(back).toBe("rgb(14, 19, 17)");
    await page.emulateMedia({ colorScheme: "light" });
    await page.locator("#theme").selectOption("system");
  });

  test("fits a phone, every view of it", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const place = await rows().first().getAttribute("data-symbol");
    for (const path of ["#/", `#/symbol/kis:1/KRX/${place}`, "#/logs"]) {
      await page.goto(`${url}/${path}`);
      await page.locator("#content h1, #content h2").first().waitFor();
      expect(await sticksOut(page), path).toBe(false);
    }
    await page.goto(`${url}/#/`);
    await page.setViewportSize({ width: 1440, height: 1000 });
  });

  test("is reached by keyboard alone: skip link, views, a symbol, back", async () => {
    await page.goto(`${url}/`);
    await expect.poll(() => rows().count()).toBe(SYMBOLS);
    const focused = () =>
      page.evaluate<string>("document.activeElement.textContent + document.activeElement.id");
    await page.keyboard.press("Tab");
    expect(await focused()).toContain("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await focused()).toContain("content");
    const seen: string[] = [];
    for (let step = 0; step < 12 && !seen.at(-1)?.match(/^\d{6}/); step++) {
      await page.keyboard.press("Tab");
      seen.push(await focused());
    }
    expect(seen.at(-1), seen.join(" | ")).toMatch(/^\d{6}/);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.url()).toContain("#/symbol/");
    await page.goBack();
    await expect.poll(() => rows().count()).toBe(SYMBOLS);
  });

  test("gives a lease back by the admin token, with a reason", async () => {
    const line = edge("kiwoom").locator(".account");
    await expect.poll(() => line.innerText()).toMatch(/epoch \d/);
    const epoch = async () => Number(/epoch (\d+)/.exec(await line.innerText())?.[1] ?? 0);
    const before = await epoch();
    await page.locator("#acts").click();
    const dialog = page.locator("dialog");
    await dialog.locator("input[type=password]").fill(ADMIN_TOKEN);
    await dialog.locator("button.primary").click();
    await dialog.getByRole("button", { name: "Close" }).click();
    await line.getByRole("button", { name: "Release lease…" }).click();
    await dialog.locator("form.act input").fill("tried by the page's test");
    await dialog.locator("button.primary").click();
    await expect.poll(() => dialog.innerText(), { timeout: 60_000 }).toContain("Done");
    await dialog.getByRole("button", { name: "Close" }).click();
    // Nobody else may have it: the same edge claims it again, under the next epoch.
    await expect.poll(epoch, { timeout: 30_000 }).toBeGreaterThan(before);
  });

  test("shows the central log, filtered by the address", async () => {
    await page.goto(`${url}/#/logs?level=warn&follow=0`);
    await page.locator("#logs").waitFor();
    expect(await page.locator("#log-level").inputValue()).toBe("warn");
    expect(await page.locator("#log-follow").isChecked()).toBe(false);
    await page.locator("#log-q").fill("kiwoom");
    await expect.poll(() => page.url()).toContain("q=kiwoom");
    await page.goto(`${url}/#/`);
  });

  test.each([
    ["overview, light", "#/", "#ticks [data-symbol]", {}],
    ["overview, dark, Korean, phone", "#/", "#ticks [data-symbol]", PHONE],
    ["symbol", "#/symbol/kis:1/KRX/005930", ".chart canvas", {}],
    ["symbol, dark", "#/symbol/kis:1/KRX/005930", ".chart canvas", { colorScheme: "dark" }],
    ["logs", "#/logs", "#log-q", {}],
  ] as const)(
    "has no serious violation that axe finds: %s",
    async (_what, path, ready, options) => {
      expect(await seriousViolations(browser, `${url}/${path}`, ready, options)).toEqual([]);
    },
  );

  test("has nothing to complain of and asks nobody else", () => {
    expect(opened.complaints).toEqual([]);
  });
});
