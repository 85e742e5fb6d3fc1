// The outbox by example: sealing, fairness, refusals, overload, the end of a process.
import { describe, expect, test } from "vitest";
import { readHeader } from "../../../app/shared/batch.ts";
import { SETTINGS } from "../../../app/shared/config.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import { book, reject, status, trade } from "../../support/records.ts";
import { capturesOf, commit, lossOf, makeOutbox, sendAll } from "./support.ts";

const ACCOUNT = "kis:1";

describe("rows become a batch", () => {
  test("after the table's time, so that they have company", () => {
    const { outbox } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade({ capture: 1 }), 0);
    outbox.push(ACCOUNT, 1, trade({ capture: 2 }), 90);
    expect(outbox.next(99, 8)).toBeNull();
    expect(outbox.nextWake(99)).toBe(1);
    const parcel = outbox.next(100, 8)!;
    expect(parcel).toMatchObject({ number: 1, table: "trade", account: ACCOUNT, rows: 2 });
    expect(capturesOf(parcel)).toEqual([1, 2]);
    expect(outbox.nextWake(100)).toBe(Infinity);
  });

  test("at once when there are enough", () => {
    const { outbox } = makeOutbox();
    for (let i = 1; i <= 1000; i++) outbox.push(ACCOUNT, 1, trade({ capture: i }), 0);
    expect(outbox.next(0, 8)?.rows).toBe(1000);
  });

  test("of one lease epoch only", () => {
    const { outbox } = makeOutbox();
    for (const epoch of [1, 1, 2]) outbox.push(ACCOUNT, epoch, trade(), 0);
    const epochs = sendAll(outbox, 100).map(({ bytes }) => readHeader(bytes));
    expect(epochs.map(({ epoch, rows }) => [epoch, rows])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  test("that is larger the longer the link is away, and encoded once", () => {
    const { outbox, events } = makeOutbox({ backlogAfterMs: Infinity });
    for (let i = 1; i <= 25_000; i++) outbox.push(ACCOUNT, 1, trade({ capture: i }), i);
    expect(sendAll(outbox, 25_000).map(({ rows }) => rows)).toEqual([10_000, 10_000, 5000]);
    expect(events.filter(({ event }) => event === "batch_packed")).toHaveLength(3);
  });

  test("no larger before compression than the hub reads", () => {
    const { outbox } = makeOutbox({ batchBytesMax: 50_000, bytesMax: 10 ** 8 });
    const bytes = new Uint8Array(20_000);
    for (let i = 1; i <= 10; i++) outbox.push(ACCOUNT, 1, reject({ bytes, capture: i }), 0);
    for (const parcel of sendAll(outbox, 1000)) {
      expect(readHeader(parcel.bytes).rawBytes).toBeLessThanOrEqual(50_000);
    }
  });
});

describe("a batch", () => {
  test("goes again after the link was lost: same number, same bytes, before anything new", () => {
    const { outbox } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade({ capture: 1 }), 0);
    const first = outbox.next(100, 8)!;
    outbox.push(ACCOUNT, 1, trade({ capture: 2 }), 100);
    const second = outbox.next(200, 8)!;
    outbox.push(ACCOUNT, 1, trade({ capture: 3 }), 200);
    outbox.rewind();
    const [again, andAgain, fresh] = sendAll(outbox, 300);
    expect([again, andAgain]).toEqual([first, second]);
    expect(capturesOf(fresh!)).toEqual([3]);
  });

  test("waits while its stream has a full window, which each verdict opens by one", () => {
    const { outbox } = makeOutbox({ rowsPerBatch: ones() });
    for (let epoch = 1; epoch <= 5; epoch++) outbox.push(ACCOUNT, epoch, trade(), 0);
    const [first, ...more] = sendAll(outbox, 0, 2);
    expect(more).toHaveLength(1);
    commit(outbox, first!);
    expect(sendAll(outbox, 0, 2).map(({ number }) => number)).toEqual([3]);
    outbox.rewind();
    expect(sendAll(outbox, 0, 2).map(({ number }) => number)).toEqual([2, 3]);
  });

  test("leaves with the hub's verdict, once", () => {
    const { outbox } = makeOutbox();
    for (let i = 0; i < 6; i++) outbox.push(ACCOUNT, 1, trade({ capture: i }), 0);
    const { stream, number } = outbox.next(100, 8)!;
    const verdict = { stream, number, committed: 3, duplicate: 2, quarantined: 1 };
    expect(outbox.settle(verdict)).toBe("settled");
    expect(outbox.settle(verdict)).toBe("unknown");
    const ledger = { received: 6, committed: 3, duplicate: 2, held: 0, quarantined: 1, lost: 0 };
    expect(outbox.ledger()).toEqual(ledger);
    expect(outbox.ledgerOf(ACCOUNT, "trade")).toEqual(ledger);
    expect(outbox.drainEmpty()).toBe(true);
    expect(outbox.stats(100).bytes).toBe(0);
  });

  test.each([
    [{ committed: 1, duplicate: 0, quarantined: 0 }],
    [{ committed: 3, duplicate: 0, quarantined: 0 }],
    [{ committed: 3, duplicate: -1, quarantined: 0 }],
    [{ committed: Number.NaN, duplicate: 2, quarantined: 0 }],
  ])("stays when the verdict does not add up: %o", (counts) => {
    const { outbox, events } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade(), 0);
    outbox.push(ACCOUNT, 1, trade(), 0);
    const { stream, number } = outbox.next(100, 8)!;
    expect(outbox.settle({ stream, number, ...counts })).toBe("mismatch");
    expect(events.at(-1)).toMatchObject({ event: "verdict_mismatched", stream, number, rows: 2 });
    expect(outbox.ledger()).toMatchObject({ received: 2, held: 2 });
  });

  test("of which the hub only counted some rows leaves with these as lost", () => {
    const { outbox } = makeOutbox();
    for (let i = 0; i < 5; i++) outbox.push(ACCOUNT, 1, reject(), 0);
    const { stream, number } = outbox.next(1_000, 8)!;
    const verdict = { stream, number, committed: 0, duplicate: 0, quarantined: 3 };
    expect(outbox.settle({ ...verdict, lost: 3 })).toBe("mismatch");
    expect(outbox.settle({ ...verdict, lost: 2 })).toBe("settled");
    expect(outbox.ledger()).toMatchObject({ received: 5, quarantined: 3, lost: 2, held: 0 });
    expect(isBalanced(outbox.ledger())).toBe(true);
  });

  test("that is refused stays with its stream, and the lane goes on in a fresh one", () => {
    const { outbox, events } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade({ capture: 1 }), 0);
    const refused = outbox.next(100, 8)!;
    outbox.push(ACCOUNT, 1, trade({ capture: 2 }), 100);
    outbox.refuse(refused.stream, refused.number, "BATCH_ID_REUSED");
    expect(events.at(-1)).toMatchObject({ event: "batch_refused", code: "BATCH_ID_REUSED" });
    outbox.rewind();
    const follower = outbox.next(200, 8)!;
    expect(follower.number).toBe(1);
    expect(follower.stream).not.toBe(refused.stream);
    expect(readHeader(follower.bytes).stream).toBe(follower.stream);
    expect(capturesOf(follower)).toEqual([2]);
    commit(outbox, follower);
    expect(outbox.drainEmpty()).toBe(true);
    expect(outbox.heldSpans()).toMatchObject([{ account: ACCOUNT, table: "trade", count: 1 }]);
    expect(isBalanced(outbox.ledger())).toBe(true);
  });
});

describe("a backlog", () => {
  function withBacklog(window: number) {
    const made = makeOutbox();
    for (let i = 1; i <= 30_000; i++) made.outbox.push(ACCOUNT, 1, trade({ capture: i }), i / 10);
    // Nobody asked for 5 s more; then the link is back and fresh rows come.
    made.outbox.next(8100, window);
    return made;
  }

  test("drains in a stream of its own, and fresh rows wait for one batch of it at most", () => {
    const { outbox } = withBacklog(8);
    const streams: string[] = [];
    for (let i = 0; i < 4; i++) {
      outbox.push(ACCOUNT, 1, trade({ capture: 40_000 + i }), 8200 + i * 100);
      const sent = [outbox.next(8300 + i * 100, 8), outbox.next(8300 + i * 100, 8)];
      expect(sent.some((parcel) => parcel && capturesOf(parcel).includes(40_000 + i))).toBe(true);
      for (const parcel of sent) if (parcel) streams.push(parcel.stream);
    }
    expect(new Set(streams).size).toBe(2);
  });

  test("gets its turn however fast fresh rows come", () => {
    const { outbox } = withBacklog(Infinity);
    const sent: number[] = [];
    for (let i = 0; i < 8; i++) {
      for (let row = 0; row < 1000; row++)
        outbox.push(ACCOUNT, 1, trade({ capture: 50_000 }), 8200);
      sent.push(capturesOf(outbox.next(8200, Infinity)!)[0]!);
    }
    expect(sent.filter((capture) => capture < 50_000)).toHaveLength(2);
  });

  test("joins the one before as long as that drains, so that streams stay few", () => {
    const { outbox } = makeOutbox({ rowsPerBatch: ones() });
    const streams = new Set<string>();
    for (let i = 1; i <= 100; i++) {
      outbox.push(ACCOUNT, 1, trade({ capture: i }), i * 6000);
      outbox.push(ACCOUNT, 1, trade({ capture: i }), i * 6000);
      const parcel = outbox.next(i * 6000, 1);
      if (parcel) streams.add(parcel.stream);
    }
    expect(streams.size).toBeLessThanOrEqual(2);
  });
});

describe("refilled trades", () => {
  test("travel as trades in a stream of their own, and have a ledger of their own", () => {
    const { outbox } = makeOutbox();
    outbox.pushBackfill(ACCOUNT, 3, trade({ capture: 1 }), 0);
    outbox.push(ACCOUNT, 3, trade({ capture: 1 }), 0);
    const [live, refilled] = sendAll(outbox, 100);
    expect(readHeader(live!.bytes)).toMatchObject({ table: "trade", origin: "live", epoch: 3 });
    expect(readHeader(refilled!.bytes)).toMatchObject({
      table: "trade",
      origin: "backfill",
      epoch: 3,
    });
    expect(refilled!.stream).not.toBe(live!.stream);
    commit(outbox, refilled!);
    const counted = { received: 1, committed: 1, held: 0 };
    expect(outbox.ledgerOf(ACCOUNT, "backfill")).toMatchObject(counted);
    expect(outbox.ledgerOf(ACCOUNT, "trade")).toMatchObject({ received: 1, committed: 0, held: 1 });
  });

  test("wait while anything else is due, and one batch at a time is under way", () => {
    const { outbox } = makeOutbox({ rowsPerBatch: ones() });
    for (let epoch = 1; epoch <= 3; epoch++) outbox.pushBackfill(ACCOUNT, epoch, trade(), 0);
    for (let i = 0; i < 5; i++) outbox.push(ACCOUNT, i, trade(), 5500);
    const tables = () => sendAll(outbox, 6000, 99).map(({ table }) => table);
    expect(tables()).toEqual([...Array<string>(5).fill("trade"), "backfill"]);
    expect(tables()).toEqual([]);
  });

  test("get no share of the link, however long they wait", () => {
    const { outbox, events } = makeOutbox({ rowsPerBatch: ones() });
    for (let epoch = 1; epoch <= 3; epoch++) outbox.pushBackfill(ACCOUNT, epoch, trade(), 0);
    for (let i = 0; i < 20; i++) {
      outbox.push(ACCOUNT, i, trade(), 60_000);
      const parcel = outbox.next(60_000, 99)!;
      expect(parcel.table).toBe("trade");
    }
    expect(events.filter(({ event }) => event === "backlog_set_apart")).toEqual([]);
  });
});

describe("a full outbox", () => {
  const small = { bytesMax: 40_000, quarantineShare: 1 };

  test("gives up books first, then status, then what could not be read, trades last", () => {
    const { outbox } = makeOutbox(small);
    for (let i = 0; i < 10; i++) {
      outbox.push(ACCOUNT, 1, book(), 0);
      outbox.push(ACCOUNT, 1, status(), 0);
      outbox.push(ACCOUNT, 1, reject(), 0);
    }
    const lost = () => ["book", "status", "quarantine", "trade"].map((table) => lossIn(table));
    const lossIn = (table: string) =>
      outbox.ledgerOf(ACCOUNT, table as Parameters<typeof outbox.ledgerOf>[1]).lost;
    const order: string[] = [];
    for (let i = 0; i < 400; i++) {
      const before = lost();
      // A row each of many accounts: none can be packed together with another.
      outbox.push(`kis:${i}`, 1, trade(), i);
      lost().forEach((count, table) => count > before[table]! && order.push("bsqt"[table]!));
    }
    expect(order.join("")).toBe("bsqt");
    expect(outbox.ledger().lost).toBeGreaterThan(30);
    expect(outbox.stats(400).bytes).toBeLessThanOrEqual(small.bytesMax);
    expect(isBalanced(outbox.ledger())).toBe(true);
  });

  test("gives up refilled trades before anything else, and nothing for them", () => {
    const { outbox } = makeOutbox(small);
    for (let i = 0; i < 10; i++) outbox.pushBackfill(ACCOUNT, i, trade(), 0);
    for (let i = 0; i < 20; i++) outbox.push(ACCOUNT, i, book(), 0);
    for (let i = 0; outbox.ledgerOf(ACCOUNT, "book").lost === 0; i++) {
      outbox.push(`kis:${i}`, 1, book(), i);
    }
    expect(outbox.ledgerOf(ACCOUNT, "backfill")).toMatchObject({ received: 10, lost: 10 });
    const { lost } = outbox.ledger();
    outbox.pushBackfill(ACCOUNT, 1, trade(), 500);
    expect(outbox.ledgerOf(ACCOUNT, "backfill").lost).toBe(11);
    expect(outbox.ledger().lost).toBe(lost + 1);
  });

  test("packs what it has before it gives up anything", () => {
    const { outbox } = makeOutbox({ bytesMax: 100_000 });
    for (let i = 1; i <= 5000; i++) {
      outbox.push(ACCOUNT, 1, trade({ capture: i, seq: i * 10 }), i);
    }
    expect(outbox.ledger()).toMatchObject({ held: 5000, lost: 0 });
  });

  test("keeps what was sent, and declares what comes instead", () => {
    const { outbox } = makeOutbox({ bytesMax: 4000, rowsPerBatch: ones() });
    for (let i = 1; i <= 100; i++) {
      outbox.push(ACCOUNT, 1, trade({ capture: i }), i);
      outbox.next(i, Infinity);
    }
    const { held, lost } = outbox.ledger();
    expect(held).toBeGreaterThan(5);
    expect(held + lost).toBe(100);
    outbox.rewind();
    const sent = sendAll(outbox, 1000);
    expect(sent.flatMap(capturesOf)).toEqual(Array.from({ length: held }, (_, i) => i + 1));
    expect(sent.reduce((sum, parcel) => sum + lossOf(parcel), 0)).toBe(lost);
    for (const parcel of sent) commit(outbox, parcel);
    expect(outbox.ledger()).toMatchObject({ committed: held, held: 0, lost });
  });

  test("leaves one tombstone where many neighbours were given up, with their span", () => {
    const { outbox } = makeOutbox({ bytesMax: 3000, rowsPerBatch: ones() });
    for (let i = 1; i <= 50; i++) outbox.push(ACCOUNT, 1, book({ edgeRecvMs: i }), i);
    const [tombstone, ...rest] = sendAll(outbox, 2000);
    const lost = lossOf(tombstone!);
    expect(lost).toBe(outbox.ledger().lost);
    expect(readHeader(tombstone!.bytes)).toMatchObject({ rows: 0, firstMs: 1, lastMs: lost });
    expect(rest.flatMap(capturesOf)).toHaveLength(50 - lost);
  });

  test("does not grow with tombstones either", () => {
    const { outbox } = makeOutbox({ bytesMax: 4000, tombstoneBytesReserved: 400 });
    for (let i = 1; i <= 10_000; i++) {
      outbox.push(ACCOUNT, i, trade({ capture: i }), i);
    }
    outbox.flush(10_001);
    const tombstones = sendAll(outbox, 10_001).filter((parcel) => lossOf(parcel) > 0);
    expect(tombstones.length).toBeLessThanOrEqual(3);
    expect(tombstones.reduce((sum, parcel) => sum + lossOf(parcel), 0)).toBe(outbox.ledger().lost);
  });

  test("gives up nothing for a row that is larger than all of it", () => {
    const { outbox } = makeOutbox({ bytesMax: 10_000 });
    for (let i = 0; i < 5; i++) outbox.push(ACCOUNT, 1, status(), 0);
    outbox.push(ACCOUNT, 1, status({ detail: "x".repeat(10_000) }), 0);
    expect(outbox.ledger()).toMatchObject({ held: 5, lost: 1 });
  });

  test("declares a row that no batch could hold", () => {
    const { outbox } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade({ session: 1000 }), 0);
    expect(outbox.ledger()).toMatchObject({ received: 1, lost: 1, held: 0 });
  });
});

describe("what could not be read", () => {
  test("travels within its budget; beyond it the first of each reason do", () => {
    const { outbox, events } = makeOutbox({
      quarantineBytesPerDay: 100_000,
      quarantineRowsAlwaysKept: 50,
    });
    for (let i = 0; i < 2000; i++) outbox.push(ACCOUNT, 1, reject(), i);
    const { held, lost } = outbox.ledgerOf(ACCOUNT, "quarantine");
    expect(held).toBeGreaterThan(400);
    expect(held).toBeLessThan(500);
    expect(lost).toBe(2000 - held);
    expect(events).toContainEqual(
      expect.objectContaining({ event: "loss_began", reason: "quarantine_full" }),
    );
    for (let i = 0; i < 2000; i++) outbox.push(ACCOUNT, 1, reject({ code: "RECORD_WIDTH" }), 2000);
    expect(outbox.ledgerOf(ACCOUNT, "quarantine").held).toBe(held + 50);
    expect(sendAll(outbox, 5000).filter(({ rows }) => rows > 0)).toHaveLength(1);
  });

  test("has a new budget the next day", () => {
    const { outbox } = makeOutbox({ quarantineBytesPerDay: 0, quarantineRowsAlwaysKept: 1 });
    const dayMs = 86_400_000;
    for (const nowMs of [0, 1, dayMs - 1, dayMs, dayMs + 1]) {
      outbox.push(ACCOUNT, 1, reject(), nowMs);
    }
    expect(outbox.ledger()).toMatchObject({ held: 2, lost: 3 });
  });

  test("never takes the place of a tick", () => {
    const { outbox } = makeOutbox({ bytesMax: 20_000 });
    for (let i = 0; i < 15; i++) outbox.push(ACCOUNT, 1, book(), 0);
    for (let i = 0; i < 1000; i++) outbox.push(ACCOUNT, 1, reject(), 1);
    expect(outbox.ledgerOf(ACCOUNT, "book")).toMatchObject({ held: 15, lost: 0 });
  });
});

describe("how long it lasts", () => {
  test("is a minute of ten times the market's open, and more, in the memory it has by default", () => {
    // A tenth of both: 6 s of 20,000 trades and 10,000 books a second.
    const bytesMax = (SETTINGS.TICKHUB_OUTBOX_MB.schema.parse(undefined) * 2 ** 20) / 10;
    const { outbox } = makeOutbox({ bytesMax });
    let price = 70_000;
    for (let n = 0; n < 120_000; n++) {
      const nowMs = n / 20;
      const symbol = `0${5_930 + (n % 100)}`;
      const stamps = { symbol, edgeRecvMs: 1.7e12 + nowMs, capture: n };
      price += (n * 7_919) % 3 === 0 ? 100 : -50;
      outbox.push(ACCOUNT, 1, trade({ ...stamps, seq: 7 * n, size: 1 + (n % 97), price }), nowMs);
      if (n % 2 === 1) continue;
      const levels = Float64Array.from({ length: 40 }, (_, i) =>
        i % 20 < 10 ? price + 100 * i : (31 * n * (i + 1)) % 5_000,
      );
      outbox.push(ACCOUNT, 1, book({ ...stamps, levels }), nowMs);
    }
    expect(outbox.ledger()).toMatchObject({ received: 180_000, held: 180_000, lost: 0 });
    expect(outbox.stats(6_000).secondsLeft).toBeGreaterThan(6);
  });

  test("is told in seconds of the recent rate", () => {
    const { outbox } = makeOutbox({ bytesMax: 10 ** 6 });
    expect(outbox.stats(0).secondsLeft).toBe(86_400);
    for (let i = 0; i < 60_000; i++) outbox.push(ACCOUNT, 1, trade({ seq: i * 10 }), i);
    const atFullRate = outbox.stats(60_000);
    // 1,000 rows a second of a few bytes each.
    expect(atFullRate.secondsLeft).toBeGreaterThan(20);
    expect(atFullRate.secondsLeft).toBeLessThan(1000);
    expect(atFullRate).toMatchObject({ rows: 60_000, oldestMs: 60_000 });
    expect(outbox.stats(160_000).secondsLeft).toBeGreaterThan(10 * atFullRate.secondsLeft);
  });

  test("at the end everything is due at once, and what stays behind is told", () => {
    const { outbox } = makeOutbox();
    outbox.push(ACCOUNT, 1, trade({ edgeRecvMs: 5 }), 0);
    outbox.push(ACCOUNT, 1, trade({ edgeRecvMs: 7 }), 0);
    outbox.push(ACCOUNT, 1, book({ edgeRecvMs: 6 }), 0);
    outbox.flush(1);
    expect(outbox.heldSpans()).toEqual([
      { account: ACCOUNT, table: "trade", count: 2, firstMs: 5, lastMs: 7 },
      { account: ACCOUNT, table: "book", count: 1, firstMs: 6, lastMs: 6 },
    ]);
    for (const parcel of sendAll(outbox, 1)) commit(outbox, parcel);
    expect(outbox.drainEmpty()).toBe(true);
    expect(outbox.heldSpans()).toEqual([]);
  });
});

function ones() {
  return { trade: 1, book: 1, status: 1, quarantine: 1, news: 1, log: 1 };
}
