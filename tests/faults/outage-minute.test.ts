// The outage matrix, one real minute at 500 updates/s: nothing is fast-forwarded while the fault holds.
// The cells wait more than they work, so they stand side by side.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HEAD, rowOf, runCell } from "./support/outage-run.ts";
import type { CellResult } from "./support/outage-run.ts";
import { OUTAGES } from "./support/outages.ts";
import { OwnPostgres } from "./support/own-postgres.ts";
import { printTable } from "./support/table.ts";

const MINUTE = { says: "1 min real", outageMs: 60_000, isReal: true };

/** The one that is killed is nobody else's. */
let killed: OwnPostgres;
let shared: OwnPostgres;
const results = new Map<string, CellResult>();
beforeAll(async () => {
  [killed, shared] = [await OwnPostgres.start(), await OwnPostgres.start()];
});
afterAll(async () => {
  const rows = Object.values(OUTAGES).flatMap(({ says }) => results.get(says) ?? []);
  printTable("Outages of one real minute, 500 updates/s", HEAD, rows.map(rowOf));
  await Promise.all([killed.remove(), shared.remove()]);
});

describe.concurrent("one real minute of", () => {
  it.each(Object.values(OUTAGES))(
    "$says loses nothing and stores nothing twice",
    async (outage) => {
      const server = outage === OUTAGES.postgres ? killed : shared;
      const result = await runCell(server, outage, MINUTE);
      results.set(outage.says, result);
      expect(result).toMatchObject({ lost: 0, twice: 0, quarantined: 0 });
      expect(result.declared).toEqual({ duplicate: 0, lost: 0, held: 0, balanced: true });
      // A slow link, or one that is reset again and again, lets a little through.
      expect(result.heldRows).toBeGreaterThan(0.8 * 500 * 60);
      expect(result.trades + result.books).toBe(result.made);
    },
  );
});
