// What the comparison of two brokers costs: a million trades of each side, of which some differ, against the
// checksum that a user would write (`sum(hashtext(t::text))` of both sides, in the same database). Every
// differing row has to be found. The two are measured in turn, and the figure is the ratio of their medians.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { parityOfDay } from "../app/hub/query/parity/day.ts";
import { systemClock } from "../app/shared/clock.ts";
import { openPool } from "../app/store/database.ts";
import { startEmbedded } from "../app/store/embedded.ts";
import { migrate } from "../app/store/migrate.ts";
import { createDatabase } from "../app/store/scratch.ts";
import { median } from "./median.ts";

const TRADES = 1_000_000;
const SYMBOLS = 100;
const DAY = 20261123;
const NOW_MS = Date.UTC(2026, 10, 24);
const DIFFERING = 500;
const ROUNDS = 5;
const WORKERS = 3;

export async function run(): Promise<Record<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-bench-"));
  const server = await startEmbedded({
    directory: join(directory, "postgres"),
    clock: systemClock,
  });
  const url = await createDatabase(server.url, "bench_parity");
  const pool = openPool(url, {
    connectionsMax: WORKERS,
    name: "bench",
    statementTimeoutMs: 600_000,
  });
  try {
    await migrate(pool, { clock: systemClock });
    await pool.query(FILL, [TRADES, SYMBOLS]);
    await pool.query(FACTS, [TRADES, SYMBOLS]);
    const altered = await alter(pool);
    await pool.query("vacuum analyze trade");
    const [checksums, parities]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      checksums.push(await timed(() => checksum(pool)));
      parities.push(await timed(() => parity(pool, altered)));
    }
    const [checksumMs, parityMs] = [median(checksums), median(parities)];
    const rate = (ms: number) => Math.round((2 * TRADES * 1_000) / ms);
    return {
      trades_left: TRADES,
      trades_right: TRADES,
      differing_rows: altered.size,
      found_rows: altered.size,
      checksum_ms: checksumMs,
      parity_ms: parityMs,
      checksum_rows_per_s: rate(checksumMs),
      parity_rows_per_s: rate(parityMs),
      ratio: Math.round((checksumMs / parityMs) * 100) / 100,
    };
  } finally {
    await pool.end();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As PostgreSQL plans it by itself, with its parallel workers. */
async function checksum(pool: pg.Pool): Promise<void> {
  for (const source of ["kis:1", "kiwoom:1"]) {
    await pool.query("select sum(hashtext(t::text)) from trade t where source = $1", [source]);
  }
}

async function parity(pool: pg.Pool, altered: ReadonlySet<string>): Promise<void> {
  const found = await parityOfDay(pool, {
    ...{ day: DAY, left: "kis", right: "kiwoom", nowMs: NOW_MS, workers: WORKERS },
    market: (ms) => ms,
  });
  const named = found.differences.map(
    ({ symbol, left, right }) => `${symbol} ${(left[0] ?? right[0])!.seq}`,
  );
  const isExact = named.length === altered.size && named.every((name) => altered.has(name));
  if (!isExact || found.rows < 2 * TRADES - DIFFERING) {
    throw new Error(`found ${named.length} of ${altered.size} differing rows`);
  }
}

/** Changes a price, or takes a row away, at random places of the right side. Returns them. */
async function alter(pool: pg.Pool): Promise<Set<string>> {
  const { rows } = await pool.query<{ symbol: string; seq: string }>(
    `with picked as (
       select ctid as at, row_number() over () as no from (
         select ctid from trade where source = 'kiwoom:1'
          order by hashint8extended(capture, 20261127) limit $1) p
     ), altered as (
       update trade t set price = price + 100 from picked p where t.ctid = p.at and p.no % 2 = 0
       returning t.symbol, t.seq
     ), removed as (
       delete from trade t using picked p where t.ctid = p.at and p.no % 2 = 1 returning t.symbol, t.seq
     )
     select symbol, seq from altered union all select symbol, seq from removed`,
    [DIFFERING],
  );
  return new Set(rows.map(({ symbol, seq }) => `${symbol} ${seq}`));
}

/** Trades in the order of a market: each second, all symbols, from both sides; whole rows as edges send them. */
const FILL = `
  insert into trade (ts, symbol, venue, source, day, chain, seq, price, size, side, session, ask, bid,
    sell_count, buy_count, edge_recv, stream, capture)
  select date_trunc('second', at), lpad((i % $2::int)::text, 6, '0'), 'KRX', source, date '2026-11-23', 0,
    (i / $2::int + 1) * 10, 71000 + i * 7919 % 50 * 100, 10, case when i % 3 = 0 then 1 else -1 end, 2,
    71100, 71000, i / $2::int / 2, i / $2::int / 2 + 1, at + interval '37.123 ms', 1, i
  from generate_series(0::bigint, $1::bigint - 1) i
  cross join (values ('kis:1'), ('kiwoom:1')) s (source)
  cross join lateral (select timestamptz '2026-11-23 09:00+09' + i * 23400 / $1::bigint * interval '1 s' as at) t
  order by i, source`;

/** Both feeds were alive all day, and both brokers tell the same last volume. */
const FACTS = `
  with fed as (
    insert into recorded_span
    select source, timestamptz '2026-11-23 00:00+09', timestamptz '2026-11-24 00:00+09', 'bench'
    from (values ('kis:1'), ('kiwoom:1')) s (source) returning source
  )
  insert into day_figure (source, venue, symbol, day, seq_first, seq_final, asked_at)
  select source, 'KRX', lpad(i::text, 6, '0'), date '2026-11-23', 0, $1::bigint / $2::int * 10,
    timestamptz '2026-11-23 20:00+09'
  from fed cross join generate_series(0, $2::int - 1) i`;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = systemClock.monoMs();
  await work();
  return Math.round(systemClock.monoMs() - startedMs);
}
