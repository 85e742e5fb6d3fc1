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
  const rows = Object.keys(OUTAGES).flatMap((name) => results.get(name) ?? []);
  printTable("Outages of one real minute, 500 updates/s", HEAD, rows.map(rowOf));
  await Promise.all([killed.remove(), shared.remove()]);
});

describe.concurrent("one real minute of", () => {
  it.each(Object.entries(OUTAGES))(
    "$1.says loses nothing and stores nothing twice",
    async (name, outage) => {
      const result = await runCell(name === "postgres" ? killed : shared, outage, MINUTE);
      results.set(name, result);
      expect(result).toMatchObject({ lost: 0, twice: 0, quarantined: 0 });
      expect(result.declared).toEqual({ duplicate: 0, lost: 0, held: 0, balanced: true });
      expect(result.heldRows).toBeGreaterThan(0.9 * 500 * 60);
      expect(result.trades + result.books).toBe(result.made);
    },
  );
});
