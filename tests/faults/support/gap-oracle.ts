// What is true of a market's trades, from the simulated brokers' own record, against what the hub's tables
// say of them: which trades are not stored, which of those are declared, and whether any time that holds one
// is called proven. Reads tables and the simulator's door, and nothing of the code under test.
import type pg from "pg";
import { fetchJson } from "../../../app/cli/http.ts";
import type { Printed } from "../../../app/sim/sim.ts";

const SECOND_MS = 1_000;

/** A trade of the market that a source has not stored. */
export interface Absent extends Printed {
  source: string;
}

export interface DeclaredGap {
  source: string;
  symbol: string;
  kind: string;
  state: string;
  reason: string;
  seqFrom: number | null;
  seqTo: number | null;
  fromMs: number;
  toMs: number;
}

export interface Findings {
  /** Of the market, times the sources. */
  trades: number;
  absent: Absent[];
  /** Stored by a source although the market has no such trade. */
  invented: number;
  /** Rows that were asked of REST. */
  refilled: number;
  gaps: DeclaredGap[];
  /** Absent, and in no gap that says so. */
  undeclared: Absent[];
  /** Absent, in a second of which nothing but proven intervals tell. */
  falselyProven: Absent[];
  /** Between a hole's declared ends and the market's trades beside it. */
  spanErrorMsMax: number;
}

export async function findings(
  pool: pg.Pool,
  control: string,
  sources: readonly string[],
): Promise<Findings> {
  const market = (await fetchJson<Printed[]>(`${control}/trades`))!;
  const stored = await readStored(pool);
  const gaps = await readGaps(pool);
  const unproven = await readUnproven(pool);
  const absent = sources.flatMap((source) =>
    market
      .filter(({ symbol, cumVolume }) => !stored.has(`${source} ${symbol} ${cumVolume}`))
      .map((trade) => ({ source, ...trade })),
  );
  const { rows } = await pool.query<{ n: number }>(
    "select count(*)::int as n from trade where origin = 1",
  );
  return {
    trades: market.length * sources.length,
    absent,
    invented: stored.size - (market.length * sources.length - absent.length),
    refilled: rows[0]!.n,
    gaps,
    undeclared: absent.filter((trade) => !gaps.some((gap) => tellsOf(gap, trade))),
    falselyProven: absent.filter(({ source, symbol, marketMs }) => {
      const fromMs = Math.floor(marketMs / SECOND_MS) * SECOND_MS;
      const told = unproven.get(`${source} ${symbol}`) ?? [];
      return !told.some((one) => one.fromMs < fromMs + SECOND_MS && one.toMs > fromMs);
    }),
    spanErrorMsMax: spanErrorMs(gaps, market),
  };
}

/** The gap is open or lost, and the trade lies in its volume. */
function tellsOf(gap: DeclaredGap, trade: Absent): boolean {
  const isOpen = !["refilled", "explained"].includes(gap.state);
  const isOfIt = gap.source === trade.source && gap.symbol === trade.symbol;
  const start = trade.cumVolume - trade.size;
  return (
    isOpen &&
    isOfIt &&
    (gap.seqFrom ?? -Infinity) <= start &&
    (gap.seqTo ?? Infinity) >= trade.cumVolume
  );
}

function spanErrorMs(gaps: readonly DeclaredGap[], market: readonly Printed[]): number {
  const floor = (ms: number) => Math.floor(ms / SECOND_MS) * SECOND_MS;
  const byEnd = new Map(market.map((one) => [`${one.symbol} ${one.cumVolume}`, one]));
  const byStart = new Map(market.map((one) => [`${one.symbol} ${one.cumVolume - one.size}`, one]));
  const errors = gaps
    .filter(({ kind }) => kind === "hole")
    .map(({ symbol, seqFrom, seqTo, fromMs, toMs }) => {
      const before = byEnd.get(`${symbol} ${seqFrom!}`);
      const after = byStart.get(`${symbol} ${seqTo!}`);
      // A hole that does not begin and end at trades of the market is off by all there is.
      if (!before || !after) return Infinity;
      const [from, to] = [floor(before.marketMs), floor(after.marketMs)];
      return Math.max(Math.abs(fromMs - from), Math.abs(toMs - to));
    });
  return Math.max(0, ...errors);
}

async function readStored(pool: pg.Pool): Promise<Set<string>> {
  const { rows } = await pool.query<{ key: string }>(
    "select source || ' ' || symbol || ' ' || seq as key from trade",
  );
  return new Set(rows.map(({ key }) => key));
}

async function readGaps(pool: pg.Pool): Promise<DeclaredGap[]> {
  const { rows } = await pool.query<DeclaredGap>(
    `select source, symbol, kind, state, reason, seq_from::float8 as "seqFrom", seq_to::float8 as "seqTo",
       (extract(epoch from from_at) * 1000)::float8 as "fromMs",
       (extract(epoch from to_at) * 1000)::float8 as "toMs"
     from gap where channel = 'trade' order by id`,
  );
  return rows;
}

/** Times of which the hub does not say that they are complete, by source and symbol. */
async function readUnproven(pool: pg.Pool) {
  const { rows } = await pool.query<{ key: string; fromMs: number; toMs: number }>(
    `select source || ' ' || symbol as key,
       (extract(epoch from from_at) * 1000)::float8 as "fromMs",
       (extract(epoch from to_at) * 1000)::float8 as "toMs"
     from coverage where channel = 'trade' and state not in ('verified', 'volume-verified')`,
  );
  return Map.groupBy(rows, ({ key }) => key);
}
