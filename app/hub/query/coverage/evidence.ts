// The tables as the ledger of coverage reads them: one function a question, times in epoch ms, days as
// YYYYMMDD. Reads only. Counts come as float8, which is exact to 2^53 and reaches JavaScript as a number.
import type pg from "pg";
import type { Side, Venue } from "../../../shared/tick.ts";
import { TABLES } from "../../../shared/table.ts";
import type { Channel, ChannelLoss, GapRow, LedgerTrade } from "./day-ledger.ts";
import { keyOf } from "./day-ledger.ts";
import type { StatusNews } from "./expected.ts";
import type { SessionLife } from "./feed-life.ts";
import type { Span } from "./spans.ts";
import type { Figure, Interval } from "./timeline.ts";

export type Queryable = Pick<pg.Pool, "query">;

/** Trades are fetched so many at a time: the event loop breathes in between. */
const FETCH_ROWS = 10_000;
/** A market day anywhere lies within these hours of its date's midnight UTC. */
const DAY_HOURS = { before: 12, after: 36 };

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;
const dayOf = (column: string) => `to_char(${column}, 'YYYYMMDD')::int`;
const dateOf = (parameter: string) => `to_date(${parameter}::text, 'YYYYMMDD')`;

const TRADE_COLUMNS = `source, ${dayOf("day")}, venue, symbol, chain, seq::float8, size::float8, ${ms("ts")},
  ${ms("edge_recv")}, side, coalesce(sell_count, -1)::float8, coalesce(buy_count, -1)::float8`;

type TradeRow = [
  source: string,
  day: number,
  venue: Venue,
  symbol: string,
  chain: number,
  seq: number,
  size: number,
  tsMs: number,
  edgeRecvMs: number,
  side: Side,
  sellCount: number,
  buyCount: number,
];

export interface SourceTrade extends LedgerTrade {
  source: string;
  day: number;
}

function tradeOf(row: TradeRow): SourceTrade {
  const [source, day, venue, symbol, chain, seq, size, tsMs, edgeRecvMs, side] = row;
  const [sellCount, buyCount] = [row[10], row[11]];
  return {
    ...{ source, day, venue, symbol, chain, seq, size, tsMs, edgeRecvMs, side },
    ...{ sellCount, buyCount },
  };
}

/** All trades of a source's day, a chain's in their order; `take` is called for each. */
export async function readDayTrades(
  pool: pg.Pool,
  source: string,
  day: number,
  take: (trade: SourceTrade) => void,
): Promise<number> {
  const client = await pool.connect();
  let count = 0;
  let failed = true;
  try {
    await client.query("begin isolation level repeatable read read only");
    await client.query(
      `declare day_trades no scroll cursor for select ${TRADE_COLUMNS} from public.trade
        where source = $1 and day = ${dateOf("$2")} and ts >= $3 and ts < $4
        order by venue, symbol, chain, seq`,
      [source, day, ...dayBounds(day)],
    );
    for (;;) {
      const { rows } = await client.query<TradeRow>({
        text: `fetch ${FETCH_ROWS} from day_trades`,
        rowMode: "array",
      });
      for (const row of rows) take(tradeOf(row));
      count += rows.length;
      if (rows.length < FETCH_ROWS) break;
    }
    await client.query("commit");
    failed = false;
    return count;
  } finally {
    client.release(failed);
  }
}

function dayBounds(day: number): [Date, Date] {
  const midnightMs = Date.UTC(Math.floor(day / 1e4), (Math.floor(day / 100) % 100) - 1, day % 100);
  return [
    new Date(midnightMs - DAY_HOURS.before * 3_600_000),
    new Date(midnightMs + DAY_HOURS.after * 3_600_000),
  ];
}

/** A stream of trades that has gone on. */
export interface StreamNews {
  stream: number;
  /** Read up to here, and stored up to here. */
  from: number;
  to: number;
}

export async function readStreamNews(db: Queryable, streamsMax: number): Promise<StreamNews[]> {
  const { rows } = await db.query<StreamNews>(
    `select s.no as stream, coalesce(c.number, 0)::float8 as "from", s.last_number::float8 as "to"
       from public.stream s left join public.coverage_cursor c on c.stream = s.no
      where s.table_no = $1 and s.last_number > coalesce(c.number, 0) order by s.no limit $2`,
    [TABLES.trade, streamsMax],
  );
  return rows;
}

export interface BatchNews {
  stream: number;
  number: number;
  committed: number;
  /** As text: JavaScript's dates have no microseconds, and rows are found by this instant. */
  committedAt: string;
}

/** Batches of streams that have gone on, oldest commit first. */
export async function readBatchNews(
  db: Queryable,
  news: readonly StreamNews[],
  batchesMax: number,
): Promise<BatchNews[]> {
  const { rows } = await db.query<BatchNews>(
    `select b.stream, b.number::float8 as number, b.committed, b.committed_at::text as "committedAt"
       from unnest($1::int[], $2::bigint[], $3::bigint[]) as n (stream, after, until)
       join public.ingest_batch b on b.stream = n.stream and b.number > n.after and b.number <= n.until
      order by b.committed_at, b.stream, b.number limit $4`,
    [
      news.map(({ stream }) => stream),
      news.map(({ from }) => from),
      news.map(({ to }) => to),
      batchesMax,
    ],
  );
  return rows;
}

/**
 * Trades of these batches, and perhaps of others of their streams. `within` bounds their exchange times, so
 * that old chunks are not looked into; null looks everywhere.
 */
export async function readNewTrades(
  db: Queryable,
  batches: readonly BatchNews[],
  within: Span | null,
): Promise<SourceTrade[]> {
  const times = batches.map(({ committedAt }) => committedAt);
  const { rows } = await db.query<TradeRow>({
    text: `select ${TRADE_COLUMNS} from public.trade
            where stream = any($1::int[])
              and hub_recv >= (select min(t) from unnest($2::timestamptz[]) t)
              and hub_recv <= (select max(t) from unnest($2::timestamptz[]) t)
              and hub_recv = any($2::timestamptz[])
              ${within ? "and ts >= to_timestamp($3) and ts < to_timestamp($4)" : ""}
            order by source, day, venue, symbol, chain, seq`,
    values: [
      [...new Set(batches.map(({ stream }) => stream))],
      [...new Set(times)],
      ...(within ? [within.fromMs / 1_000, within.toMs / 1_000] : []),
    ],
    rowMode: "array",
  });
  return rows.map(tradeOf);
}

/** Sessions by source that were alive in `within` or ended up to a week before it. */
export async function readSessions(
  db: Queryable,
  sources: readonly string[],
  within: Span,
): Promise<Map<string, SessionLife[]>> {
  const { rows } = await db.query<SessionLife & { source: string }>(
    `select account as source, holder::text, ${ms("from_at")} as "fromMs",
            -- A silent socket beat on after its last record: its end was set back to that.
            ${ms("least(heard_at, to_at)")} as "heardMs", ${ms("to_at")} as "toMs", code
       from public.feed_session
      where account = any($1) and from_at < to_timestamp($3 / 1000.0)
        and coalesce(to_at, heard_at) >= to_timestamp($2 / 1000.0) - interval '7 days'
      order by from_at, no`,
    [sources, within.fromMs, within.toMs],
  );
  return Map.groupBy(rows, ({ source }) => source);
}

/** What recordings declare to hold, by source. */
export async function readRecorded(db: Queryable): Promise<Map<string, Span[]>> {
  const { rows } = await db.query<Span & { source: string }>(
    `select source, ${ms("from_at")} as "fromMs", ${ms("to_at")} as "toMs"
       from public.recorded_span order by from_at`,
  );
  return Map.groupBy(rows, ({ source }) => source);
}

export async function readFigures(
  db: Queryable,
  source: string,
  day: number,
): Promise<Map<string, Figure>> {
  const { rows } = await db.query<Figure & { venue: Venue; symbol: string }>(
    `select venue, symbol, seq_first::float8 as "seqFirst", seq_final::float8 as "seqFinal",
            ${ms("asked_at")} as "askedMs"
       from public.day_figure where source = $1 and day = ${dateOf("$2")}`,
    [source, day],
  );
  return new Map(
    rows.map(({ venue, symbol, ...figure }) => [keyOf(venue, symbol), figure] as const),
  );
}

const GAP_COLUMNS = `id::float8, venue, symbol, channel, kind, ${ms("from_at")} as "fromMs",
  ${ms("coalesce(to_at, from_at)")} as "toMs", chain, seq_from::float8 as "seqFrom",
  seq_to::float8 as "seqTo", reason, state, outcome, refilled_rows::float8 as "refilledRows"`;

export async function readGaps(db: Queryable, source: string, day: number): Promise<GapRow[]> {
  const { rows } = await db.query<GapRow>(
    `select ${GAP_COLUMNS} from public.gap where source = $1 and day = ${dateOf("$2")} order by id`,
    [source, day],
  );
  return rows;
}

/** What is asked or to be asked, of all days. */
export async function readOpenGaps(
  db: Queryable,
): Promise<(GapRow & { source: string; day: number })[]> {
  const { rows } = await db.query<GapRow & { source: string; day: number }>(
    `select ${GAP_COLUMNS}, source, ${dayOf("day")} as day from public.gap
      where state in ('suspected', 'refilling') order by id`,
  );
  return rows;
}

/** What was given up of a source's trades and books; wall-clock times, as the edge counts. */
export async function readLosses(db: Queryable, source: string): Promise<ChannelLoss[]> {
  const { rows } = await db.query<Span & { reason: string; tableNo: number }>(
    `select ${ms("l.first_at")} as "fromMs", ${ms("l.last_at")} as "toMs", l.reason,
            s.table_no as "tableNo"
       from public.loss l join public.stream s on s.no = l.stream
      where s.account = $1 and s.table_no = any($2) and l.first_at is not null
      order by l.first_at desc limit 5000`,
    [source, [TABLES.trade, TABLES.book]],
  );
  return rows.map(({ fromMs, toMs, reason, tableNo }) => {
    const channel: Channel = tableNo === TABLES.book ? "book" : "trade";
    return { fromMs, toMs, reason, channel };
  });
}

/** Halts and volatility interruptions of these symbols, with a day before them, for those still running. */
export async function readNews(
  db: Queryable,
  source: string,
  day: number,
  symbols: readonly string[],
): Promise<Map<string, StatusNews[]>> {
  const { rows } = await db.query<StatusNews & { venue: Venue; symbol: string }>(
    `select venue, symbol, ${ms("ts")} as "atMs", what, code, detail from public.status
      where symbol = any($1) and ts >= $3 and ts < $4 and what in ('vi', 'halt', 'market')
        and source = $2 and day = ${dateOf("$5")}
      order by ts`,
    [symbols, source, ...dayBounds(day), day],
  );
  const news = new Map<string, StatusNews[]>();
  for (const { venue, symbol, ...one } of rows) {
    const key = keyOf(venue, symbol);
    news.set(key, [...(news.get(key) ?? []), one]);
  }
  return news;
}

export interface AssignedChannel {
  source: string;
  venue: Venue;
  symbol: string;
  channel: string;
}

export async function readAssigned(db: Queryable): Promise<AssignedChannel[]> {
  const { rows } = await db.query<AssignedChannel>(
    "select account as source, venue, symbol, channel from public.assignment order by 1, 2, 3, 4",
  );
  return rows;
}

export interface StoredInterval extends Omit<Interval, "reason"> {
  venue: Venue;
  symbol: string;
  channel: Channel;
}

/** The intervals as the keeper has written them. */
export async function readStored(
  db: Queryable,
  source: string,
  day: number,
): Promise<StoredInterval[]> {
  const { rows } = await db.query<StoredInterval>(
    `select venue, symbol, channel, ${ms("from_at")} as "fromMs", ${ms("to_at")} as "toMs", state,
            chain, seq_from::float8 as "seqFrom", seq_to::float8 as "seqTo"
       from public.coverage where source = $1 and day = ${dateOf("$2")}
      order by venue, symbol, channel, from_at`,
    [source, day],
  );
  return rows;
}

/** Everything an account's edges had received before this is stored, by their clocks; infinite without any. */
export async function readDrained(db: Queryable): Promise<Map<string, number>> {
  const { rows } = await db.query<{ account: string; drainedMs: number }>(
    `select a.account, min(${ms("e.seen_at")}
              - coalesce((e.status -> 'outbox' ->> 'oldestMs')::float8, 0)) as "drainedMs"
       from public.edge_status e
       cross join lateral jsonb_object_keys(case when jsonb_typeof(e.status -> 'accounts') = 'object'
         then e.status -> 'accounts' else '{}' end) as a (account)
       left join public.lease l on l.account = a.account
      -- Of an edge that is silent and holds nothing, nothing more is to come that others wait for.
      where l.edge = e.edge or e.seen_at > clock_timestamp() - interval '60 s'
      group by a.account`,
  );
  return new Map(rows.map(({ account, drainedMs }) => [account, drainedMs]));
}

/** When a process's last trade and last book that are stored had come to it; null without any. */
export async function readLastStored(
  db: Queryable,
  source: string,
  holder: string,
): Promise<Record<Channel, number | null>> {
  const { rows } = await db.query<{ tableNo: number; lastMs: number | null }>(
    `select s.table_no as "tableNo", max(${ms("b.last_at")}) as "lastMs"
       from public.stream s
       join public.ingest_batch b on b.stream = s.no and b.number = s.last_number
      where s.account = $1 and s.holder = $2 and b.rows > 0 group by 1`,
    [source, holder],
  );
  const of = (table: Channel) =>
    rows.find(({ tableNo }) => tableNo === TABLES[table])?.lastMs ?? null;
  return { trade: of("trade"), book: of("book") };
}

/** Sources that have anything of a day: trades, declared gaps, recordings or intervals. */
export async function readSources(db: Queryable, day: number): Promise<string[]> {
  const { rows } = await db.query<{ source: string }>(
    `select account as source from public.lease
      union select distinct account from public.stream
      union select source from public.recorded_span
      union select distinct source from public.coverage where day = ${dateOf("$1")}
      order by 1`,
    [day],
  );
  return rows.map(({ source }) => source);
}

/** Any venue's `day` lies inside. */
export function widestDay(day: number): Span {
  const [from, to] = dayBounds(day);
  return { fromMs: from.getTime(), toMs: to.getTime() };
}
