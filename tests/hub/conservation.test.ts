// Conservation against a real PostgreSQL: no false alarm while batches of every kind are committed, and
// whatever is changed behind the hub's back is found.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Conservation } from "../../app/hub/query/conservation.ts";
import { systemClock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { reject, TestStream, trades } from "../store/batches.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, until } from "../support/hub.ts";

let database: TestDatabase;
let writer: BatchWriter;
let events: Event[];
let conservation: Conservation;

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  writer = new BatchWriter({ pool: database.pool, clock: systemClock, connectionsMax: 4 });
});
afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query("truncate stream, ingest_batch, loss, trade, quarantine, edge_status");
  events = [];
  conservation = new Conservation({
    pool: database.pool,
    clock: systemClock,
    emit: (event) => events.push(event),
    limits: { againEvery: 1 },
  });
});

const sql = (text: string, values: unknown[] = []) => database.pool.query(text, values);
const wrong = () => conservation.wrong().map(({ check, records }) => [check, records]);

async function store(stream: TestStream, batches: Uint8Array[]): Promise<void> {
  for (const bytes of batches) await writer.write(bytes, stream.from);
}

describe("the books of streams", () => {
  test("balance at every moment while batches of all kinds are committed", async () => {
    let isDone = false;
    const watching = (async () => {
      let checks = 0;
      while (!isDone) {
        await conservation.check();
        expect(conservation.wrong()).toEqual([]);
        checks += 1;
      }
      return checks;
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const stream = new TestStream();
        // Overlapping keys: duplicates; the same keys with another price: conflicts.
        for (let n = 0; n < 12; n++) {
          const rows = trades(40, 30 * n).map((row) => (i % 3 ? row : { ...row, price: 1 }));
          const kind = (n + i) % 6;
          if (kind === 0) await store(stream, [stream.tombstone(7)]);
          else await store(stream, [stream.next(rows)]);
        }
      }),
    );
    const rejects = new TestStream();
    await store(rejects, [rejects.next([reject(1), reject(2)])]);
    isDone = true;
    expect(await watching).toBeGreaterThan(3);
    await conservation.check();
    expect(conservation.wrong()).toEqual([]);
    const { rows } = await database.pool.query<{ d: number; q: number }>(
      "select sum(duplicate)::int d, sum(quarantined)::int q from stream",
    );
    expect(rows[0]!.d).toBeGreaterThan(0);
    expect(rows[0]!.q).toBeGreaterThan(2);
    expect(events).toEqual([]);
  });

  test.each([
    [
      "a record is taken out of a stream's sum",
      "update stream set committed = committed - 1",
      "sum",
      -1,
    ],
    [
      "a stream claims a batch's records twice",
      "update stream set received = received + 40, committed = committed + 40",
      "batches",
      40,
    ],
    [
      "a stream calls records stored that were not",
      "update stream set committed = committed + 1, duplicate = duplicate - 1",
      "batches",
      0,
    ],
    ["a batch is forgotten", "delete from ingest_batch where number = 2", "batches", 40],
    [
      "a batch is counted twice",
      "insert into ingest_batch select * from ingest_batch where number = 2",
      "batches",
      -40,
    ],
    [
      "a batch's verdict is changed",
      "update ingest_batch set committed = 39, quarantined = 1 where number = 2",
      "batches",
      0,
    ],
    ["a number is skipped", "update stream set last_number = last_number + 1", "batches", 0],
  ])(
    "are wrong when %s, whenever it was stored, and right again when it is mended",
    async (_, tamper, check, records) => {
      const streams = [new TestStream(), new TestStream(), new TestStream()];
      for (const [i, one] of streams.entries())
        await store(
          one,
          [1, 2, 3].map((n) => one.next(trades(40, 1_000 * i + 40 * n))),
        );
      for (let i = 0; i < 5; i++) await conservation.check();
      expect(conservation.wrong()).toEqual([]);
      const [one] = (await sql("select no from stream order by no limit 1")).rows as {
        no: number;
      }[];
      await sql("create table kept_stream as table stream");
      await sql("create table kept_batch as table ingest_batch");
      const where = tamper.includes("where") ? "and" : "where";
      const column = tamper.includes("update stream") ? "no" : "stream";
      await sql(`${tamper} ${where} ${column} = ${one!.no}`);
      // Nothing moves: each stream's turn comes within as many checks as there are streams, and one.
      for (let i = 0; i < 5; i++) await conservation.check();
      expect(wrong()).toEqual([[check, records]]);
      expect(conservation.wrong()[0]!.detail).toContain(`stream ${one!.no}`);
      const told = events.filter(({ event }) => event === "ledger_unbalanced");
      expect(told).toHaveLength(1);
      expect(told[0]).toMatchObject({ account: "kis:1", table: "trade", check });
      await sql("truncate stream, ingest_batch");
      await sql("insert into stream overriding system value select * from kept_stream");
      await sql("insert into ingest_batch select * from kept_batch");
      await sql("drop table kept_stream, kept_batch");
      await conservation.check();
      expect(conservation.wrong()).toEqual([]);
    },
  );

  test("are found wrong at the next check where a stream moves", async () => {
    const stream = new TestStream();
    await store(stream, [stream.next(trades(10))]);
    await conservation.check();
    await sql("update stream set received = received + 5, lost = lost + 5");
    await store(stream, [stream.next(trades(10, 10))]);
    await conservation.check();
    expect(wrong()).toEqual([["batches", 5]]);
  });

  test("are taken as they stand where the statistics of their first batches were dropped by age", async () => {
    const stream = new TestStream();
    await store(
      stream,
      [1, 2, 3].map((n) => stream.next(trades(10, 10 * n))),
    );
    await sql("delete from ingest_batch where number = 1");
    await sql("update stream set opened_at = opened_at - interval '2 days'");
    for (let i = 0; i < 3; i++) await conservation.check();
    expect(conservation.wrong()).toEqual([]);
    await store(stream, [stream.next(trades(10, 90))]);
    await sql(
      "update ingest_batch set committed = committed + 1, rows = rows + 1 where number = 4",
    );
    await conservation.check();
    expect(wrong()).toEqual([["batches", -1]]);
  });
});

describe("a stream of more batches than are added up at once", () => {
  test("is taken as it stands at first sight, and checked from there", async () => {
    const stream = new TestStream();
    const limits = { againEvery: 1, batchesMax: 4 };
    conservation = new Conservation({
      ...{ pool: database.pool, clock: systemClock },
      emit: (event) => events.push(event),
      limits,
    });
    for (let n = 0; n < 10; n++) await store(stream, [stream.next(trades(10, 10 * n))]);
    // Further back than proof goes.
    await sql("update ingest_batch set committed = 5 where number = 2");
    for (let n = 10; n < 20; n++) {
      await store(stream, [stream.next(trades(10, 10 * n))]);
      await conservation.check();
      await conservation.check();
      expect(conservation.wrong()).toEqual([]);
    }
    await sql("update ingest_batch set committed = 5 where number = 19");
    await conservation.check();
    expect(wrong()).toEqual([["batches", 0]]);
    await sql("update ingest_batch set committed = 10 where number = 19");
    await conservation.check();
    expect(conservation.wrong()).toEqual([]);
  });
});

describe("an edge's books and the hub's", () => {
  const holder = randomUUID();
  const none = { received: 0, committed: 0, duplicate: 0, held: 0, quarantined: 0, lost: 0 };

  async function say(ledger: object): Promise<void> {
    const status = {
      accounts: { "kis:1": { feed: "live", holder, ledger: { ...none, ...ledger } } },
    };
    await sql(
      `insert into edge_status values ('kis', $1, clock_timestamp())
       on conflict (edge) do update set status = excluded.status, seen_at = excluded.seen_at`,
      [JSON.stringify(status)],
    );
  }

  test("agree while acks are on their way, and do not when one came before its commit", async () => {
    const stream = new TestStream("kis:1", 0, holder);
    await store(stream, [stream.next(trades(30))]);
    await say({ received: 50, committed: 20, held: 30 });
    await conservation.check();
    expect(conservation.wrong()).toEqual([]);
    await say({ received: 50, committed: 30, held: 20 });
    await conservation.check();
    expect(conservation.wrong()).toEqual([]);
    await say({ received: 50, committed: 31, held: 19 });
    await conservation.check();
    expect(wrong()).toEqual([["settled", -1]]);
    expect(events).toMatchObject([
      { event: "ledger_unbalanced", check: "settled", account: "kis:1" },
    ]);
  });

  test("do not trip over a status of another form", async () => {
    const stream = new TestStream("kis:1", 0, holder);
    await store(stream, [stream.next(trades(3))]);
    for (const status of [
      "[]",
      '{"accounts":7}',
      '{"accounts":{"kis:1":{"holder":1}}}',
      `{"accounts":{"kis:1":{"holder":"${holder}","ledger":{}}}}`,
    ]) {
      await sql("insert into edge_status values ($1, $2, now())", [randomUUID(), status]);
    }
    await conservation.check();
    expect(conservation.wrong()).toEqual([]);
    await sql("update stream set committed = 2");
    await conservation.check();
    expect(wrong()).toEqual([["sum", -1]]);
  });
});

test("a hub whose books are wrong says so in its events, figures and picture, until they are right", async () => {
  const hub = await startTestHub(database.url);
  const gauge = async () =>
    /^tickhub_ledger_balanced\{.*\} (\d)$/m.exec(
      await (await fetch(`${hub.url}/metrics`)).text(),
    )?.[1];
  const stream = new TestStream("kis:9");
  await store(stream, [stream.next(trades(30))]);
  expect(await gauge()).toBe("1");
  await sql("update stream set committed = committed - 2");
  await until(async () => (await hub.picture()).unbalanced.length === 1, "an imbalance");
  expect(await gauge()).toBe("0");
  expect(hub.events).toContainEqual(
    expect.objectContaining({ event: "ledger_unbalanced", account: "kis:9", check: "sum" }),
  );
  await sql("update stream set committed = committed + 2");
  await until(async () => (await hub.picture()).unbalanced.length === 0, "balance");
  await until(async () => (await gauge()) === "1", "the gauge to be right again");
  await hub.stop();
});
