// The outage matrix, one real minute at 500 updates/s: nothing is fast-forwarded while the fault holds.
// The cells wait more than they work, so they stand side by side.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SmallDisk } from "../support/small-disk.ts";
import { HEAD, rowOf, runCell } from "./support/outage-run.ts";
import type { CellResult } from "./support/outage-run.ts";
import type { Outage } from "./support/outages.ts";
import { OUTAGES, ROOMY_BYTES, wholeDiskFull } from "./support/outages.ts";
import { OwnPostgres } from "./support/own-postgres.ts";
import { printTable } from "./support/table.ts";

const MINUTE = { says: "1 min real", outageMs: 60_000, isReal: true };

let shared: OwnPostgres;
/** The one that is killed is nobody else's. */
let killed: OwnPostgres;
let disk: SmallDisk;
let onDisk: OwnPostgres;
const results: CellResult[] = [];
beforeAll(async () => {
  disk = SmallDisk.mount(ROOMY_BYTES);
  onDisk = await OwnPostgres.start(join(disk.directory, "postgres"));
  [killed, shared] = [await OwnPostgres.start(), await OwnPostgres.start()];
});
afterAll(async () => {
  printTable("Outages of one real minute, 500 updates/s", HEAD, results.map(rowOf));
  await Promise.all([killed.remove(), shared.remove(), onDisk.remove()]);
  disk.unmount();
});

async function proveMinute(server: OwnPostgres, outage: Outage): Promise<void> {
  const result = await runCell(server, outage, MINUTE);
  results.push(result);
  expect(result).toMatchObject({ lost: 0, twice: 0, quarantined: 0 });
  expect(result.declared).toEqual({ duplicate: 0, lost: 0, held: 0, balanced: true });
  // A slow link, or one that is reset again and again, lets a little through.
  expect(result.heldRows).toBeGreaterThan(0.8 * 500 * 60);
  expect(result.trades + result.books).toBe(result.made);
}

describe.concurrent("one real minute of", () => {
  it.each(Object.values(OUTAGES))("$says loses nothing and stores nothing twice", (outage) =>
    proveMinute(outage === OUTAGES.postgres ? killed : shared, outage),
  );

  it("a full disk with the WAL on it loses nothing and stores nothing twice", () =>
    proveMinute(onDisk, wholeDiskFull(disk)));
});
