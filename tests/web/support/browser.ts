// Chromium for the page's tests, and what it has to complain of.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

const BROWSER = "/usr/bin/chromium";
export const hasBrowser = existsSync(BROWSER);
if (!hasBrowser && process.env["TICKHUB_CI"] === "1") throw new Error(`There is no ${BROWSER}`);
if (!hasBrowser) console.warn(`Skipped: the page needs ${BROWSER} (apt-get install chromium).`);

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
}

export interface OpenPage {
  page: Page;
  /** Errors on the console, exceptions, and requests to anybody but the hub. */
  complaints: string[];
  close: () => Promise<void>;
}

/** A page of its own: nothing is remembered from another one. */
export async function openPage(
  browser: Browser,
  hubUrl: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    locale: "en-US",
    colorScheme: "light",
    viewport: { width: 1440, height: 1000 },
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(hubUrl)) complaints.push(`asks ${request.url()}`);
  });
  return { page, complaints, close: () => context.close() };
}

/** True when something sticks out sideways. */
export async function sticksOut(page: Page): Promise<boolean> {
  return await page.evaluate("document.documentElement.scrollWidth > innerWidth");
}
