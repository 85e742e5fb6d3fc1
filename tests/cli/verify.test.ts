// `tickhub verify` as it is run: exit codes, figures, and the spans it names.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Recording } from "../../app/cli/recording.ts";
import type { VerifyReport } from "../../app/cli/verify.ts";
import { systemClock } from "../../app/shared/clock.ts";
import { kstMs } from "../../app/shared/market-time.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { TestStream } from "../store/batches.ts";
import { tickhub } from "../support/cli.ts";
import type { TestDatabase } from "../support/database.ts";
import { createDatabase } from "../support/database.ts";
import { generator, hasData, recordedTrades } from "../support/records.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ migrated: true });
});
afterAll(async () => {
  await database.drop();
});

const verify = (...args: string[]) =>
  tickhub(["verify", ...args], { TICKHUB_DATABASE_URL: database.url });

async function write(source: string, trades: readonly Trade[]): Promise<void> {
  const writer = new BatchWriter({
    pool: database.pool,
    clock: systemClock,
    connectionsMax: 1,
    unleased: true,
  });
  const stream = new TestStream(source);
  for (let at = 0; at < trades.length; at += 5_000) {
    await writer.write(stream.next(trades.slice(at, at + 5_000)), stream.from);
  }
}

/** Stores what a source's tape holds, and what its broker says of the day. */
async function store(
  source: string,
  trades: readonly Trade[],
  whole: readonly Trade[],
): Promise<void> {
  await write(source, trades);
  const times = whole.map(({ exchangeMs }) => exchangeMs);
  const fromMs = times.reduce((least, ms) => Math.min(least, ms));
  const toMs = times.reduce((most, ms) => Math.max(most, ms));
  await database.pool.query(
    "insert into recorded_span values ($1, to_timestamp($2), to_timestamp($3), 'test')",
    [source, fromMs / 1_000, toMs / 1_000 + 1],
  );
  const ends = Object.values(Object.groupBy(whole, ({ symbol }) => symbol)).map((list) => {
    const [first, last] = [list![0]!, list!.at(-1)!];
    return { symbol: first.symbol, first: first.seq - first.size, final: last.seq };
  });
  await database.pool.query(
    `insert into day_figure (source, venue, symbol, day, seq_first, seq_final, asked_at)
     select $1, $2, symbol, to_date($3, 'YYYYMMDD'), first, final, to_timestamp($4)
       from jsonb_to_recordset($5) as f (symbol text, first bigint, final bigint)`,
    [source, whole[0]!.venue, String(whole[0]!.day), toMs / 1_000, JSON.stringify(ends)],
  );
}

/** Twenty trades after the open of 2026-11-25, one a second. */
function newYorkTrades(): Trade[] {
  const openMs = Date.parse("2026-11-25T09:30:00-05:00");
  return Array.from({ length: 20 }, (_, i): Trade => {
    const tsMs = openMs + i * 1_000;
    return {
      ...{ kind: "trade", symbol: "AAPL", venue: "NAS", exchangeMs: tsMs, day: 20261125 },
      ...{ chain: 0, seq: (i + 1) * 5, size: 5, price: 200, side: 0, session: 0 },
      ...{ ask: Number.NaN, bid: Number.NaN, sellCount: -1, buyCount: -1 },
      ...{ edgeRecvMs: tsMs, capture: i + 1, extra: null },
    };
  });
}

describe("tickhub verify", () => {
  test("refuses a date that is none", async () => {
    const { code, stderr } = await verify("--date", "2026-02-30");
    expect(stderr).toContain("USAGE");
    expect(code).toBe(2);
  });

  test("a day of which nothing is stored is complete only where the market was closed", async () => {
    const [open, closed] = [
      await verify("--date", "2026-11-24"),
      await verify("--date", "2026-11-22"),
    ];
    expect(open.stderr).toContain("nothing is stored of 2026-11-24");
    expect(closed.stderr).toContain("(weekend)");
    expect([open.code, closed.code]).toEqual([1, 0]);
  });

  test("names a US span in both times", async () => {
    const trades = newYorkTrades();
    const kept = trades.filter((_, i) => i !== 7 && i !== 8);
    await store("kis:9", kept, trades);
    const { code, stdout } = await verify("--date", "2026-11-25", "--source", "kis:9");
    expect(stdout).toContain(
      "kis:9 NAS:AAPL trade 23:30:06–23:30:10 KST (09:30:06–09:30:10 at NAS) · suspected · VOLUME_STEP · 10 shares missing",
    );
    expect(code).toBe(1);
  });

  test("a tape that was replayed is complete when all of it is in the table, whatever its ends", async () => {
    const trades = newYorkTrades().map((trade) => ({ ...trade, seq: trade.seq + 1_000 }));
    await write("kis:8", trades);
    const recording = new Recording();
    for (const trade of trades) recording.note("kis:8", trade);
    await recording.declare(database.pool, "sha256");
    const args = ["--date", "2026-11-25", "--source", "kis:8"];
    expect((await verify(...args)).code).toBe(0);
    await database.pool.query("delete from trade where source = 'kis:8' and seq = $1", [1_100]);
    const { code, stdout } = await verify(...args);
    expect(stdout).toContain("suspected · VOLUME_STEP · 5 shares missing");
    expect(code).toBe(1);
  });

  test.skipIf(!hasData())(
    "proves a real day whole from one source, and names exactly the ten trades that another lacks",
    { timeout: 120_000 },
    async () => {
      const whole = recordedTrades();
      const random = generator();
      const isInside = ({ symbol, seq, size }: Trade) =>
        seq - size > 100_000 && whole.some((one) => one.symbol === symbol && one.seq > seq);
      const inner = whole.filter((trade, index) => index % 997 === 5 && isInside(trade));
      const dropped = new Set<Trade>();
      while (dropped.size < 10) dropped.add(inner[random(inner.length)]!);
      await store("kis:1", whole, whole);
      await store(
        "kiwoom:1",
        whole.filter((trade) => !dropped.has(trade)),
        whole,
      );
      const { code, json } = await verify("--date", "2020-06-04", "--json");
      const { sources, trades, ok } = json as unknown as VerifyReport;
      expect(trades).toBe(2 * whole.length - 10);
      const [kis, kiwoom] = sources;
      const day = 3 * 86_400_000;
      const [first, last] = [kstMs(20200604, 90_458), kstMs(20200604, 151_921)];
      const { sums } = kis!.channels[0]!;
      const recordedMs = 3 * (last - first + 1_000);
      expect(sums.verified + sums["volume-verified"]).toBe(recordedMs);
      expect(sums["not recorded"] + sums["not expected"]).toBe(day - recordedMs);
      expect(kis!.unproven).toEqual([]);
      const named = (symbol: string, seq: number) => `${symbol} ${seq}`;
      expect(
        kiwoom!.unproven.map(({ symbol, missingVolume }) => named(symbol, missingVolume!)).sort(),
      ).toEqual([...dropped].map(({ symbol, size }) => named(symbol, size)).sort());
      for (const { symbol, exchangeMs, size } of dropped) {
        const span = kiwoom!.unproven.find((one) => {
          return one.symbol === symbol && one.missingVolume === size && one.fromMs <= exchangeMs;
        });
        expect(span!.toMs).toBeGreaterThan(exchangeMs);
      }
      expect([ok, code]).toEqual([false, 1]);
      expect((await verify("--date", "2020-06-04", "--source", "kis:1")).code).toBe(0);
    },
  );

  test("says where the stored ledger is another", async () => {
    await database.pool.query(
      `insert into coverage (source, venue, symbol, day, channel, from_at, to_at, state)
       values ('kis:9', 'NAS', 'AAPL', '2026-11-25', 'trade', '2026-11-25 05:00Z', '2026-11-26 05:00Z', 'verified')`,
    );
    const { stdout } = await verify("--date", "2026-11-25");
    expect(stdout).toContain("kis:9 the stored ledger differs: trade NAS/AAPL");
  });
});
