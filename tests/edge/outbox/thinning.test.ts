// Books of an edge over its egress budget: larger batches first, then only the last book of each symbol and
// second; whatever goes is declared, and no trade is touched.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Shedder } from "../../../app/edge/shedder.ts";
import type { Event } from "../../../app/shared/events.ts";
import { SHEDDING } from "../../../app/shared/meters.ts";
import { decodeBatch } from "../../../app/shared/batch.ts";
import type { Book } from "../../../app/shared/tick.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import { book, trade } from "../../support/records.ts";
import { capturesOf, commit, LIMITS, lossOf, makeOutbox, sendAll } from "./support.ts";

const ACCOUNT = "kis:1";
const levels = { values: { debug: 20, info: 30, warn: 40, error: 50, silent: Infinity } } as never;

function makeShedding(logLevel = "info") {
  const { outbox } = makeOutbox();
  const events: Event[] = [];
  const logger = { level: logLevel, levels };
  const shedder = new Shedder(outbox, logger, (event) => events.push(event));
  return { outbox, shedder, logger, events };
}

describe("an edge over its egress budget", () => {
  test("writes no line below warn, and all again afterwards", () => {
    const { shedder, logger, events } = makeShedding();
    shedder.heard("logs");
    shedder.heard("logs");
    expect([logger.level, shedder.level]).toEqual(["warn", "logs"]);
    shedder.heard(undefined);
    expect([logger.level, shedder.level]).toEqual(["info", "none"]);
    expect(events.map((event) => "level" in event && event.level)).toEqual(["logs", "none"]);
    const quiet = makeShedding("silent");
    quiet.shedder.heard("books");
    expect(quiet.logger.level).toBe("silent");
  });

  test("sends books in larger batches, and loses none", () => {
    const { outbox, shedder } = makeShedding();
    shedder.heard("batches");
    for (let i = 0; i < 40; i++) {
      outbox.push(ACCOUNT, 1, book({ capture: i, edgeRecvMs: 100 * i }), 100 * i);
    }
    expect(sendAll(outbox, 3_999)).toEqual([]);
    const sent = sendAll(outbox, 4_000);
    expect(sent.map(capturesOf).flat()).toHaveLength(40);
    expect(sent).toHaveLength(1);
    shedder.heard("none");
    outbox.push(ACCOUNT, 1, book(), 5_000);
    expect(sendAll(outbox, 6_000)).toHaveLength(1);
  });

  test("keeps the last book of each symbol and second, declares the others, and keeps every trade", () => {
    const push = fc.record({
      symbol: fc.constantFrom("005930", "000660", "035720"),
      isBook: fc.boolean(),
      waitMs: fc.nat({ max: 900 }),
      level: fc.option(fc.constantFrom(...SHEDDING), { freq: 8, nil: null }),
      isSent: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(push, { maxLength: 80 }), (pushes) => {
        const { outbox, shedder } = makeShedding();
        shedder.heard("books");
        let nowMs = 0;
        const pushed: { symbol: string; edgeRecvMs: number; capture: number; isBook: boolean }[] =
          [];
        const sent = new Set<number>();
        let lost = 0;
        const take = () => {
          for (const parcel of sendAll(outbox, nowMs)) {
            lost += lossOf(parcel);
            for (const capture of capturesOf(parcel)) sent.add(capture);
            expect(commit(outbox, parcel)).toBe("settled");
          }
        };
        let isAlwaysThin = true;
        for (const { symbol, isBook, waitMs, level, isSent } of pushes) {
          nowMs += waitMs;
          if (level !== null) {
            isAlwaysThin &&= level === "books";
            shedder.heard(level);
          }
          const fields = { symbol, edgeRecvMs: nowMs, capture: pushed.length + 1 };
          outbox.push(ACCOUNT, 1, isBook ? book(fields) : trade(fields), nowMs);
          pushed.push({ ...fields, isBook });
          if (isSent) take();
          expect(isBalanced(outbox.ledger())).toBe(true);
          expect(outbox.audit()).toEqual([]);
        }
        outbox.flush(nowMs);
        take();
        expect(outbox.drainEmpty()).toBe(true);
        const trades = pushed.filter((row) => !row.isBook);
        for (const { capture } of trades) expect(sent.has(capture)).toBe(true);
        expect(outbox.ledger()).toMatchObject({ received: pushed.length, held: 0, lost });
        expect(sent.size + lost).toBe(pushed.length);
        // Of each symbol and second the last book is always there: nothing newer can have replaced it.
        const last = new Map<string, number>();
        for (const row of pushed.filter((one) => one.isBook)) {
          last.set(`${row.symbol} ${Math.floor(row.edgeRecvMs / 1_000)}`, row.capture);
        }
        for (const capture of last.values()) expect(sent.has(capture)).toBe(true);
        if (isAlwaysThin && pushes.every(({ isSent }) => !isSent)) {
          expect(sent.size).toBe(trades.length + last.size);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("says why, in a tombstone before the rows that stay", () => {
    const { outbox, shedder } = makeShedding();
    shedder.heard("books");
    for (let i = 0; i < 5; i++) {
      outbox.push(ACCOUNT, 1, book({ capture: i + 1, edgeRecvMs: 5_000 + 100 * i }), 100 * i);
    }
    const [tombstone, batch] = sendAll(outbox, 4_000).map(({ bytes }) =>
      decodeBatch(bytes, LIMITS),
    );
    expect(tombstone).toMatchObject({
      kind: "tombstone",
      tombstone: { count: 4, reason: "egress_budget", firstMs: 5_000, lastMs: 5_300 },
    });
    expect(batch).toMatchObject({ kind: "book", columns: { rows: 1 } });
    expect((book() satisfies Book).kind).toBe("book");
  });
});
