// What the way in does when there is too much of something: bad rows, time, quarantine.
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Event } from "../../app/shared/events.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { isBalanced } from "../../app/shared/tick.ts";
import type { Reject } from "../../app/shared/tick.ts";
import { openPool } from "../../app/store/database.ts";
import { ledgers } from "../../app/store/ledger.ts";
import { BatchWriter, type BatchWriterOptions } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { tapWire } from "../support/wire-tap.ts";
import { book, reject, TestStream, trade, trades } from "./batches.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = openPool(database.url, { connectionsMax: 6, name: "overload-test" });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await pool.query(
    "truncate trade, book, status, quarantine, quarantine_day, stream, ingest_batch, loss restart identity",
  );
});

const writerWith = (options: Partial<BatchWriterOptions> = {}) =>
  new BatchWriter({ pool, clock: systemClock, connectionsMax: 4, ...options });

async function ask<T = number>(sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await pool.query<Record<string, T>>(sql, values);
  return Object.values(rows[0]!)[0]!;
}

describe("one bad row among 1,000", () => {
  const ROWS = 1_000;
  let tap: Awaited<ReturnType<typeof tapWire>>;
  let tapped: pg.Pool;
  beforeAll(async () => {
    tap = await tapWire(database.url);
    tapped = openPool(tap.url, { connectionsMax: 1, name: "tapped" });
    await pool.query(
      "alter table trade add constraint odd check (price < 1e9); alter table book add check (seq >= 0)",
    );
  });
  afterAll(async () => {
    await tapped.end();
    await tap.close();
  });

  async function tripsOf(run: () => Promise<unknown>): Promise<number> {
    const before = tap.roundTrips();
    await run();
    return tap.roundTrips() - before;
  }

  it.each([0, 1, 499, 500, 998, 999])(
    "as number %i, that only the database knows is bad: 999 stored, at most log2(n) round trips more",
    async (at) => {
      const stream = new TestStream();
      const writer = writerWith({ pool: tapped, connectionsMax: 1 });
      await writer.write(stream.next(trades(1)), stream.from);
      const plain = await tripsOf(() => writer.write(stream.next(trades(ROWS, 1)), stream.from));
      expect(plain).toBe(1);
      const rows = trades(ROWS, ROWS + 1);
      rows[at] = { ...rows[at]!, price: 2e9 };
      const bytes = stream.next(rows);
      const trips = await tripsOf(async () => {
        const verdict = await writer.write(bytes, stream.from);
        expect(verdict).toMatchObject({ committed: ROWS - 1, duplicate: 0, quarantined: 1 });
      });
      expect(trips - plain).toBeLessThanOrEqual(Math.log2(ROWS));
      const { rows: kept } = await pool.query<{ code: string; reason: string; bytes: Buffer }>(
        "select code, reason, bytes from quarantine",
      );
      expect(kept).toMatchObject([{ code: "ROW_INVALID" }]);
      expect(kept[0]!.reason).toContain('violates check constraint "odd"');
      expect(JSON.parse(kept[0]!.bytes.toString())).toMatchObject({ capture: ROWS + at + 2 });
      expect(await ask("select count(*)::int from trade")).toBe(1 + ROWS + ROWS - 1);
    },
  );

  it("of books, in the first batch of a stream, and seen before it was sent, costs no more", async () => {
    const writer = writerWith({ pool: tapped, connectionsMax: 1 });
    const good = Array.from({ length: ROWS }, (_, i) => book(i));
    const first = new TestStream();
    const careful = await tripsOf(() => writer.write(first.next(good), first.from));
    for (const over of [{ seq: -2 }, { expectedSize: 0.5 }]) {
      const stream = new TestStream();
      const bytes = stream.next(good.map((row, i) => (i === 700 ? { ...row, ...over } : row)));
      const trips = await tripsOf(async () => {
        expect(await writer.write(bytes, stream.from)).toMatchObject({ committed: 999 });
      });
      expect(trips - careful).toBeLessThanOrEqual(Math.log2(ROWS));
    }
    expect(await ask("select count(*)::int from book")).toBe(2_998);
  });

  it("and a hundred of them: each is refused alone", async () => {
    const stream = new TestStream();
    const rows = trades(ROWS).map((row, i) => (i % 10 === 3 ? { ...row, price: 2e9 } : row));
    const verdict = await writerWith().write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 900, quarantined: 100 });
    expect(await ask("select count(*)::int from quarantine where reason like '%odd%'")).toBe(100);
    expect(await ask("select count(distinct capture)::int from trade")).toBe(900);
  });

  it.each([
    ["another line", (text: string) => text.replace(/, line \d/, ", line 4")],
    ["no line", (text: string) => text.replace(/, line (\d+)/, (said) => "x".repeat(said.length))],
  ])("is found by halving when the server names %s", async (_, change) => {
    const liar = await tapWire(database.url, (bytes) =>
      Buffer.from(change(bytes.toString("latin1")), "latin1"),
    );
    const misled = openPool(liar.url, { connectionsMax: 1, name: "misled" });
    const stream = new TestStream();
    const rows = trades(ROWS);
    for (const at of [0, 333, 998]) rows[at] = { ...rows[at]!, price: 2e9 };
    const writer = writerWith({ pool: misled, connectionsMax: 1 });
    const verdict = await writer.write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 997, quarantined: 3 });
    const kept = "select array_agg(capture::int order by capture) from quarantine";
    expect(await ask<number[]>(kept)).toEqual([1, 334, 999]);
    await misled.end();
    await liar.close();
  });
});

describe("a slow database", () => {
  it("costs one time limit, not one a batch, and gives back all that waits in the stream", async () => {
    const hasty = openPool(database.url, {
      connectionsMax: 2,
      name: "hasty",
      statementTimeoutMs: 300,
    });
    const stream = new TestStream();
    const writer = writerWith({ pool: hasty, groupMax: { batches: 5, rows: 1_000 } });
    await writer.write(stream.next(trades(1)), stream.from);
    const batches = Array.from({ length: 20 }, (_, i) => stream.next(trades(10, 10 * i + 1)));
    const blocker = await pool.connect();
    await blocker.query("begin; lock table trade in exclusive mode");
    const startMs = performance.now();
    const outcomes = await Promise.allSettled(
      batches.map((bytes) => writer.write(bytes, stream.from)),
    );
    const tookMs = performance.now() - startMs;
    await blocker.query("rollback");
    blocker.release();
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ reason: { code: "DATABASE_SLOW", retry: true } });
    expect(tookMs).toBeLessThan(900);
    for (const bytes of batches) await writer.write(bytes, stream.from);
    expect(await ask("select count(*)::int from trade")).toBe(201);
    await hasty.end();
  });

  it("gives back what has waited so long that the answer would come too late", async () => {
    const clock = new FakeClock();
    const [first, second] = [new TestStream(), new TestStream()];
    const writer = writerWith({ clock, connectionsMax: 1, limits: { waitMaxMs: 20_000 } });
    const blocker = await pool.connect();
    await blocker.query("begin; lock table trade in exclusive mode");
    const stored = writer.write(first.next(trades(5)), first.from);
    const late = second.next(trades(5, 5));
    const refused = expect(writer.write(late, second.from)).rejects.toMatchObject({
      code: "DATABASE_BUSY",
      retry: true,
    });
    clock.advance(20_001);
    await blocker.query("rollback");
    blocker.release();
    await stored;
    await refused;
    expect(await writer.write(late, second.from)).toMatchObject({ committed: 5 });
  });
});

describe("quarantine beyond its budget of the day", () => {
  const MIB = 2 ** 20;
  const KEPT_ALWAYS = 1_000;
  /** As if the day had had so many bytes already. */
  const spend = (bytes: number, source = "kis:1") =>
    pool.query(
      `insert into quarantine_day (source, day, code, rows, bytes)
       values ($1, (now() at time zone 'Asia/Seoul')::date, 'FRAME_GRAMMAR', 5, $2)`,
      [source, bytes],
    );
  const rejects = (count: number, over: Partial<Reject> = {}) =>
    Array.from({ length: count }, (_, i) => ({ ...reject(i), ...over }));
  const books = async () => {
    const ledger = (await ledgers(pool))["kis:1"]!;
    expect(isBalanced(ledger)).toBe(true);
    const sums = await pool.query(
      `select sum(committed)::int as committed, sum(quarantined)::int as quarantined, sum(lost)::int as lost
       from ingest_batch`,
    );
    const { committed, quarantined, lost } = ledger;
    expect(sums.rows).toEqual([{ committed, quarantined, lost }]);
    expect(await ask("select count(*)::int from quarantine")).toBe(quarantined);
    expect(await ask("select coalesce(sum(count), 0)::int from loss")).toBe(lost);
    return ledger;
  };

  it("keeps the first 1,000 of each reason and counts the rest as lost, and each sender hears it", async () => {
    await spend(64 * MIB);
    const events: Event[] = [];
    const writer = writerWith({ onEvent: (event) => events.push(event) });
    const stream = new TestStream();
    const sent = [
      [...rejects(600), ...rejects(300, { code: "FRAME_NOT_JSON" })],
      [...rejects(600), ...rejects(800, { code: "FRAME_NOT_JSON" })],
    ].map((rows) => stream.next(rows));
    const verdicts = [];
    for (const bytes of sent) verdicts.push(await writer.write(bytes, stream.from));
    expect(verdicts).toMatchObject([
      { committed: 0, quarantined: 900, lost: 0 },
      { committed: 0, quarantined: 400 + 700, lost: 200 + 100 },
    ]);
    const again = await writerWith().write(sent[1]!, stream.from);
    expect(again).toEqual(verdicts[1]);
    expect(await books()).toMatchObject({ received: 2_300, quarantined: 2_000, lost: 300 });
    expect(await ask<string>("select reason from loss")).toBe("quarantine_full");
    expect(events).toEqual([{ event: "quarantine_overflowed", source: "kis:1", count: 300 }]);
    // The first of each reason are those that came first.
    expect(await ask("select max(capture)::int from quarantine where code = 'RECORD_WIDTH'")).toBe(
      600,
    );
  });

  it("is one for a source, whatever stream, reason or way its rows take", async () => {
    await spend(64 * MIB - 10_000);
    const writer = writerWith();
    const [market, refill, refused] = [new TestStream(), new TestStream(), new TestStream()];
    await writer.write(market.next(trades(2_500)), market.from);
    const conflicting = trades(2_500).map((row) => ({ ...row, price: row.price + 1 }));
    const conflicts = await writer.write(refill.next(conflicting), refill.from);
    expect(conflicts.quarantined).toBe(KEPT_ALWAYS);
    expect(conflicts).toMatchObject({ committed: 0, duplicate: 0, lost: 1_500 });
    const odd = trades(1_200, 2_500).map((row, i) => (i < 1_100 ? { ...row, size: 0.5 } : row));
    const invalid = await writer.write(refused.next(odd), refused.from);
    expect(invalid).toMatchObject({ committed: 100, quarantined: KEPT_ALWAYS, lost: 100 });
    expect(await books()).toMatchObject({ received: 6_200, committed: 2_600, lost: 1_600 });
    // Another source has a budget of its own.
    const other = new TestStream("kis:2");
    const whole = await writer.write(other.next(rejects(1_500)), other.from);
    expect(whole).toMatchObject({ quarantined: 1_500, lost: 0 });
  });

  it("stays inside it when streams flood side by side", async () => {
    await spend(63 * MIB);
    const writer = writerWith();
    const wide = rejects(400, { bytes: Buffer.alloc(1_000) });
    const streams = Array.from({ length: 8 }, () => new TestStream());
    await Promise.all(
      streams.map(async (stream) => {
        await writer.write(stream.next(wide), stream.from);
      }),
    );
    const { quarantined, lost, received } = await books();
    expect(quarantined + lost).toBe(received);
    // A row counts its bytes, its reason and 100: a MiB takes 925 of them, the first 1,000 are kept anyway.
    expect(quarantined).toBe(KEPT_ALWAYS);
    expect(await ask("select sum(bytes)::int from quarantine_day")).toBeLessThan(
      64 * MIB + 200_000,
    );
  });

  it("begins anew with the next day", async () => {
    await pool.query(
      `insert into quarantine_day (source, day, code, rows, bytes)
       values ('kis:1', (now() at time zone 'Asia/Seoul')::date - 1, 'RECORD_WIDTH', 9999, 1e9)`,
    );
    const stream = new TestStream();
    const verdict = await writerWith().write(stream.next(rejects(1_500)), stream.from);
    expect(verdict).toMatchObject({ quarantined: 1_500, lost: 0 });
  });

  it("leaves a trade's plain way alone: one round trip, and no row of it in the way", async () => {
    await spend(64 * MIB);
    const stream = new TestStream();
    const verdict = await writerWith().write(stream.next([trade(0)]), stream.from);
    expect(verdict).toMatchObject({ committed: 1, lost: 0 });
  });
});
