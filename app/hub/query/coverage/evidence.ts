// The tables as the ledger of coverage reads them: one function a question, times in epoch ms, days as
// YYYYMMDD. Reads only. Counts come as float8, which is exact to 2^53 and reaches JavaScript as a number.
import type pg from "pg";
import { CANARY } from "../../../shared/canary.ts";
import type { Side, Venue } from "../../../shared/tick.ts";
import { NO_COUNT } from "../../../shared/tick.ts";
import { TABLES } from "../../../shared/table.ts";
import type { Channel, ChannelLoss, GapRow, LedgerTrade } from "./day-ledger.ts";
import { keyOf } from "./day-ledger.ts";
import type { StatusNews } from "./expected.ts";
import type { SessionLife } from "./feed-life.ts";
import type { Span } from "./spans.ts";
import type { Figure, Interval } from "./timeline.ts";

export type Queryable = Pick<pg.Pool, "query">;

/** A day is read in slices: neither side holds more of it at once, and the event loop breathes in between. */
const SLICE_MS = 15 * 60_000;
/** A market day anywhere lies within these hours of its date's midnight UTC. */
const DAY_HOURS = { before: 12, after: 36 };

// date_part is float8 all the way; extract would go through numeric, which costs more than reading the row.
const ms = (column: string) => `date_part('epoch', ${column}) * 1000`;
const dayOf = (column: string) => `to_char(${column}, 'YYYYMMDD')::int`;
const dateOf = (parameter: string) => `to_date(${parameter}::text, 'YYYYMMDD')`;

/**
 * A group's trades as one value, eight bytes a number: rows of many columns cost the client more than the
 * server and the folding together. float8 is exact to 2^53, and counts stay far below.
 */
const PACKED = `string_agg(float8send(seq) || float8send(size) || float8send(${ms("ts")})
  || float8send(${ms("edge_recv")}) || float8send(side) || float8send(coalesce(sell_count, ${NO_COUNT}))
  || float8send(coalesce(buy_count, ${NO_COUNT})), ''::bytea)`;
const PACKED_BYTES = 7 * 8;

interface TradeGroup {
  venue: Venue;
  symbol: string;
  chain: number;
  packed: Buffer;
}

function* tradesOf({ venue, symbol, chain, packed }: TradeGroup): Generator<LedgerTrade> {
  for (let at = 0; at < packed.length; at += PACKED_BYTES) {
    const value = (index: number) => packed.readDoubleBE(at + 8 * index);
    yield {
      ...{ venue, symbol, chain, seq: value(0), size: value(1), tsMs: value(2) },
      ...{ edgeRecvMs: value(3), side: value(4) as Side, sellCount: value(5), buyCount: value(6) },
    };
  }
}

/**
 * All trades of a source's day, in no order: the runs do not mind, and a day takes longer to sort than to
 * read. `take` is called for each. Returns their count.
 */
export async function readDayTrades(
  db: Queryable,
  source: string,
  day: number,
  take: (trade: LedgerTrade) => void,
): Promise<number> {
  let count = 0;
  let { fromMs: atMs } = widestDay(day);
  const { toMs } = widestDay(day);
  for (let isIdle = true; atMs < toMs; atMs += SLICE_MS) {
    if (isIdle) atMs = await nextTradeMs(db, atMs, toMs);
    const { rows } = await db.query<TradeGroup>(
      `select venue, symbol, chain, ${PACKED} as packed from public.trade
        where source = $1 and day = ${dateOf("$2")} and ts >= $3 and ts < $4
        group by venue, symbol, chain`,
      [source, day, new Date(atMs), new Date(Math.min(atMs + SLICE_MS, toMs))],
    );
    for (const group of rows) {
      for (const trade of tradesOf(group)) take(trade);
      count += group.packed.length / PACKED_BYTES;
    }
    isIdle = rows.length === 0;
  }
  return count;
}

/** Exchange time of the first trade of any source from `atMs` on; `toMs` where none is before. */
async function nextTradeMs(db: Queryable, atMs: number, toMs: number): Promise<number> {
  const { rows } = await db.query<{ nextMs: number | null }>(
    `select ${ms("min(ts)")} as "nextMs" from public.trade where ts >= $1 and ts < $2`,
    [new Date(atMs), new Date(toMs)],
  );
  return rows[0]?.nextMs ?? toMs;
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

export interface SourceTrades {
  source: string;
  day: number;
  trades: LedgerTrade[];
}

/**
 * Trades of these batches. `within` bounds their exchange times, so that old chunks are not looked into; null
 * looks everywhere.
 */
export async function readNewTrades(
  db: Queryable,
  batches: readonly BatchNews[],
  within: Span | null,
): Promise<SourceTrades[]> {
  const times = [...new Set(batches.map(({ committedAt }) => committedAt))];
  const { rows } = await db.query<TradeGroup & { source: string; day: number }>(
    `select source, ${dayOf("day")} as day, venue, symbol, chain, ${PACKED} as packed
       from public.trade
      where stream = any($1::int[]) and hub_recv = any($2::timestamptz[])
        and hub_recv >= $3::timestamptz and hub_recv <= $4::timestamptz
        ${within ? "and ts >= to_timestamp($5) and ts < to_timestamp($6)" : ""}
      group by source, day, venue, symbol, chain`,
    [
      [...new Set(batches.map(({ stream }) => stream))],
      times,
      times[0],
      times.at(-1),
      ...(within ? [within.fromMs / 1_000, within.toMs / 1_000] : []),
    ],
  );
  return rows.map(({ source, day, ...group }) => ({ source, day, trades: [...tradesOf(group)] }));
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

/** An edge sets rows apart that wait for longer: what is fresh then overtakes them. */
const BACKLOG_MS = 5_000;

/**
 * When a process's last trade and last book that are stored had come to it; null without any. Of one that was
 * draining a backlog beside: when the oldest record came that it still held, by its last heartbeat.
 */
export async function readLastStored(
  db: Queryable,
  source: string,
  holder: string,
): Promise<Record<Channel, number | null>> {
  const { rows } = await db.query<{ tableNo: number; lastMs: number | null }>(
    `with last as (
       select s.table_no, max(b.last_at) as stored_at
         from public.stream s
         join public.ingest_batch b on b.stream = s.no and b.number = s.last_number
        where s.account = $1 and s.holder = $2 and b.rows > 0 group by 1
     ), said as (
       select drained_at from public.feed_session where account = $1 and holder = $2 order by no desc limit 1
     )
     select table_no as "tableNo",
       ${ms("case when drained_at < stored_at - $3 * interval '1 ms' then drained_at else stored_at end")}
         as "lastMs"
     from last left join said on true`,
    [source, holder, BACKLOG_MS],
  );
  const of = (table: Channel) =>
    rows.find(({ tableNo }) => tableNo === TABLES[table])?.lastMs ?? null;
  return { trade: of("trade"), book: of("book") };
}

/** Sources that have anything of a day: trades, declared gaps, recordings or intervals. */
export async function readSources(db: Queryable, day: number): Promise<string[]> {
  const { rows } = await db.query<{ source: string }>(
    `select account as source from public.lease
      union select distinct account from public.stream where account <> $2
      union select source from public.recorded_span
      union select distinct source from public.coverage where day = ${dateOf("$1")}
      order by 1`,
    [day, CANARY],
  );
  return rows.map(({ source }) => source);
}

/** Any venue's `day` lies inside. */
export function widestDay(day: number): Span {
  const [from, to] = dayBounds(day);
  return { fromMs: from.getTime(), toMs: to.getTime() };
}

function dayBounds(day: number): [Date, Date] {
  const midnightMs = Date.UTC(Math.floor(day / 1e4), (Math.floor(day / 100) % 100) - 1, day % 100);
  return [
    new Date(midnightMs - DAY_HOURS.before * 3_600_000),
    new Date(midnightMs + DAY_HOURS.after * 3_600_000),
  ];
}
