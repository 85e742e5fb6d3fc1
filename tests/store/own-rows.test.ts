// News and log lines in the database: what has no lease, and what must not hold up the market.
import { createHash } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { openPool } from "../../app/store/database.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { logRecord, newsItem, reject, trade } from "../support/records.ts";
import { TestStream } from "./batches.ts";

let database: TestDatabase;
let pool: pg.Pool;
let writer: BatchWriter;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  pool = openPool(database.url, { connectionsMax: 6, name: "own-rows-test" });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await pool.query(
    "truncate news, edge_log, trade, quarantine, stream, ingest_batch, lease, lease_epoch restart identity",
  );
  writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 2 });
});

async function ask<T = number>(sql: string): Promise<T> {
  const { rows } = await pool.query<Record<string, T>>(sql);
  return Object.values(rows[0]!)[0]!;
}

const item = (i: number) => {
  const digest = createHash("sha256").update(String(i)).digest();
  return newsItem({ digest, url: `https://news.example/${i}`, capture: i + 1 });
};
const BOOKS =
  "select received = committed + duplicate + quarantined + lost from stream order by no limit 1";

describe("news", () => {
  it("has every field of an item in its column", async () => {
    const stream = new TestStream("news:edge-1");
    const rows = [
      item(0),
      newsItem({
        digest: item(1).digest,
        publishedMs: Number.NaN,
        symbols: [],
        title: "둘",
        capture: 2,
      }),
      newsItem({ digest: item(2).digest, symbols: ["005930", "000660"], capture: 3 }),
    ];
    const verdict = await writer.write(stream.next(rows), stream.from);
    expect(verdict).toMatchObject({ committed: 3, duplicate: 0, quarantined: 0 });
    const { rows: stored } = await pool.query<Record<string, unknown>>(
      "select *, extract(epoch from seen_at)::float8 * 1000 as seen_ms from news order by capture",
    );
    expect(stored[0]).toMatchObject({
      ...{ digest: Buffer.from(item(0).digest), source: "news:edge-1", feed: "rss:example" },
      ...{ published_at: new Date(1_700_000_000_000), seen_ms: 1_700_000_000_123.456 },
      ...{ title: "A title", url: "https://news.example/0", summary: "What it says." },
      ...{ symbols: ["005930"], stream: 1, capture: "1" },
    });
    expect(stored[1]).toMatchObject({ published_at: null, symbols: [], title: "둘" });
    expect(stored[2]).toMatchObject({ symbols: ["005930", "000660"] });
  });

  it("counts an item that is stored already as a duplicate, within a batch and between processes", async () => {
    const [first, second] = [new TestStream("news:edge-1"), new TestStream("news:edge-1")];
    await writer.write(first.next([item(0), item(1)]), first.from);
    const again = second.next([item(1), item(2), item(2)]);
    const verdict = await writer.write(again, second.from);
    expect(verdict).toMatchObject({ committed: 1, duplicate: 2, quarantined: 0, lost: 0 });
    expect(await ask("select count(*)::int from news")).toBe(3);
    expect(await writer.write(again, second.from)).toEqual(verdict);
    expect(await ask("select bool_and(received = committed + duplicate) from stream")).toBe(true);
  });

  it("quarantines an item that the table cannot hold, and keeps the rest of its batch", async () => {
    const stream = new TestStream("news:edge-1");
    const bad = [newsItem({ digest: new Uint8Array(5) }), newsItem({ title: "a\0b" })];
    const verdict = await writer.write(stream.next([item(0), ...bad]), stream.from);
    expect(verdict).toMatchObject({ committed: 1, quarantined: 2 });
    expect(await ask(BOOKS)).toBe(true);
  });

  it("quarantines what its feeds brought and nobody could read", async () => {
    const stream = new TestStream("news:edge-1");
    const verdict = await writer.write(stream.next([reject()]), stream.from);
    expect(verdict).toMatchObject({ committed: 0, quarantined: 1 });
  });
});

describe("log lines", () => {
  it("have every field in its column", async () => {
    const stream = new TestStream("log:edge-1");
    const line = logRecord({ level: 40, event: "feed_closed", fields: '{"source":"kis:1","n":1}' });
    await writer.write(stream.next([line]), stream.from);
    const { rows } = await pool.query<Record<string, unknown>>("select * from edge_log");
    expect(rows).toEqual([
      {
        ...{ id: "1", at: new Date(line.atMs), edge: "edge-1", level: 40, event: "feed_closed" },
        fields: { source: "kis:1", n: 1 },
      },
    ]);
  });

  it("that are no JSON object, or hold what jsonb does not, go to quarantine alone", async () => {
    const stream = new TestStream("log:edge-1");
    const fields = ["{}", "[1]", "{", '{"a":"\\u0000"}', '{"b":2}'];
    const lines = fields.map((text, i) => logRecord({ fields: text, capture: i + 1 }));
    const verdict = await writer.write(stream.next(lines), stream.from);
    expect(verdict).toMatchObject({ committed: 2, quarantined: 3 });
    expect(await ask("select count(*)::int from edge_log")).toBe(2);
    expect(await ask(BOOKS)).toBe(true);
  });

  it("get ids in the order of their commits, so that who follows by id misses none", async () => {
    const streams = Array.from({ length: 6 }, () => new TestStream("log:edge-1"));
    const writers = streams.map(
      () => new BatchWriter({ pool, clock: systemClock, connectionsMax: 1 }),
    );
    const follower = { seen: 0, lastId: 0, isOver: false };
    const follow = async () => {
      const { rows } = await pool.query<{ id: string }>(
        "select id from edge_log where id > $1 order by id",
        [follower.lastId],
      );
      follower.seen += rows.length;
      follower.lastId = Number(rows.at(-1)?.id ?? follower.lastId);
    };
    const following = (async () => {
      while (!follower.isOver) await follow();
      await follow();
    })();
    await Promise.all(
      streams.map(async (stream, w) => {
        for (let i = 0; i < 20; i++) {
          const lines = [logRecord({ capture: 2 * i + 1 }), logRecord({ capture: 2 * i + 2 })];
          await writers[w]!.write(stream.next(lines), stream.from);
        }
      }),
    );
    follower.isOver = true;
    await following;
    expect(follower.seen).toBe(6 * 40);
  });

  it("that cannot be stored now do not hold up the market's rows", async () => {
    const [lines, market] = [new TestStream("log:edge-1"), new TestStream()];
    const others = [new TestStream("log:edge-1"), new TestStream("news:edge-1")];
    const blocker = await pool.connect();
    await blocker.query("begin; lock table edge_log, news in access exclusive mode");
    const waiting = [
      writer.write(lines.next([logRecord()]), lines.from),
      writer.write(others[0]!.next([logRecord()]), others[0]!.from),
      writer.write(others[1]!.next([item(0)]), others[1]!.from),
    ];
    const verdict = await writer.write(market.next([trade()]), market.from);
    expect(verdict).toMatchObject({ committed: 1 });
    await blocker.query("rollback");
    blocker.release();
    for (const one of await Promise.all(waiting)) expect(one).toMatchObject({ committed: 1 });
  });
});

describe("an account without a lease", () => {
  it("is filled by its own edge alone, and under no epoch", async () => {
    const refused = [
      ["log:other", logRecord(), 0],
      ["log:edge-1", logRecord(), 3],
      ["news:other", newsItem(), 0],
      ["kis:1", newsItem(), 0],
      ["news:edge-1", logRecord(), 0],
    ] as const;
    for (const [account, row, epoch] of refused) {
      const stream = new TestStream(account, epoch);
      const bytes = stream.next(row.kind === "log" ? [row] : [row]);
      await expect(writer.write(bytes, stream.from)).rejects.toMatchObject({
        code: "EDGE_ACCOUNT",
      });
    }
    expect(await ask("select count(*)::int from stream")).toBe(0);
    expect(await ask("select count(*)::int from ingest_batch")).toBe(0);
  });
});
