// What the page costs while it shows 100 symbols at 2,000 records/s: the figures of `npm run bench -- page`, and
// the one that is promised.
import { describe, expect, test } from "vitest";
import { run } from "../../bench/page.ts";
import { hasBrowser } from "./support/browser.ts";

/** Of a core, in the page. */
const SHARE_MAX = 0.05;
/** Generous: the machine runs the market, the edges, the database and the hub as well. */
const FIRST_PAINT_MAX_MS = 5_000;

describe.skipIf(!hasBrowser)("the page's cost", () => {
  test("is at most 5 % of a core with 100 symbols at 2,000 records/s", async () => {
    const figures = await run();
    console.log(JSON.stringify(figures));
    expect(figures["symbols"]).toBe(100);
    expect(figures["records_per_s"]).toBeGreaterThan(1_500);
    expect(figures["page_share"]).toBeLessThanOrEqual(SHARE_MAX);
    expect(figures["first_paint_ms"]).toBeLessThan(FIRST_PAINT_MAX_MS);
  }, 300_000);
});
