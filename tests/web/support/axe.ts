// axe on a page as it stands. In a context of its own that steps around the content security policy, because axe
// is handed in from outside; everything else is tested under the policy.
import axe from "axe-core";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { openPage } from "./browser.ts";

const SOURCE = axe.source;

interface Violation {
  id: string;
  impact: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** Violations that are serious or critical, a line each; empty when there is none. */
export async function seriousViolations(
  browser: Browser,
  url: string,
  ready: string,
  options: BrowserContextOptions = {},
): Promise<string[]> {
  const { page, close } = await openPage(browser, url, { ...options, bypassCSP: true });
  try {
    await page.goto(url);
    await page.locator(ready).first().waitFor();
    await page.evaluate(SOURCE);
    const violations = await page.evaluate<Violation[]>(
      "axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)",
    );
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} ${target.join(" ")}: ${failureSummary}`),
      );
  } finally {
    await close();
  }
}
