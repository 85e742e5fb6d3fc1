// What the ledger of coverage costs: `tickhub verify` on a day of five million trades, from the tables alone,
// and the time that it takes to read them against the time to fold them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifySource } from "../app/hub/query/coverage/verify.ts";
import { readDayTrades } from "../app/hub/query/coverage/evidence.ts";
import { systemClock } from "../app/shared/clock.ts";
import { openPool } from "../app/store/database.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { migrate } from "../app/store/migrate.ts";
import { createDatabase } from "../app/store/scratch.ts";

const TRADES = 5_000_000;
const SYMBOLS = 100;
const DAY = 20261123;
const NOW_MS = Date.UTC(2026, 10, 24);

export async function run(): Promise<Record<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const server = await startEmbedded({
    directory: join(directory, "postgres"),
    clock: systemClock,
  });
  const url = await createDatabase(server.url, "bench_coverage");
  const pool = openPool(url, { connectionsMax: 2, name: "bench", statementTimeoutMs: 600_000 });
  try {
    await migrate(pool, { clock: systemClock });
    await pool.query(FILL, [TRADES, SYMBOLS]);
    await pool.query("analyze trade");
    const readMs = await timed(() => readDayTrades(pool, "kis:1", DAY, () => undefined));
    const verifyMs = await timed(async () => {
      const report = await verifySource(pool, "kis:1", DAY, (ms) => ms, NOW_MS);
      if (report?.trades !== TRADES) throw new Error(`found ${report?.trades} trades`);
    });
    const rssMb = Math.round(process.memoryUsage().rss / 2 ** 20);
    return { trades: TRADES, symbols: SYMBOLS, readMs, verifyMs, rssMb };
  } finally {
    await pool.end();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Trades in the order of a market: each second, all symbols; volumes go on, counts rise by one. */
const FILL = `
  insert into trade (ts, symbol, venue, source, day, chain, seq, price, size, side, session, sell_count,
    buy_count, edge_recv, stream, capture)
  select date_trunc('second', at), lpad((i % $2::int)::text, 6, '0'), 'KRX', 'kis:1', date '2026-11-23', 0,
    (i / $2::int + 1) * 10, 71000, 10, 1, 2, 0, i / $2::int + 1, at, 1, i
  from generate_series(0::bigint, $1::bigint - 1) i
  cross join lateral (select timestamptz '2026-11-23 09:00+09' + i * 23400 / $1::bigint * interval '1 s' as at) t`;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = systemClock.monoMs();
  await work();
  return Math.round(systemClock.monoMs() - startedMs);
}
