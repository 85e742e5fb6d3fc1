import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { digestDatabase } from "../../app/store/digest.ts";
import {
  continuityBreaks,
  countRows,
  ledgers,
  pruneBatchStatistics,
  quarantineCounts,
  rowsTotal,
} from "../../app/store/ledger.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { book, OPEN_MS, reject, status, TestStream, trade, trades } from "./batches.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(() =>
  pool.query("truncate trade, book, status, quarantine, stream, ingest_batch, loss"),
);

async function store(...batches: Parameters<TestStream["next"]>[0][]): Promise<void> {
  const writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 2 });
  for (const rows of batches) {
    const stream = new TestStream();
    await writer.write(stream.next(rows), stream.from);
  }
}

describe("the digest", () => {
  const books = Array.from({ length: 50 }, (_, i) => book(i));

  it("is the same for the same ticks, however they were packed, received and ordered", async () => {
    await store(trades(500), books);
    const before = await digestDatabase(pool);
    expect(before).toMatchObject({ trade: { rows: 500 }, book: { rows: 50 } });
    await pool.query("truncate trade, book, stream, ingest_batch");
    const later = (rows: ReturnType<typeof trades>) =>
      rows.map((row) => ({
        ...row,
        edgeRecvMs: row.edgeRecvMs + 5_000,
        capture: row.capture + 70,
      }));
    await store(later(trades(200, 300)), books, later(trades(300)));
    expect(await digestDatabase(pool)).toEqual(before);
  });

  it("changes with one price, one size of one book level, and one missing row", async () => {
    await store(trades(500), books);
    const seen = new Set([(await digestDatabase(pool)).sha256]);
    for (const change of [
      "update trade set price = price + 0.01 where capture = 250",
      "update book set bid_size[10] = bid_size[10] + 1 where capture = 25",
      "delete from trade where capture = 499",
    ]) {
      await pool.query(change);
      seen.add((await digestDatabase(pool)).sha256);
    }
    expect(seen.size).toBe(4);
  });

  it("does not depend on the session's settings", async () => {
    await store(trades(20));
    const before = await digestDatabase(pool);
    await pool.query(
      "set timezone = 'Asia/Seoul'; set datestyle = 'German'; set extra_float_digits = 0",
    );
    expect(await digestDatabase(pool)).toEqual(before);
  });
});

describe("the ledger in SQL", () => {
  it("counts rows by source and table, and what was refused by reason", async () => {
    await store(trades(9), [book(1), book(2)], [status(1)], [reject(1), reject(2), reject(3)]);
    expect(await countRows(pool)).toEqual({
      "kis:1": { trade: 9, book: 2, status: 1, quarantine: 3 },
    });
    expect(await rowsTotal(pool)).toBe(12);
    expect(await quarantineCounts(pool)).toMatchObject([
      { source: "kis:1", code: "RECORD_WIDTH", count: 3 },
    ]);
    expect((await ledgers(pool))["kis:1"]).toEqual({
      ...{ received: 15, committed: 12, duplicate: 0, quarantined: 3, lost: 0, held: 0 },
    });
  });

  it("finds where cumulative volume does not go on", async () => {
    const one = (i: number, seq: number, size: number) => trade(i, { symbol: "005930", seq, size });
    await store([one(0, 10, 10), one(1, 25, 15), one(2, 60, 5), one(3, 61, 1), one(4, 7, 7)]);
    await store([trade(9, { symbol: "000660", seq: 500, size: 3, exchangeMs: OPEN_MS })]);
    expect(await continuityBreaks(pool, "kis:1", "2026-11-23")).toEqual([
      { symbol: "005930", venue: "KRX", chain: 0, seq: 10, previousSeq: 7, size: 10 },
      { symbol: "005930", venue: "KRX", chain: 0, seq: 60, previousSeq: 25, size: 5 },
    ]);
    expect(await continuityBreaks(pool, "kis:1", "2026-11-24")).toEqual([]);
  });

  it("drops old statistics of batches, and no dedupe state with them", async () => {
    await store(trades(3));
    await pool.query("update ingest_batch set committed_at = now() - interval '40 days'");
    await pruneBatchStatistics(pool, 30);
    const { rows } = await pool.query(
      "select (select count(*)::int from ingest_batch) as batches, (select count(*)::int from stream) as streams",
    );
    expect(rows).toEqual([{ batches: 0, streams: 1 }]);
  });

  it("has bars without the extension too", async () => {
    const at = (i: number, price: number, seq: number, side: 1 | -1) =>
      trade(i, { symbol: "005930", exchangeMs: OPEN_MS + 1_000, price, seq, side });
    await store([
      at(0, 71_000, 10, 1),
      at(1, 72_000, 20, -1),
      at(2, 70_000, 30, 1),
      at(3, 70_500, 40, 1),
    ]);
    const { rows } = await pool.query("select * from bar_1m");
    expect(rows).toMatchObject([
      { open: 71_000, high: 72_000, low: 70_000, close: 70_500, volume: "40", trades: "4" },
    ]);
    expect(rows).toMatchObject([{ buy_volume: "30", sell_volume: "10", value: 2_835_000 }]);
    expect((await pool.query("select open, close, trades from bar_1h")).rows).toEqual([
      { open: 71_000, close: 70_500, trades: "4" },
    ]);
  });
});
