// The hub's own tables as the target: rows are marked, belong to streams, and the hub's books stay right.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { book, status, TestStream, trade } from "../store/batches.ts";

describe("tickhub transfer into the hub's tables", { timeout: 120_000 }, () => {
  let from: TestDatabase;
  let to: TestDatabase;
  beforeAll(async () => {
    [from, to] = [
      await createDatabase({ migrated: true }),
      await createDatabase({ migrated: true }),
    ];
  });
  afterAll(async () => {
    await from.drop();
    await to.drop();
  });
  const one = async (database: TestDatabase, sql: string) =>
    Object.values((await database.pool.query<Record<string, unknown>>(sql)).rows[0]!)[0];
  const transfer = async (...args: string[]) => {
    const result = await tickhub([
      "transfer",
      "--from",
      from.url,
      "--to",
      to.url,
      "--json",
      "--chunk-rows",
      "500",
      ...args,
    ]);
    expect(result.stderr).not.toContain("bug of tickhub");
    return result.json!["tables"] as Record<string, unknown>[];
  };
  /** Streams whose books are not what their batches and rows are. */
  const broken = () =>
    one(
      to,
      `select count(*)::int from stream s where
         received <> committed + duplicate + quarantined + lost
         or last_number <> (select count(*) from ingest_batch b where b.stream = s.no)
         or (received, committed, duplicate) is distinct from (select (coalesce(sum(rows), 0),
           coalesce(sum(b.committed), 0), coalesce(sum(b.duplicate), 0)) from ingest_batch b where b.stream = s.no)
         or committed <> (select count(*) from trade where stream = s.no)
           + (select count(*) from book where stream = s.no) + (select count(*) from status where stream = s.no)`,
    );
  async function store(database: TestDatabase, rows: Parameters<TestStream["next"]>[0]) {
    const writer = new BatchWriter({
      pool: database.pool,
      clock: systemClock,
      connectionsMax: 1,
      unleased: true,
    });
    const stream = new TestStream();
    await writer.write(stream.next(rows), { edge: "test", holder: crypto.randomUUID() });
  }
  const VALUES = `ts, symbol, venue, source, day, chain, seq, price, size, side, session, edge_recv, capture`;

  it("leaves simulated rows out of a database of real ones, and takes real ones anywhere", async () => {
    const marked = async (source: string, target: string) => {
      for (const [database, kind] of [
        [from, source],
        [to, target],
      ] as const)
        await database.pool.query(
          "insert into hub_brokers (kind) values ($1) on conflict (one) do update set kind = $1",
          [kind],
        );
      const args = ["transfer", "--from", from.url, "--to", to.url, "--table", "status", "--json"];
      return await tickhub(args);
    };
    const refused = await marked("simulated", "real");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("DATABASE_BROKERS (source=simulated, target=real)");
    expect((await marked("simulated", "simulated")).code).toBe(0);
    expect((await marked("real", "simulated")).code).toBe(0);
  });

  it("trades, books and status of another hub come over once, marked, in streams of their own", async () => {
    await store(
      from,
      Array.from({ length: 2_000 }, (_, i) => trade(i)),
    );
    await store(
      from,
      Array.from({ length: 700 }, (_, i) => book(i)),
    );
    await store(
      from,
      Array.from({ length: 700 }, (_, i) => book(i)),
    );
    await store(from, [status(1), status(2)]);
    // The hub of the target has collected some of them itself.
    await store(
      to,
      Array.from({ length: 300 }, (_, i) => trade(i + 400)),
    );
    const tables = ["--table", "trade", "--table", "book", "--table", "status"];
    const done = await transfer(...tables);
    expect(done).toMatchObject([
      { ok: true, inserted: 1_700, rows: 2_000 },
      { ok: true, inserted: 1_400, rows: 1_400 },
      { ok: true, inserted: 2, rows: 2 },
    ]);
    const digest = (columns: string, table: string) =>
      `select md5(string_agg(r::text, ',' order by r::text)) from (select ${columns} from ${table}) r`;
    expect(await one(to, digest(VALUES, "trade where origin = 2"))).not.toBeNull();
    const keys = "ts, symbol, venue, source, day, chain, seq, price, size";
    expect(await one(to, digest(keys, "trade"))).toBe(await one(from, digest(keys, "trade")));
    const books = "ts, symbol, ask_price, ask_size, bid_price, bid_size, capture";
    expect(await one(to, digest(books, "book"))).toBe(await one(from, digest(books, "book")));
    expect(await one(to, "select count(distinct stream)::int from book where origin = 2")).toBe(2);
    expect(await one(to, "select array_agg(distinct edge order by edge) from stream")).toEqual([
      "test",
      "transfer",
    ]);
    expect(await one(to, "select sum(duplicate)::int from stream where edge = 'transfer'")).toBe(
      300,
    );
    expect(await broken()).toBe(0);
    await store(
      from,
      Array.from({ length: 50 }, (_, i) => book(i + 300)),
    );
    const again = await transfer(...tables);
    expect(again).toMatchObject([{ inserted: 0 }, { ok: true, inserted: 50 }, { inserted: 0 }]);
    expect(await one(to, "select count(*)::int from book")).toBe(1_450);
    expect(await broken()).toBe(0);
  });

  it("a trade that the hub has with another price is a difference", async () => {
    await store(
      from,
      Array.from({ length: 100 }, (_, i) => trade(i + 5_000)),
    );
    await store(to, [{ ...trade(5_010), price: 1 }, trade(5_011)]);
    const [report] = await transfer("--table", "trade");
    expect(report).toMatchObject({ ok: false, differing: 1 });
    expect(await one(to, "select count(*)::int from trade where price = 1 and origin = 0")).toBe(1);
  });

  it("a legacy tick table becomes trades by a map, in Korean time", async () => {
    await from.pool
      .query(`create table ticks (code varchar(12), dt timestamp, price numeric(12,2), qty int,
      cum_volume bigint, side char(1)); create index on ticks (dt)`);
    await from.pool
      .query(`insert into ticks select '005930', timestamp '2026-01-05 09:00:00' + i * interval '1 s',
      70000 + i % 7, 3, 3 * i, case when i % 2 = 0 then '1' else '5' end from generate_series(1, 3000) i`);
    await from.pool.query("analyze ticks");
    const map = join("app", "transfer", "maps", "legacy-ticks.json");
    const [report] = await transfer("--table", "ticks:trade", "--map", map);
    expect(report).toMatchObject({ ok: true, inserted: 3_000, chunks: 7 });
    const { rows } = await to.pool
      .query(`select ts, day::text, seq, side, origin, source, edge_recv = ts as "same"
      from trade where symbol = '005930' and ts = '2026-01-05 00:00:02+00'`);
    expect(rows).toEqual([
      {
        ts: new Date("2026-01-05T00:00:02Z"),
        day: "2026-01-05",
        seq: "6",
        side: 1,
        origin: 2,
        source: "kis:1",
        same: true,
      },
    ]);
    expect(await broken()).toBe(0);
  });
});
