// The outage matrix, 10 minutes and 1 hour of market at 500 updates/s: market and edge are fast-forwarded
// while the fault holds; hub and PostgreSQL are the real processes, and the whole backlog is really drained.
// An hour's backlog does not fit through a 1 kB/s link: as every other fault, it ends after the outage.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HEAD, rowOf, runCell } from "./support/outage-run.ts";
import type { CellResult } from "./support/outage-run.ts";
import { OUTAGES } from "./support/outages.ts";
import { OwnPostgres } from "./support/own-postgres.ts";
import { printTable } from "./support/table.ts";

const DURATIONS = [
  { says: "10 min", outageMs: 600_000, isReal: false },
  { says: "1 h", outageMs: 3_600_000, isReal: false },
];

let server: OwnPostgres;
const results: CellResult[] = [];
beforeAll(async () => {
  server = await OwnPostgres.start();
});
afterAll(async () => {
  printTable("Outages of 10 min and 1 h of market, 500 updates/s", HEAD, results.map(rowOf));
  await server.remove();
});

describe.each(Object.values(OUTAGES))("$says", (outage) => {
  it.each(DURATIONS)(
    "for $says of market loses nothing and stores nothing twice",
    async (duration) => {
      const result = await runCell(server, outage, duration);
      results.push(result);
      expect(result).toMatchObject({ lost: 0, twice: 0, quarantined: 0 });
      expect(result.declared).toEqual({ duplicate: 0, lost: 0, held: 0, balanced: true });
      expect(result.heldRows).toBeGreaterThan(0.9 * 500 * (duration.outageMs / 1_000));
      expect(result.trades + result.books).toBe(result.made);
    },
  );
});
