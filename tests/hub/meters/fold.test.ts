// Counters of processes that come, overlap and die, added up by the database: whatever order the heartbeats
// come in, each byte is counted once.
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { COUNTERS, listed } from "../../../app/shared/meters.ts";
import type { Counters } from "../../../app/shared/meters.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import { halfDayAt } from "../../../app/hub/query/meters/half-day.ts";
import {
  foldEdges,
  foldLedger,
  foldOwn,
  pruneMeters,
  readUse,
} from "../../../app/hub/query/meters/rows.ts";
import { BatchWriter } from "../../../app/store/writer.ts";
import { whereAmI } from "../../../app/store/standing.ts";
import { TestStream, trades } from "../../store/batches.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(() => database.drop());
beforeEach(() =>
  database.pool.query(
    "truncate edge_status, meter_use, meter_counter, meter_cursor, stream, ingest_batch",
  ),
);

/** As an edge's heartbeat arrives, through the gateway or directly. */
async function heartbeat(edge: string, bootId: string, counters: Counters): Promise<void> {
  const status = { bootId, meters: listed(counters) };
  const question = {
    account: "kis:1",
    holder: randomUUID(),
    wish: "report",
    edge,
    status,
  } as const;
  await whereAmI(database.pool, question);
}

async function counted(subject: string, counter: string): Promise<number> {
  const { rows } = await database.pool.query<{ sum: number }>(
    "select coalesce(sum(amount), 0)::float8 as sum from meter_use where subject = $1 and meter = $2",
    [subject, counter],
  );
  return rows[0]!.sum;
}

describe("an edge's counters", () => {
  test("are added up once, however often they are heard and looked at", async () => {
    for (const hub_bytes of [100, 100, 250]) {
      await heartbeat("kis", "a", { hub_bytes, requests_made: 3 });
      await foldEdges(database.pool);
      await foldEdges(database.pool);
    }
    expect([await counted("kis", "hub_bytes"), await counted("kis", "requests_made")]).toEqual([
      250, 3,
    ]);
  });

  test("survive the process: what it said last counts though nobody looked before its successor spoke", async () => {
    await heartbeat("kis", "a", { hub_bytes: 700 });
    await heartbeat("kis", "b", { hub_bytes: 20 });
    await heartbeat("kis", "c", { hub_bytes: 5 });
    await foldEdges(database.pool);
    expect(await counted("kis", "hub_bytes")).toBe(725);
  });

  test("add up to what the processes wrote, for any order of heartbeats, looks and overlapping processes", async () => {
    const step = fc.oneof(
      fc.record({ boot: fc.constantFrom("a", "b", "c"), wrote: fc.nat({ max: 1_000 }) }),
      fc.constant("look" as const),
      fc.constant("two looks at once" as const),
      fc.constant("prune" as const),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const edge = `edge-${++run}`;
        const written = new Map<string, number>();
        for (const one of steps) {
          if (one === "look") await foldEdges(database.pool);
          else if (one === "two looks at once") {
            await Promise.all([foldEdges(database.pool), foldEdges(database.pool)]);
          } else if (one === "prune") {
            await database.pool.query(
              "update meter_counter set seen_at = now() - interval '9 days'",
            );
            await pruneMetersOf(edge);
          } else {
            const bytes = (written.get(one.boot) ?? 0) + one.wrote;
            written.set(one.boot, bytes);
            await heartbeat(edge, one.boot, { hub_bytes: bytes });
          }
        }
        await foldEdges(database.pool);
        const sum = [...written.values()].reduce((all, bytes) => all + bytes, 0);
        expect(await counted(edge, "hub_bytes")).toBe(sum);
      }),
      { numRuns: 60 },
    );
  });

  /** Only a process that nobody hears any more may be forgotten; here they come back, so only the standing one is aged. */
  async function pruneMetersOf(edge: string): Promise<void> {
    await database.pool.query(
      `update meter_counter c set seen_at = now()
        where subject <> $1 or boot is distinct from
          (select status ->> 'bootId' from edge_status where edge = $1)`,
      [edge],
    );
    await pruneMeters(database.pool);
  }

  test("of a strange form are left alone, and the heartbeat is answered", async () => {
    for (const meters of [{ a: 1 }, "x", [null, "12", -5, [1]], [1e300], null]) {
      const status = { bootId: "a", meters } as never;
      const asked = {
        account: "kis:1",
        holder: randomUUID(),
        wish: "report",
        edge: "kis",
      } as const;
      await whereAmI(database.pool, { ...asked, status });
      await foldEdges(database.pool);
    }
    await heartbeat("kis", "b", {});
    expect(await counted("kis", "hub_bytes")).toBe(0);
  });

  test("have the same names here and in the database", async () => {
    const counters = Object.fromEntries(COUNTERS.map((name, at) => [name, at + 1]));
    await foldOwn(database.pool, "hub", "boot", counters);
    const now = halfDayAt(Date.now());
    const [row] = await readUse(database.pool, now.day);
    expect(row).toEqual({ ...now, subject: "hub", amounts: counters });
  });

  test("count in the half day in which they were heard, also when nobody looked before it was over", async () => {
    await heartbeat("kis", "a", { hub_bytes: 10 });
    await database.pool.query("update edge_status set seen_at = '2026-11-26T11:59:59Z'");
    await database.pool.query(
      `update edge_status set seen_at = '2026-11-26T12:00:01Z', status = jsonb_set(status, '{meters,1}', '14')`,
    );
    await foldEdges(database.pool);
    const rows = await readUse(database.pool, 20261101);
    const found = rows.filter(({ day }) => day === 20261126);
    expect(found.map(({ isNight, amounts }) => [isNight, amounts.hub_bytes])).toEqual(
      expect.arrayContaining([[true, 4]]),
    );
    expect(await counted("kis", "hub_bytes")).toBe(14);
  });
});

describe("the ledger's bytes", () => {
  test("are those of every batch, once, and outlive the batches' own rows", async () => {
    const writer = new BatchWriter({ pool: database.pool, clock: systemClock, connectionsMax: 2 });
    let bytes = 0;
    for (const stream of [new TestStream(), new TestStream()]) {
      for (let n = 0; n < 5; n++) {
        const batch = stream.next(trades(10, 10 * n));
        bytes += batch.length;
        await writer.write(batch, stream.from);
        if (n % 2 === 0) await foldLedger(database.pool);
      }
    }
    await Promise.all([foldLedger(database.pool), foldLedger(database.pool)]);
    await database.pool.query("truncate ingest_batch");
    await foldLedger(database.pool);
    const { rows } = await database.pool.query<{ sum: number }>(
      "select sum(amount)::float8 as sum from meter_use where meter = 'ledger_bytes'",
    );
    expect(rows[0]!.sum).toBe(bytes);
  });
});
