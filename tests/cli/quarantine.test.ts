// What could not be read is kept so that it can be read again: once, in its place, after a fix.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { replayQuarantine } from "../../app/cli/quarantine-replay.ts";
import { KisDecoder } from "../../app/edge/feed/kis/decode.ts";
import { LAYOUTS } from "../../app/edge/feed/kis/layout.ts";
import { KiwoomDecoder } from "../../app/edge/feed/kiwoom/decode.ts";
import { ROW_TYPES } from "../../app/edge/feed/kiwoom/types.ts";
import { tableOf } from "../../app/edge/outbox/row-bytes.ts";
import { Sequencer } from "../../app/edge/feed/sequencer.ts";
import { encodeBatch } from "../../app/shared/batch.ts";
import type { Rows } from "../../app/shared/batch.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { isBalanced } from "../../app/shared/tick.ts";
import { openPool } from "../../app/store/database.ts";
import { ledgers } from "../../app/store/ledger.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { bookFields, kisFrame, tradeFields } from "../edge/feed/kis-records.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  ({ pool } = database);
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query(
    "truncate trade, book, status, quarantine, quarantine_day, stream, ingest_batch, loss, lease, lease_epoch restart identity",
  );
});

const OPEN_MS = Date.parse("2026-09-22T10:15:31+09:00");
const wall = (ms: number) => ms;
/** The fix: a release that knows records of 45 fields, and of KIS's new TR. */
const FIXED = [
  ...LAYOUTS.map((layout) => ({ ...layout, widths: [45, ...layout.widths], widthMin: 45 })),
  { ...LAYOUTS[0]!, trId: "H0NEWCNT" },
];
const fixed = { decoderOf: () => new KisDecoder({}, FIXED) };

async function all<Row extends object>(sql: string): Promise<Row[]> {
  return (await pool.query<Row>(sql)).rows;
}
async function one<T = number>(sql: string): Promise<T> {
  return Object.values((await all<Record<string, T>>(sql))[0]!)[0]!;
}

/** An edge in a few lines: frames through decoder and sequencer, one batch a table, as one holder. */
class Receiver {
  readonly holder = randomUUID();
  readonly #streams = new Map<string, { stream: string; number: number }>();
  readonly #writer = new BatchWriter({ pool, clock: systemClock, connectionsMax: 1 });
  readonly #sequencer = new Sequencer({ market: wall });
  readonly #account: string;
  readonly #decoder: KisDecoder | KiwoomDecoder;
  readonly #epoch: number;

  constructor(account: string, decoder: KisDecoder | KiwoomDecoder, epoch = 0) {
    this.#account = account;
    this.#decoder = decoder;
    this.#epoch = epoch;
    this.#sequencer.assign(
      ["KRX", "NXT"].flatMap((venue) =>
        (["trade", "book"] as const).map((channel) => ({ venue, symbol: "005930", channel })),
      ),
    );
  }

  async take(frames: readonly Buffer[], atMs = OPEN_MS): Promise<void> {
    const rows = frames.flatMap((frame, i) => {
      const at = { edgeRecvMs: atMs + i, marketMs: atMs + i };
      const decoded = this.#decoder.decode(frame, at);
      if (decoded.kind === "reject") return [this.#sequencer.stamp(decoded.reject)];
      if (decoded.kind !== "data") return [];
      return [
        ...decoded.ticks.map((tick) => this.#sequencer.accept(tick)),
        ...decoded.rejects.map((reject) => this.#sequencer.stamp(reject)),
      ];
    });
    const byTable = Map.groupBy(rows, (row) => tableOf(row));
    for (const [table, some] of byTable) {
      const lane = this.#streams.get(table) ?? { stream: randomUUID(), number: 0 };
      this.#streams.set(table, lane);
      lane.number++;
      const head = { table, ...lane, account: this.#account, epoch: this.#epoch } as const;
      await this.#writer.write(encodeBatch(head, some as Rows), {
        edge: "kis",
        holder: this.holder,
      });
    }
  }
}

/** Frames of the new width: `count` trades from cumulative volume `from`, 10 shares each. */
const narrowTrades = (count: number, from = 0, time = "101530") =>
  Array.from({ length: count }, (_, i) =>
    kisFrame("H0STCNT0", [
      tradeFields({ 1: time, 12: "10", 13: String(from + 10 * (i + 1)) }).slice(0, 45),
    ]),
  );
const wholeTrades = (count: number, from = 0, over: Record<number, string> = {}) =>
  Array.from({ length: count }, (_, i) =>
    kisFrame("H0STCNT0", [tradeFields({ 12: "10", 13: String(from + 10 * (i + 1)), ...over })]),
  );

const VALUES = `select ts, symbol, venue, source, day, chain, seq, price, size, side, session, ask, bid,
  sell_count, buy_count, edge_recv, extra from trade order by day, chain, seq`;

async function expectBalance(): Promise<void> {
  for (const ledger of Object.values(await ledgers(pool))) expect(isBalanced(ledger)).toBe(true);
  const { committed, quarantined } = (
    await all<{ committed: number; quarantined: number }>(
      "select sum(committed)::int as committed, sum(quarantined)::int as quarantined from stream",
    )
  )[0]!;
  const stored = `select sum(n)::int from (select count(*) as n from trade union all
    select count(*) from book union all select count(*) from status) t`;
  expect(await one(stored)).toBe(committed);
  expect(await one("select count(*)::int from quarantine")).toBe(quarantined);
  const broken = `select count(*)::int from stream s where last_number <>
    (select count(*) from ingest_batch b where b.stream = s.no)`;
  expect(await one(broken)).toBe(0);
}

describe("a row of quarantine that a fix can read", () => {
  it("is stored as live would have stored it, once, in its place and with its own times", async () => {
    const frames = [
      ...wholeTrades(3),
      ...narrowTrades(4, 30),
      ...wholeTrades(2, 70),
      kisFrame("H0STCNT0", [tradeFields({ 12: "10", 13: "100", 2: "7o" })]),
      ...narrowTrades(700, 1_000),
    ];
    await new Receiver("kis:1", new KisDecoder({}, FIXED)).take(frames);
    const wanted = await all(VALUES);
    await pool.query("truncate trade, quarantine, stream, ingest_batch restart identity");

    await new Receiver("kis:1", new KisDecoder()).take(frames);
    expect(await one("select count(*)::int from trade")).toBe(5);
    const counts = await replayQuarantine(pool, wall, fixed);
    expect(counts).toMatchObject({ read: 705, replayed: 704, left: 1, records: 704 });
    expect(counts).toMatchObject({ committed: 704, duplicate: 0, quarantined: 0, lost: 0 });
    expect(await all(VALUES)).toEqual(wanted);
    expect(await one("select count(*)::int from quarantine where replayed_at is null")).toBe(1);
    await expectBalance();
    expect(await replayQuarantine(pool, wall, fixed)).toMatchObject({
      read: 1,
      left: 1,
      records: 0,
    });
    expect(await all(VALUES)).toEqual(wanted);
  });

  it("may hold many records, books and unknown types among them", async () => {
    const narrow = [1, 2, 3].map((n) => tradeFields({ 13: String(n * 100) }).slice(0, 45));
    const unknown = [4, 5].map((n) => tradeFields({ 13: String(n * 100) }));
    const live = new Receiver("kis:1", new KisDecoder());
    await live.take([
      kisFrame("H0STCNT0", narrow),
      kisFrame("H0NEWCNT", unknown),
      kisFrame("H0STASP0", [bookFields().slice(0, 58)]),
    ]);
    const wider = [...FIXED].map((one) =>
      one.kind === "book" ? { ...one, widths: [58, 59], widthMin: 58 } : one,
    );
    const counts = await replayQuarantine(pool, wall, {
      decoderOf: () => new KisDecoder({}, wider),
    });
    expect(counts).toMatchObject({ read: 3, replayed: 3, records: 6, committed: 6 });
    expect(await one("select count(*)::int from book")).toBe(1);
    await expectBalance();
  });

  it("takes its chain from what was stored before it", async () => {
    const live = new Receiver("kis:1", new KisDecoder());
    const evening = { 1: "154100", 46: "3" };
    await live.take(wholeTrades(3, 1_000));
    await live.take(wholeTrades(1, 0, evening), OPEN_MS + 20_000_000);
    await live.take(narrowTrades(1, 10, "154101"), OPEN_MS + 20_001_000);
    await live.take(wholeTrades(1, 20, evening), OPEN_MS + 20_002_000);
    await replayQuarantine(pool, wall, fixed);
    expect(await all("select chain, seq::int as seq from trade order by chain, seq")).toEqual([
      ...[1010, 1020, 1030].map((seq) => ({ chain: 0, seq })),
      ...[10, 20, 30].map((seq) => ({ chain: 1, seq })),
    ]);
  });

  it("that is stored already, by a refill, is a duplicate", async () => {
    const live = new Receiver("kis:1", new KisDecoder());
    await live.take(narrowTrades(2));
    await new Receiver("kis:1", new KisDecoder({}, FIXED)).take(narrowTrades(1));
    const counts = await replayQuarantine(pool, wall, fixed);
    expect(counts).toMatchObject({ replayed: 2, committed: 1, duplicate: 1 });
    await expectBalance();
  });

  it("of Kiwoom is read from its row", async () => {
    const values = {
      "20": "101530",
      "10": "-70000",
      "15": "+7",
      "13": "1000",
      "27": "-70100",
      "28": "-70000",
      "290": "2",
      "9081": "KRX",
    };
    const row = { values, type: "0Q", name: "new", item: "005930" };
    const frame = Buffer.from(
      JSON.stringify({ trnm: "REAL", data: [row, { ...row, type: "0B" }] }),
    );
    await new Receiver("kiwoom:1", new KiwoomDecoder()).take([frame]);
    expect(await one("select count(*)::int from trade")).toBe(1);
    const types = new Map([...ROW_TYPES, ["0Q", { ...ROW_TYPES.get("0B")!, type: "0Q" }]]);
    await pool.query("truncate trade");
    const counts = await replayQuarantine(pool, wall, {
      decoderOf: () => new KiwoomDecoder({}, types),
    });
    expect(counts).toMatchObject({ read: 1, replayed: 1, committed: 1 });
  });
});

describe("a reading that is killed in the middle", () => {
  it("has stored and marked the same rows, and the next one does the rest: books too stand there once", async () => {
    const wide = FIXED.map((one) =>
      one.kind === "book" ? { ...one, widths: [58, 59], widthMin: 58 } : one,
    );
    const frames = Array.from({ length: 1_300 }, () =>
      kisFrame("H0STASP0", [bookFields().slice(0, 58)]),
    );
    await new Receiver("kis:1", new KisDecoder()).take(frames);
    const own = openPool(database.url, { connectionsMax: 1, name: "killed-reading" });
    let reads = 0;
    const decoder = new KisDecoder({}, wide);
    const killing = replayQuarantine(own, wall, {
      decoderOf: () => ({
        decode(frame, at) {
          // In the second transaction, after the first has committed.
          if (++reads === 700)
            void pool.query(
              "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'killed-reading'",
            );
          return decoder.decode(frame, at);
        },
      }),
      onProgress: () => void 0,
    });
    await expect(killing).rejects.toMatchObject({ code: "DATABASE_UNREACHABLE" });
    await own.end();
    const stored = await one("select count(*)::int from book");
    expect(stored % 500).toBe(0);
    expect(stored).toBeLessThan(1_300);
    expect(await one("select count(replayed_at)::int from quarantine")).toBe(stored);
    const rest = await replayQuarantine(pool, wall, { decoderOf: () => new KisDecoder({}, wide) });
    expect(rest).toMatchObject({ read: 1_300 - stored, committed: 1_300 - stored });
    expect(await one("select count(*)::int from book")).toBe(1_300);
    await expectBalance();
  });

  it("or that runs twice at the same time, stores every row once", async () => {
    await new Receiver("kis:1", new KisDecoder()).take(narrowTrades(1_200));
    const both = await Promise.all([
      replayQuarantine(pool, wall, fixed),
      replayQuarantine(pool, wall, fixed),
    ]);
    expect(both[0].committed + both[1].committed).toBe(1_200);
    expect(both[0].duplicate + both[1].duplicate).toBe(0);
    await expectBalance();
  });
});

describe("a row of quarantine that stays", () => {
  it("says why today: stale, or still not readable", async () => {
    const live = new Receiver("kis:1", new KisDecoder());
    await live.take(narrowTrades(1), OPEN_MS + 3 * 86_400_000);
    await live.take([kisFrame("H0STCNT0", [tradeFields({ 13: "x" }).slice(0, 45)])]);
    const counts = await replayQuarantine(pool, wall, fixed);
    expect(counts).toMatchObject({ read: 2, replayed: 0, left: 2 });
    expect(await all("select code, reason from quarantine order by id")).toEqual([
      { code: "STALE_DAY", reason: "day 20260922 is not the market's" },
      { code: "FIELD_MALFORMED", reason: 'H0STCNT0: ACML_VOL is "x"' },
    ]);
    await expectBalance();
    // A stale frame is still a frame: with the market's own clock it may be none.
    const market = (ms: number) => ms - 3 * 86_400_000;
    const other = await replayQuarantine(pool, market, fixed);
    expect(other).toMatchObject({ read: 2, replayed: 1, left: 1, committed: 1 });
  });

  it("was captured outside its sender's lease", async () => {
    const live = new Receiver("kis:1", new KisDecoder(), 7);
    await pool.query("insert into lease (account) values ('kis:1')");
    await pool.query(
      `insert into lease_epoch (account, epoch, holder, edge, granted_at, ended_at)
       values ('kis:1', 7, $1, 'kis', now(), to_timestamp($2::float8 / 1000))`,
      [live.holder, OPEN_MS + 1],
    );
    await live.take(narrowTrades(4));
    const counts = await replayQuarantine(pool, wall, fixed);
    expect(counts).toMatchObject({ replayed: 2, left: 2, committed: 2 });
    expect(await one("select count(*)::int from quarantine where code = 'OUTSIDE_LEASE'")).toBe(2);
  });
});

describe("tickhub quarantine", () => {
  const run = (...args: string[]) =>
    tickhub(["quarantine", ...args], { TICKHUB_DATABASE_URL: database.url });

  it("lists counts by day, source and code, shows one row, and replays", async () => {
    await new Receiver("kis:1", new KisDecoder()).take([
      ...narrowTrades(2),
      kisFrame("H0STCNT0", [tradeFields(), tradeFields({ 2: "x" })]),
      Buffer.from("\xff\xfe", "latin1"),
    ]);
    const listed = await run("list", "--json");
    const days = listed.json!["days"] as { code: string; rows: number; lost: number }[];
    expect(days.map(({ code, rows, lost }) => [code, rows, lost])).toEqual([
      ["FIELD_MALFORMED", 1, 0],
      ["FRAME_GRAMMAR", 1, 0],
      ["FRAME_TRUNCATED", 2, 0],
    ]);
    expect((await run("list", "--source", "kis:2")).stderr).toContain("nothing in quarantine");
    expect((await run("list")).stdout).toMatch(
      /^day +source +code +rows .*\n.* FIELD_MALFORMED +1 +0/,
    );

    const id = await one<string>("select id from quarantine where code = 'FIELD_MALFORMED'");
    const shown = await run("show", id, "--json");
    expect(shown.json).toMatchObject({
      ...{ source: "kis:1", code: "FIELD_MALFORMED", reason: 'H0STCNT0: STCK_PRPR is "x"' },
      ...{ replay: "yes", replayedAt: null, edge: "kis" },
      text: kisFrame("H0STCNT0", [tradeFields({ 2: "x" })]).toString(),
    });
    const broken = await one<string>("select id from quarantine where code = 'FRAME_GRAMMAR'");
    expect((await run("show", broken)).stdout).toMatch(/^hex +fffe$/m);

    const replayed = await run("replay", "--json");
    expect(replayed).toMatchObject({ code: 0, json: { read: 4, replayed: 0, left: 4 } });
    expect((await run("replay")).stdout).toBe(
      "4 rows read again: 0 replayed, 4 left\n0 records = 0 committed + 0 duplicate + 0 quarantined + 0 lost\n",
    );
  });

  it("says of a row that was read why it is not replayed", async () => {
    const live = new Receiver("kis:1", new KisDecoder());
    await live.take([kisFrame("H0STCNT0", [tradeFields({ 0: "000660" })])]);
    const shown = await run("show", "1", "--json");
    expect(shown.json).toMatchObject({ code: "OUTSIDE_ASSIGNMENT" });
    expect(shown.json!["replay"]).toMatch(/^no: it was read/);
  });

  it.each([
    [["show"], "number of a row"],
    [["show", "999"], "no row 999"],
  ])("refuses %j with the reason", async (args, says) => {
    const refused = await run(...args);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain(says);
  });
});
