// Bars of one place. With TimescaleDB whole minutes come from the continuous aggregates, which have them ready;
// everything else is added up from the trades of the time asked for, through the index whose first column is time.
// The plain views bar_1m and bar_1h are no way to a day: a condition on their time reaches no index.
import { venueMs, zoneOf } from "../../shared/market-time.ts";
import { BARS_MAX } from "../../shared/web-api.ts";
import type { Bars, Place } from "../../shared/web-api.ts";
import type { Queryable } from "./reader.ts";

export interface BarQuestion extends Place {
  fromMs: number;
  toMs: number;
  /** One of BAR_STEPS_MS. */
  stepMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

interface Row {
  atMs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** Oldest first; a step without a trade has no bar. */
export async function readBars(
  db: Queryable,
  question: BarQuestion,
  hasAggregates: boolean,
): Promise<Bars> {
  const { source, venue, symbol, stepMs } = question;
  const rows = await rowsOf(db, question, hasAggregates);
  return {
    ...{ source, venue, symbol, stepMs },
    timesMs: rows.map(({ atMs }) => atMs),
    open: rows.map(({ open }) => open),
    high: rows.map(({ high }) => high),
    low: rows.map(({ low }) => low),
    close: rows.map(({ close }) => close),
    volume: rows.map(({ volume }) => volume),
  };
}

/** Whether `bar_1m` is kept up to date by the database, and not a view over all trades. */
export async function readHasAggregates(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ has: boolean }>(
    "select exists (select from pg_extension where extname = 'timescaledb') as has",
  );
  return rows[0]!.has;
}

async function rowsOf(
  db: Queryable,
  question: BarQuestion,
  hasAggregates: boolean,
): Promise<Row[]> {
  const { stepMs } = question;
  if (hasAggregates && stepMs >= MINUTE_MS) return await fromAggregate(db, question);
  if (stepMs === DAY_MS) return await daysFromTrades(db, question);
  return await fromTrades(db, question);
}

const PLACE = "source = $1 and venue = $2 and symbol = $3";
const SPAN = "ts >= to_timestamp($4::float8 / 1000) and ts < to_timestamp($5::float8 / 1000)";
/** Trades of one second have an order of their own. */
const ORDER = { first: "day, chain, seq", last: "day desc, chain desc, seq desc" } as const;
const OF_TRADES = `(array_agg(price order by ${ORDER.first}))[1] as open, max(price) as high,
  min(price) as low, (array_agg(price order by ${ORDER.last}))[1] as close,
  sum(size)::float8 as volume`;

async function fromTrades(db: Queryable, question: BarQuestion): Promise<Row[]> {
  const { rows } = await db.query<Row>(
    `select extract(epoch from date_bin($6::float8 * interval '1 ms', ts, '2000-01-01 00:00:00+00'))::float8
       * 1000 as "atMs", ${OF_TRADES}
     from public.trade where ${PLACE} and ${SPAN} group by 1 order by 1 limit $7`,
    [...valuesOf(question), question.stepMs, BARS_MAX],
  );
  return rows;
}

async function daysFromTrades(db: Queryable, question: BarQuestion): Promise<Row[]> {
  const { rows } = await db.query<Row & { day: number }>(
    `select to_char(day, 'YYYYMMDD')::int as day, ${OF_TRADES}
     from public.trade where ${PLACE} and ${SPAN} group by day order by trade.day limit $6`,
    [...valuesOf(question), BARS_MAX],
  );
  return rows.map(({ day, ...row }) => ({ ...row, atMs: venueMs(question.venue, day, 0) }));
}

async function fromAggregate(db: Queryable, question: BarQuestion): Promise<Row[]> {
  const { stepMs, venue } = question;
  const table = stepMs < HOUR_MS ? "public.bar_1m" : "public.bar_1h";
  const bin =
    stepMs === DAY_MS
      ? "date_trunc('day', ts, $6::text)"
      : "date_bin($6::float8 * interval '1 ms', ts, '2000-01-01 00:00:00+00')";
  const { rows } = await db.query<Row>(
    `select extract(epoch from ${bin})::float8 * 1000 as "atMs", (array_agg(open order by ts))[1] as open,
       max(high) as high, min(low) as low, (array_agg(close order by ts desc))[1] as close,
       sum(volume)::float8 as volume
     from ${table} where ${PLACE} and ${SPAN} group by 1 order by 1 limit $7`,
    [...valuesOf(question), stepMs === DAY_MS ? zoneOf(venue) : stepMs, BARS_MAX],
  );
  return rows;
}

function valuesOf({ source, venue, symbol, fromMs, toMs }: BarQuestion): unknown[] {
  return [source, venue, symbol, fromMs, toMs];
}
