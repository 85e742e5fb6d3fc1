// A real day of KRX at two brokers, in real tables, with trades taken away, merged, altered and delayed on one
// side: the figure and every difference have to be exactly those of the answer key.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { booksOfDay } from "../../../app/hub/query/parity/books.ts";
import type { DayParity } from "../../../app/hub/query/parity/day.ts";
import { parityOfDay } from "../../../app/hub/query/parity/day.ts";
import { parityGate } from "../../../app/hub/query/parity/gate.ts";
import { storeParity } from "../../../app/hub/query/parity/store.ts";
import { volumesOf } from "../../../app/hub/query/parity/tally.ts";
import { verdictsOf } from "../../../app/hub/query/parity/verdict.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import type { Trade } from "../../../app/shared/tick.ts";
import { BatchWriter } from "../../../app/store/writer.ts";
import { TestStream } from "../../store/batches.ts";
import type { TestDatabase } from "../../support/database.ts";
import { createDatabase } from "../../support/database.ts";
import { hasData, recordedTrades } from "../../support/records.ts";

const DAY = 20200604;
const NOW_MS = Date.UTC(2020, 5, 6);
const SOURCES = ["kis:1", "kiwoom:1"] as const;

let database: TestDatabase;
let whole: Trade[];

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
  if (!hasData()) return;
  whole = recordedTrades();
  for (const source of SOURCES) await write(source, whole);
  await declare(whole);
  await database.pool.query("create table pristine as select * from trade");
  await database.pool.query("vacuum analyze trade");
});
afterAll(async () => {
  await database.drop();
});

async function write(source: string, trades: readonly Trade[]): Promise<void> {
  const options = { pool: database.pool, clock: systemClock, connectionsMax: 1, unleased: true };
  const [writer, stream] = [new BatchWriter(options), new TestStream(source)];
  for (let at = 0; at < trades.length; at += 5_000) {
    await writer.write(stream.next(trades.slice(at, at + 5_000)), stream.from);
  }
}

/** Both feeds were alive for all of it, and the brokers tell the day's ends. */
async function declare(trades: readonly Trade[]): Promise<void> {
  const times = trades.map(({ exchangeMs }) => exchangeMs);
  const ends = Object.values(Object.groupBy(trades, ({ symbol }) => symbol)).map((own) => {
    const seqs = own!.map(({ seq, size }) => ({ from: seq - size, to: seq }));
    const first = seqs.reduce((least, { from }) => Math.min(least, from), Infinity);
    return { symbol: own![0]!.symbol, first, final: Math.max(...own!.map(({ seq }) => seq)) };
  });
  for (const source of SOURCES) {
    await database.pool.query(
      "insert into recorded_span values ($1, to_timestamp($2), to_timestamp($3), 'test')",
      [source, Math.min(...times.slice(0, 1_000)) / 1_000, times.at(-1)! / 1_000 + 1],
    );
    await database.pool.query(
      `insert into day_figure (source, venue, symbol, day, seq_first, seq_final, asked_at)
       select $1, 'KRX', symbol, '2020-06-04', first, final, '2020-06-04 16:00+09'
         from jsonb_to_recordset($2) as f (symbol text, first bigint, final bigint)`,
      [source, JSON.stringify(ends)],
    );
  }
}

const parity = (left = "kis", right = "kiwoom"): Promise<DayParity> =>
  parityOfDay(database.pool, { day: DAY, left, right, nowMs: NOW_MS, market: (ms) => ms });

/** What a fault does, as SQL knows it, and what has to be found. */
interface Fault {
  kind: string;
  symbol: string;
  seq: number;
  volume: number;
}

/** Whole numbers below a bound, the same for the same seed (an LCG over 32 bits). */
function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Distinct trades of `source`, each with a fault of its own; merges take the trade before along. */
async function tamper(source: string, count: number, seed: number): Promise<Fault[]> {
  const random = seeded(seed);
  const bySymbol = Object.values(Object.groupBy(whole, ({ symbol }) => symbol)).map((own) =>
    own!.toSorted((a, b) => a.seq - b.seq),
  );
  const [taken, faults, sql] = [new Set<string>(), [] as Fault[], [] as object[]];
  while (faults.length < count) {
    const own = bySymbol[random(bySymbol.length)]!;
    const at = 1 + random(own.length - 1);
    const [before, trade] = [own[at - 1]!, own[at]!];
    const { symbol, seq, size } = trade;
    const keys = [`${symbol} ${seq}`, `${symbol} ${before.seq}`];
    if (keys.some((key) => taken.has(key))) continue;
    for (const key of keys) taken.add(key);
    const what = ["remove", "merge", "price", "side", "size", "delay"][random(6)]!;
    const step = { what, symbol, seq, before: before.seq, size, add: before.size };
    const side = source.startsWith("kis") ? "left" : "right";
    if (what === "remove") faults.push({ kind: `missing-${side}`, symbol, seq, volume: size });
    else if (what === "merge")
      faults.push({ kind: `merged-${side}`, symbol, seq, volume: size + before.size });
    else if (what === "delay") faults.push({ kind: "time", symbol, seq, volume: size });
    else faults.push({ kind: "value", symbol, seq, volume: what === "size" ? size + 1 : size });
    sql.push(step);
  }
  await apply(source, sql);
  return faults;
}

async function apply(source: string, steps: readonly object[]): Promise<void> {
  const step = `jsonb_to_recordset($2) as f (what text, symbol text, seq bigint, before bigint, add bigint)`;
  const where = "t.source = $1 and t.symbol = f.symbol";
  const values = [source, JSON.stringify(steps)];
  const run = (text: string) => database.pool.query(text, values);
  await run(`delete from trade t using ${step} where ${where}
    and (f.what = 'remove' and t.seq = f.seq or f.what = 'merge' and t.seq = f.before)`);
  await run(`update trade t set size = t.size + case f.what when 'merge' then f.add when 'size' then 1 else 0 end,
      price = t.price + case f.what when 'price' then 50 else 0 end,
      side = case f.what when 'side' then -t.side else t.side end,
      ts = t.ts + case f.what when 'delay' then interval '95 s' else interval '0' end
    from ${step} where ${where} and t.seq = f.seq and f.what <> 'remove'`);
}

describe.skipIf(!hasData())("a real day of KRX at two brokers", () => {
  beforeEach(async () => {
    await database.pool.query("truncate trade, gap, parity_day, evidence cascade");
    await database.pool.query("insert into trade select * from pristine");
  });

  test("is the same, share by share", async () => {
    const { tally, differences, symbols, rows } = await parity();
    const volume = whole.reduce((sum, { size }) => sum + size, 0);
    expect(differences).toEqual([]);
    expect(rows).toBe(2 * whole.length);
    expect(tally.same).toEqual({ count: whole.length, volume });
    expect(volumesOf(tally)).toMatchObject({ matched: volume, answered: volume, total: volume });
    expect(symbols.every(({ isClosed, isFinal }) => isClosed && isFinal)).toBe(true);
  });

  test.each([
    [10, "kis:1", 1],
    [10, "kiwoom:1", 2],
    [100, "kis:1", 3],
    [100, "kiwoom:1", 4],
    [1_000, "kis:1", 5],
    [1_000, "kiwoom:1", 6],
    [1_000, "kiwoom:1", 7],
  ])(
    "with %i trades tampered with at %s (seed %i): the figure and each difference are exact",
    async (count, source, seed) => {
      const key = await tamper(source, count, seed);
      const { tally, differences } = await parity();
      const named = ({ kind, symbol, seq, volume }: Fault) => `${symbol} ${seq} ${kind} ${volume}`;
      const found = differences.map(({ kind, symbol, volume, left, right }) =>
        named({ kind, symbol, volume, seq: (left.at(-1) ?? right.at(-1))!.seq }),
      );
      expect(found.sort()).toEqual(key.map(named).sort());
      const of = (isIt: (kind: string) => boolean) =>
        key.reduce((sum, { kind, volume }) => sum + (isIt(kind) ? volume : 0), 0);
      const wrong = of((kind) => !kind.startsWith("merged"));
      // A size that was altered claims a share more than there was.
      const more = key.filter(({ kind, symbol, seq, volume }) => {
        const original = whole.find((one) => one.symbol === symbol && one.seq === seq)!;
        return kind === "value" && volume > original.size;
      }).length;
      const volume = whole.reduce((sum, { size }) => sum + size, 0);
      const { matched, answered, merged } = volumesOf(tally);
      expect({ matched, answered, merged }).toEqual({
        matched: volume + more - wrong,
        answered: volume + more,
        merged: of((kind) => kind.startsWith("merged")),
      });
    },
  );

  test("of which one lost trades and refilled them does not pass for one that lost none", async () => {
    await database.pool.query(
      `update trade set origin = 1 where source = 'kiwoom:1' and hashint8(seq) % 50 = 0`,
    );
    const found = await parity();
    const [verdict] = verdictsOf(found);
    expect(found.differences.length).toBeGreaterThan(500);
    expect(found.differences.every((one) => one.kind === "missing-right" && one.isRefilled)).toBe(
      true,
    );
    expect(verdict!.refusals).toEqual([expect.stringContaining("matched is below 99.9 %")]);
    expect(verdict!.coverage).toBeLessThan(1);
  });

  test("of which one was away for an hour is refused for its coverage alone", async () => {
    const away = ["2020-06-04 10:00+09", "2020-06-04 11:00+09"];
    await database.pool.query(
      "delete from trade where source = 'kis:1' and ts >= $1 and ts < $2",
      away,
    );
    await database.pool.query(
      `insert into gap (source, venue, symbol, day, channel, kind, from_at, to_at, chain, reason, state)
       select distinct 'kis:1', venue, symbol, day, 'trade', 'hole', $1::timestamptz, $2::timestamptz, 0,
              'FEED_CLOSED', 'lost' from trade`,
      away,
    );
    const found = await parity();
    const [verdict] = verdictsOf(found);
    expect(new Set(found.differences.map(({ kind }) => kind))).toEqual(
      new Set(["unverified-left"]),
    );
    expect(verdict).toMatchObject({ share: 1 });
    expect(verdict!.refusals).toEqual([expect.stringContaining("below 95 %")]);
  });

  test("whose symbols moved to another account of the broker is compared over both", async () => {
    await database.pool.query(
      "update trade set source = 'kis:2' where source = 'kis:1' and ts >= '2020-06-04 12:00+09'",
    );
    await database.pool.query(
      "insert into recorded_span select 'kis:2', from_at, to_at, tape from recorded_span where source = 'kis:1' on conflict do nothing",
    );
    const { differences, sides } = await parity();
    expect(sides.left).toEqual(["kis:1", "kis:2"]);
    expect(differences).toEqual([]);
    const alone = await parity("kis:1");
    expect(alone.differences.length).toBeGreaterThan(1_000);
    await database.pool.query("delete from recorded_span where source = 'kis:2'");
  });

  test("is stored once, however often it is computed, with evidence each time", async () => {
    for (let time = 0; time < 2; time++) {
      await storeParity(database.pool, await parity(), [], NOW_MS);
    }
    const { rows } = await database.pool.query(
      "select count(*)::int as n, bool_and(matched_volume = answered_volume) as whole from parity_day",
    );
    expect(rows).toEqual([{ n: 3, whole: true }]);
    const evidence = await database.pool.query("select subject, ok from evidence");
    expect(evidence.rows).toEqual(Array(2).fill({ subject: "kis/kiwoom", ok: true }));
  });
});

describe("the gate to the cloud", () => {
  /** The seven KRX days before 2026-11-27. */
  const DAYS = [18, 19, 20, 23, 24, 25, 26].map((date) => `2026-11-${date}`);

  async function days(
    figures: { matched?: number; joint?: number; total?: number }[],
  ): Promise<void> {
    await database.pool.query("truncate parity_day");
    for (const [
      index,
      { matched = 1_000_000, joint = 1_000_000, total = joint },
    ] of figures.entries()) {
      await database.pool.query(
        `insert into parity_day (day, venue, symbol, left_source, right_source, matched_volume, merged_volume,
           joint_volume, missing_left_volume, missing_right_volume, total_volume, is_closed, is_final)
         values ($1, 'KRX', '005930', 'kis', 'kiwoom', $2, 0, $3, 0, 0, $4, true, true)`,
        [DAYS[index], matched, joint, total],
      );
    }
  }
  const gate = () => parityGate(database.pool, { nowDay: 20261127 });
  const seven = (last: { matched?: number; joint?: number; total?: number }) =>
    days([...Array.from({ length: 6 }, () => ({})), last]);

  test("opens at exactly 99.9 % on seven days in a row", async () => {
    await seven({ matched: 999_000 });
    expect(await gate()).toMatchObject({ open: true, reasons: [] });
    expect((await gate()).days.at(-1)).toEqual({ day: "2026-11-26", share: 0.999, coverage: 1 });
  });

  test.each([998_999, 998_900])(
    "is shut at %i of a million, and says which day",
    async (matched) => {
      await seven({ matched });
      const { open, reasons } = await gate();
      expect(open).toBe(false);
      expect(reasons).toEqual([expect.stringMatching(/^2026-11-26: 99\.8\d+ % matched is below/)]);
    },
  );

  test("opens at 95 % joint coverage and is shut below", async () => {
    await seven({ matched: 950_000, joint: 950_000, total: 1_000_000 });
    expect((await gate()).open).toBe(true);
    await seven({ matched: 949_999, joint: 949_999, total: 1_000_000 });
    expect((await gate()).reasons).toEqual([expect.stringContaining("joint coverage 94.9999 %")]);
  });

  test("names a day without a row", async () => {
    await seven({});
    await database.pool.query("delete from parity_day where day = '2026-11-20'");
    expect((await gate()).reasons).toEqual([
      "2026-11-20: not computed: tickhub parity --date 2026-11-20",
    ]);
  });
});

test("best quotes are compared second by second", async () => {
  const quote = (source: string, second: number, ask: number) =>
    database.pool.query(
      `insert into book (ts, symbol, venue, source, day, ask_price, ask_size, bid_price, bid_size, phase,
         edge_recv, stream, capture)
       values (timestamptz '2020-06-04 09:30+09' + $2 * interval '1 s', '005490', 'KRX', $1, '2020-06-04',
         array[$3::float8], '{1}', '{99}', '{1}', '0', now(), 1, $2)`,
      [source, second, ask],
    );
  await database.pool.query(
    "insert into recorded_span select s, '2020-06-04 09:00+09', '2020-06-04 10:00+09', 'books' from unnest($1::text[]) s",
    [SOURCES],
  );
  for (const [second, left, right] of [
    [0, 100, 100],
    [1, 101, 100],
    [2, 102, 102],
    [3, 105, 110],
  ]) {
    await quote("kis:1", second!, left!);
    await quote("kiwoom:1", second!, right!);
  }
  const options = {
    day: DAY,
    left: "kis",
    right: "kiwoom",
    nowMs: NOW_MS,
    market: (ms: number) => ms,
  };
  expect(await booksOfDay(database.pool, options)).toEqual([
    { venue: "KRX", symbol: "005490", seconds: 4, equal: 2, near: 3 },
  ]);
});
