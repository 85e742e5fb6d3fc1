import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import { isBalanced } from "../../app/shared/tick.ts";
import { openPool } from "../../app/store/database.ts";
import { ledgers } from "../../app/store/ledger.ts";
import type { Verdict } from "../../app/shared/tick.ts";
import { BatchWriter, type BatchWriterOptions } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { book, OPEN_MS, reject, status, TestStream, trade, trades } from "./batches.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = openPool(database.url, { connectionsMax: 6, name: "writer-test" });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await pool.query(
    "truncate trade, book, status, quarantine, stream, ingest_batch, loss, lease, lease_epoch restart identity",
  );
});

const writerWith = (options: Partial<BatchWriterOptions> = {}) =>
  new BatchWriter({ pool, clock: systemClock, connectionsMax: 4, ...options });

async function ask<T = number>(sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await pool.query<Record<string, T>>(sql, values);
  return Object.values(rows[0]!)[0]!;
}
const countTrades = () => ask("select count(*)::int from trade");

/** Resolves once `holds` does, asked again and again. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((next) => setImmediate(next));
}

/** Nobody else can write to `table` while `run` runs, so that a COPY into it is surely under way. */
async function whileLocked(table: string, run: () => Promise<void>): Promise<void> {
  const blocker = await pool.connect();
  try {
    await blocker.query(`begin; lock table ${table} in exclusive mode`);
    await run();
  } finally {
    await blocker.query("rollback");
    blocker.release();
  }
}

describe("a stored batch", () => {
  it("has every field of a trade in its column", async () => {
    const stream = new TestStream();
    const rows = [trade(0), trade(3, { ask: Number.NaN, chain: 2, sellCount: -1, side: 0 })];
    const verdict = await writerWith().write(stream.next(rows), stream.from);
    const counts = { committed: 2, duplicate: 0, quarantined: 0, lost: 0 };
    expect(verdict).toEqual({ stream: stream.id, number: 1, ...counts });
    const { rows: stored } = await pool.query<Record<string, unknown>>(
      `select *, extract(epoch from ts) * 1000 as ts_ms, day::text as day,
         extract(epoch from edge_recv) * 1000 as recv_ms from trade order by capture`,
    );
    expect(stored[0]).toMatchObject({
      ...{
        symbol: "005930",
        venue: "KRX",
        source: "kis:1",
        day: "2026-11-23",
        chain: 0,
        seq: "10",
      },
      ...{ price: 71_000, size: "10", side: 1, session: 2, ask: 71_100, bid: null, origin: 0 },
      ...{ sell_count: "0", buy_count: null, capture: "1", extra: "field 0", stream: 1 },
    });
    expect(Number(stored[0]!["ts_ms"])).toBe(OPEN_MS);
    expect(Number(stored[0]!["recv_ms"])).toBe(OPEN_MS + 0.125);
    expect(stored[1]).toMatchObject({
      ask: null,
      chain: 2,
      sell_count: null,
      side: 0,
      extra: null,
    });
  });

  it("has every field of a book, a status and a reject in its column", async () => {
    const [books, statuses, rejects] = [new TestStream(), new TestStream(), new TestStream()];
    const writer = writerWith();
    await writer.write(books.next([book(1)]), books.from);
    await writer.write(statuses.next([status(1)]), statuses.from);
    const verdict = await writer.write(rejects.next([reject(1)]), rejects.from);
    expect(verdict).toMatchObject({ committed: 0, quarantined: 1 });
    const stored = (await pool.query<Record<string, unknown>>("select * from book")).rows[0]!;
    expect(stored).toMatchObject({
      ask_total: "1045",
      bid_total: null,
      expected_price: null,
      seq: "10",
    });
    expect(stored["ask_price"]).toEqual(Array.from({ length: 10 }, (_, i) => 71_100 + i));
    expect(stored["bid_size"]).toEqual(Array.from({ length: 10 }, (_, i) => String(201 + i)));
    expect((await pool.query("select what, code, detail from status")).rows).toEqual([
      { what: "vi", code: "1", detail: { i: 1 } },
    ]);
    expect((await pool.query("select code, bytes, source from quarantine")).rows).toEqual([
      { code: "RECORD_WIDTH", bytes: Buffer.from("005930^1\0^"), source: "kis:1" },
    ]);
  });

  it("says in each row how it came, also where batches of several origins share a transaction", async () => {
    const [stream, books] = [new TestStream(), new TestStream()];
    const writer = writerWith();
    await writer.write(stream.next(trades(1)), stream.from);
    const origins = ["live", "backfill", "transfer", "backfill"] as const;
    const waiting = origins.map((origin, i) => {
      stream.origin = origin;
      return stream.next(trades(10, 10 * (i + 1)));
    });
    await Promise.all(waiting.map((bytes) => writer.write(bytes, stream.from)));
    expect(await ask("select count(distinct committed_at)::int from ingest_batch")).toBeLessThan(4);
    // The careful way, through the temporary table: its first row is there already, and stays live.
    stream.origin = "backfill";
    const mixed = await writer.write(stream.next(trades(5, 0)), stream.from);
    expect(mixed).toMatchObject({ committed: 4, duplicate: 1 });
    books.origin = "transfer";
    await writer.write(books.next([book(1)]), books.from);
    const { rows } = await pool.query(
      "select origin, count(*)::int as n from trade group by 1 order by 1",
    );
    expect(rows).toEqual([
      { origin: 0, n: 11 },
      { origin: 1, n: 24 },
      { origin: 2, n: 10 },
    ]);
    expect(await ask("select origin from trade order by seq limit 1")).toBe(0);
    expect(await ask("select origin from book")).toBe(2);
  });

  it("is stored once however often it is sent, and each time told its first verdict", async () => {
    const stream = new TestStream();
    const batches = [
      stream.next(trades(10)),
      stream.next(trades(10, 10)),
      stream.next(trades(10, 20)),
    ];
    const writer = writerWith();
    for (const bytes of batches) await writer.write(bytes, stream.from);
    for (const again of [writer, writerWith()]) {
      for (const bytes of batches) {
        expect(await again.write(bytes, stream.from)).toMatchObject({
          committed: 10,
          duplicate: 0,
        });
      }
    }
    expect(await countTrades()).toBe(30);
    expect(await ask("select received::int from stream")).toBe(30);
  });

  it("is told its first verdict with all its parts", async () => {
    const stream = new TestStream();
    const writer = writerWith();
    await writer.write(stream.next(trades(5)), stream.from);
    const mixed = stream.next([
      ...trades(10),
      ...trades(1, 3).map((row) => ({ ...row, price: 1 })),
    ]);
    const first = await writer.write(mixed, stream.from);
    expect(first).toMatchObject({ committed: 5, duplicate: 5, quarantined: 1 });
    expect(await writerWith().write(mixed, stream.from)).toEqual(first);
    expect(await ask("select count(*)::int from quarantine where code = 'KEY_CONFLICT'")).toBe(1);
  });

  it("counts as duplicates when its statistics are gone, or when a tape is replayed again", async () => {
    const stream = new TestStream();
    const bytes = stream.next(trades(10));
    await writerWith().write(bytes, stream.from);
    const replayed = await writerWith({ unleased: true }).write(bytes, stream.from);
    expect(replayed).toMatchObject({ committed: 0, duplicate: 10 });
    await pool.query("delete from ingest_batch");
    expect(await writerWith().write(bytes, stream.from)).toMatchObject({
      committed: 0,
      duplicate: 10,
    });
  });

  it("is stored once when two processes send it at the same moment", async () => {
    const stream = new TestStream();
    const writers = [writerWith(), writerWith()];
    for (let number = 1; number <= 3; number++) {
      // Books: no key of theirs would stop a second copy.
      const bytes = stream.next(Array.from({ length: 50 }, (_, i) => book(i)));
      let writing: Promise<Verdict[]> = Promise.resolve([]);
      await whileLocked("book", async () => {
        writing = Promise.all(writers.map((writer) => writer.write(bytes, stream.from)));
        const waiting = `select count(*)::int from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        await until(async () => (await ask(waiting)) === 2);
      });
      const verdicts = await writing;
      expect(verdicts.map(({ committed }) => committed)).toEqual([50, 50]);
    }
    expect(await ask("select count(*)::int from book")).toBe(150);
  });

  it("waits for the batch before it: a hole is refused with the number expected", async () => {
    const stream = new TestStream();
    const writer = writerWith();
    await writer.write(stream.next(trades(5)), stream.from);
    const third = stream.next(trades(5, 10), 3);
    const hole = { code: "STREAM_HOLE", retry: true, context: { expected: 2 } };
    await expect(writer.write(third, stream.from)).rejects.toMatchObject(hole);
    await expect(writerWith().write(third, stream.from)).rejects.toMatchObject(hole);
    await writer.write(stream.next(trades(5, 5), 2), stream.from);
    await writer.write(third, stream.from);
    expect(await countTrades()).toBe(15);
  });

  it("cannot take the number of another, nor its stream the account of another", async () => {
    const stream = new TestStream();
    const writer = writerWith();
    await writer.write(stream.next(trades(5)), stream.from);
    await writer.write(stream.next(trades(5, 5)), stream.from);
    for (const number of [1, 2]) {
      const other = stream.next(trades(5, 90), number);
      const refused = expect(writer.write(other, stream.from)).rejects;
      await refused.toMatchObject({ code: "BATCH_ID_REUSED" });
    }
    const thief = new TestStream("kis:2");
    Object.assign(thief, { id: stream.id });
    const stolen = expect(writer.write(thief.next(trades(1), 3), thief.from)).rejects;
    await stolen.toMatchObject({ code: "BATCH_ID_REUSED" });
    expect(await countTrades()).toBe(10);
  });

  it("shares a transaction with those that wait behind it", async () => {
    const stream = new TestStream();
    const writer = writerWith({ groupMax: { batches: 10, rows: 1_000 } });
    await writer.write(stream.next(trades(1)), stream.from);
    const waiting = Array.from({ length: 30 }, (_, i) => stream.next(trades(10, 10 * (i + 1))));
    const verdicts = await Promise.all(waiting.map((bytes) => writer.write(bytes, stream.from)));
    expect(verdicts.map(({ number, committed }) => [number, committed])).toEqual(
      waiting.map((_, i) => [i + 2, 10]),
    );
    expect(
      await ask("select count(distinct committed_at)::int from ingest_batch"),
    ).toBeLessThanOrEqual(5);
    expect(await countTrades()).toBe(301);
  });

  it("keeps its place when a tombstone stands between rows", async () => {
    const stream = new TestStream();
    const writer = writerWith();
    const sent = [stream.next(trades(10)), stream.next(trades(10, 10)), stream.tombstone(777)];
    sent.push(stream.next(trades(10, 20)));
    const verdicts = await Promise.all(sent.map((bytes) => writer.write(bytes, stream.from)));
    expect(verdicts[2]).toMatchObject({ number: 3, committed: 0, lost: 777 });
    expect((await pool.query("select number, count, reason from loss")).rows).toEqual([
      { number: "3", count: "777", reason: "outbox_full" },
    ]);
    const ledger = (await ledgers(pool))["kis:1"]!;
    expect(ledger).toMatchObject({ received: 807, committed: 30, lost: 777 });
    expect(isBalanced(ledger)).toBe(true);
  });
});

describe("a row the database has already, or cannot hold", () => {
  it("counts as a duplicate when its key and values are stored, in the batch or before it", async () => {
    const [live, refill] = [new TestStream(), new TestStream()];
    const writer = writerWith();
    await writer.write(live.next(trades(100)), live.from);
    const mixed = [...trades(60, 80), trade(130), trade(139)];
    const verdict = await writer.write(refill.next(mixed), refill.from);
    expect(verdict).toMatchObject({ committed: 40, duplicate: 22, quarantined: 0 });
    const again = await writer.write(refill.next(trades(10, 135)), refill.from);
    expect(again).toMatchObject({ committed: 5, duplicate: 5 });
    expect(await countTrades()).toBe(145);
    expect((await ledgers(pool))["kis:1"]).toMatchObject({
      received: 172,
      committed: 145,
      duplicate: 27,
    });
  });

  it("goes to quarantine as KEY_CONFLICT when its key has another price or size", async () => {
    const [live, other] = [new TestStream(), new TestStream()];
    const writer = writerWith();
    await writer.write(live.next(trades(10)), live.from);
    const conflicting = [trade(3, { price: 1 }), trade(4, { size: 11 }), trade(5), trade(50)];
    conflicting.push(trade(50, { price: 2 }));
    const verdict = await writer.write(other.next(conflicting), other.from);
    expect(verdict).toMatchObject({ committed: 1, duplicate: 1, quarantined: 3 });
    const { rows } = await pool.query<{ code: string; bytes: Buffer }>(
      "select code, bytes from quarantine order by id",
    );
    expect(rows.map(({ code }) => code)).toEqual(Array(3).fill("KEY_CONFLICT"));
    const prices = rows.map(
      ({ bytes }) => (JSON.parse(bytes.toString()) as { price: number }).price,
    );
    expect(prices.sort((a, b) => a - b)).toEqual([1, 2, trade(4).price]);
    expect(await ask("select price from trade where capture = 4")).toBe(trade(3).price);
  });

  it("goes to quarantine alone: the other 999 of its batch are stored", async () => {
    const stream = new TestStream();
    const events: Event[] = [];
    const writer = writerWith({ onEvent: (event) => events.push(event) });
    await writer.write(stream.next(trades(1)), stream.from);
    const rows = trades(1_000, 1);
    rows[500] = trade(501, { price: Number.POSITIVE_INFINITY });
    const verdict = await writer.write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 999, quarantined: 1 });
    const { rows: kept } = await pool.query<{ code: string; reason: string; bytes: Buffer }>(
      "select code, reason, bytes from quarantine",
    );
    expect(kept).toMatchObject([{ code: "ROW_INVALID", reason: "price Infinity is no number" }]);
    expect(JSON.parse(kept[0]!.bytes.toString())).toMatchObject({ seq: 5_020, price: "Infinity" });
    const reason = "price Infinity is no number";
    const fields = { source: "kis:1", code: "ROW_INVALID", count: 1, reason };
    expect(events).toEqual([{ event: "record_quarantined", ...fields }]);
  });

  it.each([
    ["a day the calendar does not have", { day: 20260231 }],
    ["a fraction of a share", { size: 0.5 }],
    ["a cumulative volume beyond exact integers", { seq: 2 ** 60 }],
    ["a time beyond all calendars", { exchangeMs: 1e18 }],
    ["a NUL in a text", { extra: "a\0b" }],
    ["a NUL in its symbol", { symbol: "00\x005930" }],
    ["a chain beyond smallint", { chain: 40_000 }],
  ])("is found before it is sent: %s", async (_, over) => {
    const stream = new TestStream();
    const rows = trades(20);
    rows[7] = trade(7, over);
    const verdict = await writerWith().write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 19, quarantined: 1 });
    expect(await ask<string>("select code from quarantine")).toBe("ROW_INVALID");
  });

  it("is found by halving when only the database knows that it is bad", async () => {
    await pool.query("alter table trade add constraint odd check (price not in (666, 667))");
    try {
      const stream = new TestStream();
      const rows = trades(1_000);
      rows[3] = trade(3, { price: 666 });
      rows[998] = trade(998, { price: 667 });
      const client = await pool.connect();
      const submit = vi.spyOn(client, "query");
      const one = { connect: () => Promise.resolve(client) } as unknown as pg.Pool;
      const verdict = await writerWith({ pool: one }).write(stream.next(rows), stream.from);
      expect(verdict).toMatchObject({ committed: 998, quarantined: 2 });
      // begin, the first try, one more for each of two, their log2(1000), the rest, the end.
      expect(submit.mock.calls.length).toBeLessThanOrEqual(2 + 2 * (1 + 10) + 2);
    } finally {
      await pool.query("alter table trade drop constraint odd");
    }
    expect(await ask("select count(*)::int from quarantine where code = 'ROW_INVALID'")).toBe(2);
  });

  it("is found by halving in a table without a key too", async () => {
    const stream = new TestStream();
    const rows = Array.from({ length: 9 }, (_, i) => status(i));
    rows[4] = status(4, { detail: '{"text":"\\u0000"}' }); // JSON to us, not to jsonb
    const verdict = await writerWith().write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 8, quarantined: 1 });
    expect(await ask<string>("select reason from quarantine")).toContain("Unicode");
  });
});

describe("rows captured outside a lease", () => {
  const holder = randomUUID();
  const grant = (epoch: number, ended: string | null) =>
    pool.query(
      `insert into lease_epoch (account, epoch, holder, edge, granted_at, ended_at)
       values ('kis:1', $1, $2, 'edge-1', now(), $3::timestamptz)`,
      [epoch, holder, ended],
    );

  it("go to quarantine, while those captured before its end are stored however late", async () => {
    await grant(7, new Date(OPEN_MS + 450).toISOString());
    const stream = new TestStream("kis:1", 7, holder);
    const writer = writerWith();
    const first = await writer.write(stream.next(trades(3)), stream.from);
    expect(first).toMatchObject({ committed: 3 });
    const verdict = await writer.write(stream.next(trades(7, 3)), stream.from);
    expect(verdict).toMatchObject({ committed: 2, quarantined: 5 });
    expect(await ask("select count(*)::int from quarantine where code = 'OUTSIDE_LEASE'")).toBe(5);
    expect(await ask("select max(capture)::int from trade")).toBe(5);
  });

  it("are all rows of an epoch that was never this holder's", async () => {
    await grant(7, null);
    const stranger = new TestStream("kis:1", 7);
    const verdict = await writerWith().write(stranger.next(trades(4)), stranger.from);
    expect(verdict).toMatchObject({ committed: 0, quarantined: 4 });
  });

  it("need no epoch where the account has no lease, or where a tape is replayed", async () => {
    const free = new TestStream("tape:1", 0);
    expect(await writerWith().write(free.next(trades(2)), free.from)).toMatchObject({
      committed: 2,
    });
    await pool.query("insert into lease (account) values ('kis:1')");
    const leased = new TestStream("kis:1", 0);
    const refused = await writerWith().write(leased.next(trades(2)), leased.from);
    expect(refused).toMatchObject({ quarantined: 2 });
    const tape = writerWith({ unleased: true });
    expect(await tape.write(leased.next(trades(2)), leased.from)).toMatchObject({ committed: 2 });
  });
});

describe("a failing database", () => {
  it("that drops the connection in mid-COPY has stored nothing, and stores once on retry", async () => {
    const stream = new TestStream();
    const batches = [stream.next(trades(10)), stream.next(trades(200, 10))];
    const writer = writerWith({ connectionsMax: 1 });
    await writer.write(batches[0]!, stream.from);
    await whileLocked("trade", async () => {
      const writing = writer.write(batches[1]!, stream.from);
      const refused = expect(writing).rejects.toMatchObject({
        code: "DATABASE_UNREACHABLE",
        retry: true,
      });
      const kill = `select count(pg_terminate_backend(pid))::int from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like 'copy public.trade%'`;
      await until(async () => (await ask(kill)) === 1);
      await refused;
    });
    expect(await countTrades()).toBe(10);
    const again = await writer.write(batches[1]!, stream.from);
    expect(again).toMatchObject({ committed: 200, duplicate: 0 });
    expect(await countTrades()).toBe(210);
    expect(await ask("select received::int from stream")).toBe(210);
  });

  it("that does not answer is given up on, and the batch stays with its sender", async () => {
    const nowhere = openPool("postgres://nobody:x@127.0.0.1:9/none", {
      connectionsMax: 1,
      name: "x",
    });
    const stream = new TestStream();
    const writing = writerWith({ pool: nowhere }).write(stream.next(trades(1)), stream.from);
    await expect(writing).rejects.toMatchObject({ code: "DATABASE_UNREACHABLE" });
    await nowhere.end();
  });

  it("is asked to find a client that vanished in as long as it was told", async () => {
    const shown = async (peerGoneMs?: number) => {
      const limit = peerGoneMs === undefined ? {} : { peerGoneMs };
      const asked = openPool(database.url, { connectionsMax: 1, name: "x", ...limit });
      const names = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout"];
      const { rows } = await asked.query<{ setting: string }>(
        "select setting from pg_settings where name = any ($1) order by name",
        [names],
      );
      await asked.end();
      return rows.map(({ setting }) => setting);
    };
    expect(await shown()).toEqual(["10", "5", "25000"]);
    expect(await shown(5_000)).toEqual(["2", "1", "5000"]);
  });

  it("that cannot go on within its time limit has stored nothing", async () => {
    const hasty = openPool(database.url, {
      connectionsMax: 1,
      name: "hasty",
      statementTimeoutMs: 200,
    });
    const stream = new TestStream();
    const bytes = stream.next(trades(3));
    const writer = writerWith({ pool: hasty, connectionsMax: 1 });
    await whileLocked("trade", async () => {
      const refused = expect(writer.write(bytes, stream.from)).rejects;
      await refused.toMatchObject({ code: "DATABASE_SLOW", retry: true });
    });
    expect(await writer.write(bytes, stream.from)).toMatchObject({ committed: 3 });
    await hasty.end();
  });

  it("never makes more wait than the limit", async () => {
    const stream = new TestStream();
    const batches = [stream.next(trades(100)), stream.next(trades(100, 100))];
    const writer = writerWith({ limits: { pendingBytesMax: batches[0]!.length + 10 } });
    const first = writer.write(batches[0]!, stream.from);
    await expect(writer.write(batches[1]!, stream.from)).rejects.toMatchObject({
      code: "DATABASE_BUSY",
    });
    await first;
    await writer.write(batches[1]!, stream.from);
    expect(await countTrades()).toBe(200);
  });

  it("is not asked about a batch that cannot be read or is too large", async () => {
    const stream = new TestStream();
    const writer = writerWith({ limits: { rowsMax: 50 } });
    const large = expect(writer.write(stream.next(trades(51)), stream.from)).rejects;
    await large.toMatchObject({ code: "BATCH_TOO_LARGE" });
    const bytes = stream.next(trades(5), 1);
    bytes[bytes.length - 1]! ^= 0xff;
    await expect(writer.write(bytes, stream.from)).rejects.toMatchObject({ code: "BATCH_CORRUPT" });
    const unnumbered = stream.next(trades(5), 0);
    await expect(writer.write(unnumbered, stream.from)).rejects.toMatchObject({
      code: "BATCH_CORRUPT",
    });
  });
});
