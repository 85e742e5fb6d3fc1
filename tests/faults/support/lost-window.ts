// What died with an edge, as three who know nothing of each other tell it: the simulator's own list of what
// was traded, the rows in the tables, and the gaps that the hub has declared.
import type pg from "pg";
import { fetchJson } from "../../../app/cli/http.ts";
import type { Printed } from "../../../app/sim/sim.ts";

export interface LostWindow {
  source: string;
  /** Nothing of this process was stored after. */
  fromMs: number;
  /** The next process had every registration confirmed. */
  toMs: number;
}

interface GapRow {
  symbol: string;
  seqFrom: number;
  seqTo: number;
  state: string;
}

/**
 * Between the last book stored of process `holder` (the beginning of its session, where none is) and its
 * successor's session; null until that is known. A process without a session had not begun to collect.
 */
export async function lostWindow(
  pool: pg.Pool,
  source: string,
  holder: string,
): Promise<LostWindow | "no session" | null> {
  const { rows } = await pool.query<{ fromMs: number | null; toMs: number | null }>(
    `with mine as (
       select min(from_at) as from_at from feed_session where account = $1 and holder = $2
     ), last as (
       select greatest(max(b.edge_recv), (select from_at from mine)) as at
         from book b join stream s on s.no = b.stream where s.holder = $2 and s.account = $1
     )
     select date_part('epoch', case when mine.from_at is not null then last.at end) * 1000 as "fromMs",
            date_part('epoch', (select min(from_at) from feed_session
              where account = $1 and holder <> $2 and from_at > last.at)) * 1000 as "toMs"
       from mine, last`,
    [source, holder],
  );
  const { fromMs, toMs } = rows[0]!;
  if (fromMs === null) return "no session";
  return toMs === null ? null : { source, fromMs, toMs };
}

/** Symbols whose books are missing in the window without a gap that says so. */
export async function undeclaredBooks(
  pool: pg.Pool,
  { source, fromMs, toMs }: LostWindow,
): Promise<string[]> {
  const { rows } = await pool.query<{ symbol: string }>(
    `select symbol from assignment where account = $1 and channel = 'book' and not exists (
       select from gap g where g.source = $1 and g.channel = 'book' and g.symbol = assignment.symbol
          and g.from_at <= to_timestamp($2 / 1000.0) and g.to_at >= to_timestamp($3 / 1000.0))`,
    [source, fromMs, toMs],
  );
  return rows.map(({ symbol }) => symbol);
}

/** Trades of the market that are not stored. Of an open window the end is what has been traded so far. */
export async function missingTrades(
  pool: pg.Pool,
  control: string,
  { source, fromMs, toMs }: LostWindow,
): Promise<Printed[]> {
  const printed = (await fetchJson<Printed[]>(`${control}/trades`)) ?? [];
  const { rows } = await pool.query<{ key: string }>(
    "select symbol || '/' || seq as key from trade where source = $1",
    [source],
  );
  const stored = new Set(rows.map(({ key }) => key));
  return printed.filter(({ symbol, cumVolume, marketMs }) => {
    const isIn = fromMs <= marketMs && marketMs <= toMs;
    return isIn && !stored.has(`${symbol}/${cumVolume}`);
  });
}

/** Of `trades`, those that no gap of the source covers. */
export async function undeclaredTrades(
  pool: pg.Pool,
  source: string,
  trades: readonly Printed[],
): Promise<Printed[]> {
  const { rows } = await pool.query<GapRow>(
    `select symbol, coalesce(seq_from, 0)::float8 as "seqFrom",
            coalesce(seq_to, 'infinity'::float8)::float8 as "seqTo", state
       from gap where source = $1 and channel = 'trade' and state <> 'explained'`,
    [source],
  );
  return trades.filter(({ symbol, cumVolume, size }) => {
    return !rows.some((gap) => {
      return gap.symbol === symbol && gap.seqFrom <= cumVolume - size && cumVolume <= gap.seqTo;
    });
  });
}
