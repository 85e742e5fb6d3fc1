// The batch codec: exact both ways, hostile input included.
import { deepStrictEqual } from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BatchHead,
  decodeBatch,
  encodeBatch,
  encodeTombstone,
  isEncodable,
  readHeader,
  type Rows,
  ticksOf,
  WIRE_VERSION,
  withAddress,
  withNumber,
} from "../../app/shared/batch.ts";
import { readPayload, writeEnvelope } from "../../app/shared/batch/envelope.ts";
import { codeOf } from "../../app/shared/errors.ts";
import { ORIGINS } from "../../app/shared/origin.ts";
import type { Origin } from "../../app/shared/origin.ts";
import type { Table } from "../../app/shared/table.ts";
import { NEWS_SYMBOLS_MAX } from "../../app/shared/tick.ts";
import {
  anyBooks,
  anyFrames,
  anyLogs,
  anyNews,
  anyRejects,
  anyStatuses,
  anyTrades,
  book,
  hasData,
  logRecord,
  newsItem,
  recordedBooks,
  recordedTrades,
  reject,
  trade,
} from "../support/records.ts";

const LIMITS = { rowsMax: 10_000, rawBytesMax: 16 * 2 ** 20 };
const STREAM = "01234567-89ab-4def-8123-456789abcdef";

function headOf(table: Table, fields: Partial<BatchHead> = {}): BatchHead {
  return { table, stream: STREAM, number: 7, account: "kis:1", epoch: 3, ...fields };
}

function decode(bytes: Uint8Array) {
  return decodeBatch(bytes, LIMITS);
}

function outcome(run: () => unknown): string {
  try {
    run();
    return "read";
  } catch (error) {
    return codeOf(error);
  }
}

const anyBatch: fc.Arbitrary<{ table: Table; rows: Rows }> = fc.oneof(
  anyTrades.map((rows) => ({ table: "trade" as const, rows })),
  anyBooks.map((rows) => ({ table: "book" as const, rows })),
  anyStatuses.map((rows) => ({ table: "status" as const, rows })),
  anyRejects.map((rows) => ({ table: "quarantine" as const, rows })),
  anyNews.map((rows) => ({ table: "news" as const, rows })),
  anyLogs.map((rows) => ({ table: "log" as const, rows })),
  anyFrames.map((rows) => ({ table: "frame" as const, rows })),
);

describe("a batch", () => {
  test("decodes to exactly the rows it was made of, whatever their numbers and texts", () => {
    fc.assert(
      fc.property(anyBatch, ({ table, rows }) => {
        deepStrictEqual(ticksOf(decode(encodeBatch(headOf(table), rows))), rows);
      }),
      { numRuns: 3000 },
    );
  });

  test("has a header that can be read alone", () => {
    const rows = [trade({ edgeRecvMs: 2000.5 }), trade({ edgeRecvMs: 1000.25 })];
    const header = readHeader(encodeBatch(headOf("trade"), rows));
    expect(header).toMatchObject({
      ...headOf("trade"),
      wire: WIRE_VERSION,
      rows: 2,
      firstMs: 1000.25,
      lastMs: 2000.5,
      tombstone: false,
    });
  });

  test("takes another number without being encoded again", () => {
    fc.assert(
      fc.property(anyBatch, fc.maxSafeInteger(), ({ table, rows }, n) => {
        const number = Math.abs(n);
        const direct = encodeBatch(headOf(table, { number }), rows);
        const patched = withNumber(encodeBatch(headOf(table, { number: 0 }), rows), number);
        expect(Buffer.compare(direct, patched)).toBe(0);
        expect(readHeader(patched).number).toBe(number);
      }),
      { numRuns: 300 },
    );
  });

  test("says how its rows came, whatever stream and number it is given later", () => {
    const origins = Object.keys(ORIGINS) as Origin[];
    fc.assert(
      fc.property(anyBatch, fc.constantFrom(...origins), ({ table, rows }, origin) => {
        const bytes = encodeBatch(headOf(table, { origin }), rows);
        const moved = withNumber(withAddress(bytes, STREAM.replace("0123", "abcd"), 9), 10);
        expect([readHeader(bytes).origin, readHeader(moved).origin]).toEqual([origin, origin]);
        deepStrictEqual(ticksOf(decode(moved)), rows);
      }),
      { numRuns: 300 },
    );
    const tombstone = { count: 1, firstMs: 1, lastMs: 2, reason: "outbox_full" };
    for (const origin of origins) {
      expect(readHeader(encodeTombstone(headOf("trade", { origin }), tombstone))).toMatchObject({
        origin,
        tombstone: true,
      });
    }
    expect(readHeader(encodeBatch(headOf("trade"), [trade()])).origin).toBe("live");
  });

  test("has another checksum with another number, epoch, or price", () => {
    const crcs = [
      encodeBatch(headOf("trade"), [trade()]),
      encodeBatch(headOf("trade", { number: 8 }), [trade()]),
      encodeBatch(headOf("trade", { epoch: 4 }), [trade()]),
      encodeBatch(headOf("trade"), [trade({ price: 71_301 })]),
    ].map((bytes) => readHeader(bytes).crc);
    expect(new Set(crcs).size).toBe(crcs.length);
  });

  test("without rows stands for rows that were given up", () => {
    const tombstone = { count: 12_345, firstMs: 5.5, lastMs: 99.125, reason: "outbox_full" };
    const batch = decode(encodeTombstone(headOf("book"), tombstone));
    expect(batch).toMatchObject({
      kind: "tombstone",
      tombstone,
      header: { table: "book", rows: 0 },
    });
    expect(ticksOf(batch)).toEqual([]);
  });

  test("tells rows its columns cannot hold before they are packed", () => {
    expect(isEncodable(trade())).toBe(true);
    expect(isEncodable(trade({ session: 128 }))).toBe(false);
    expect(isEncodable(trade({ session: 1.5 }))).toBe(false);
    expect(isEncodable(trade({ day: Number.NaN }))).toBe(false);
    expect(isEncodable(trade({ chain: 2 ** 31 }))).toBe(false);
    expect(isEncodable(book({ levels: new Float64Array(39) }))).toBe(false);
    expect(isEncodable(reject())).toBe(true);
    const named = Array<string>(NEWS_SYMBOLS_MAX).fill("005930");
    expect(isEncodable(newsItem({ symbols: named }))).toBe(true);
    expect(isEncodable(newsItem({ symbols: [...named, "000660"] }))).toBe(false);
    expect(isEncodable(logRecord({ level: 200 }))).toBe(false);
  });
});

describe("a reader", () => {
  const rows = Array.from({ length: 50 }, (_, i) => trade({ seq: 1000 + i, capture: i + 1 }));
  const bytes = encodeBatch(headOf("trade"), rows);

  test("notices every flipped bit", () => {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(["BATCH_CORRUPT", "BATCH_VERSION"]).toContain(outcome(() => readHeader(flipped)));
    }
  });

  test("notices a batch cut short or continued", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(outcome(() => readHeader(bytes.subarray(0, length)))).toBe("BATCH_CORRUPT");
    }
    expect(outcome(() => readHeader(Buffer.concat([bytes, Buffer.of(0)])))).toBe("BATCH_CORRUPT");
  });

  test("refuses a flag it does not know, and an origin nobody has defined", () => {
    for (const flags of [12, 16, 32, 64, 128]) {
      const unknown = Buffer.from(bytes);
      unknown[10]! |= flags;
      // The checksum is right: this is a newer writer, no damage.
      expect(outcome(() => readHeader(withNumber(unknown, 7)))).toBe("BATCH_VERSION");
    }
  });

  test("names the version it cannot read", () => {
    const newer = Uint8Array.from(bytes);
    newer[8] = WIRE_VERSION + 1;
    expect(outcome(() => readHeader(newer))).toBe("BATCH_VERSION");
  });

  test("refuses more rows or bytes than it was given leave for", () => {
    const { rawBytes } = readHeader(bytes);
    expect(outcome(() => decodeBatch(bytes, { rowsMax: 50, rawBytesMax: rawBytes }))).toBe("read");
    expect(outcome(() => decodeBatch(bytes, { rowsMax: 49, rawBytesMax: rawBytes }))).toBe(
      "BATCH_TOO_LARGE",
    );
    expect(outcome(() => decodeBatch(bytes, { rowsMax: 50, rawBytesMax: rawBytes - 1 }))).toBe(
      "BATCH_TOO_LARGE",
    );
  });

  test("fails only with BATCH_CORRUPT on a payload made by an enemy with a right checksum", () => {
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) });
    fc.assert(
      fc.property(anyBatch, fc.array(edit, { minLength: 1, maxLength: 4 }), (batch, edits) => {
        const honest = encodeBatch(headOf(batch.table), batch.rows);
        const header = readHeader(honest);
        const payload = Uint8Array.from(readPayload(honest, header));
        for (const { at, byte } of edits) payload[Math.floor(at * (payload.length - 1))] = byte;
        const hostile = writeEnvelope(headOf(batch.table), header, payload);
        expect(["read", "BATCH_CORRUPT"]).toContain(outcome(() => ticksOf(decode(hostile))));
      }),
      { numRuns: 5000 },
    );
  });

  test("fails only with BATCH_CORRUPT on noise in every table", () => {
    const table = fc.constantFrom<Table>("trade", "book", "status", "quarantine", "frame");
    fc.assert(
      fc.property(
        table,
        fc.nat(10_000),
        fc.uint8Array({ maxLength: 200 }),
        (name, count, noise) => {
          const span = { rows: count, firstMs: 0, lastMs: 0, tombstone: count === 0 };
          const hostile = writeEnvelope(headOf(name), span, noise);
          expect(["read", "BATCH_CORRUPT"]).toContain(outcome(() => decode(hostile)));
        },
      ),
      { numRuns: 5000 },
    );
  });

  test("does not unpack a small batch into a large one", () => {
    const honest = writeEnvelope(
      headOf("trade"),
      { rows: 1, firstMs: 0, lastMs: 0, tombstone: false },
      new Uint8Array(10 ** 6),
    );
    // The same payload under a header that promises 100 bytes.
    const lying = Buffer.from(honest);
    lying.writeUInt32LE(100, 52);
    expect(outcome(() => decode(withNumber(lying, 7)))).toBe("BATCH_CORRUPT");
  });
});

describe.skipIf(!hasData())("recorded days (skipped without ../shared/data)", () => {
  test.each([
    { table: "trade" as const, load: recordedTrades, bytesPerRowMax: 7 },
    { table: "book" as const, load: recordedBooks, bytesPerRowMax: 8 },
  ])("a day's $table rows come back exactly, in less than $bytesPerRowMax B each", (recorded) => {
    const { table, load, bytesPerRowMax } = recorded;
    const rows: Rows = load();
    let bytes = 0;
    let jsonBytes = 0;
    for (let at = 0; at < rows.length; at += 1000) {
      const some = rows.slice(at, at + 1000) as Rows;
      const packed = encodeBatch(headOf(table), some);
      bytes += packed.length;
      jsonBytes += zstdCompressSync(JSON.stringify(some)).length;
      deepStrictEqual(ticksOf(decode(packed)), some);
    }
    expect(bytes / rows.length).toBeLessThan(bytesPerRowMax);
    expect(bytes).toBeLessThan(jsonBytes / 3);
  });
});
