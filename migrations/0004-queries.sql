-- What the hub finds out about the ticks, and what else it keeps.
-- Why: nothing on the way in waits for these. Locks: none, all are new. Undo: drop them; all but news,
-- edge_log and phase can be computed again.
-- tickhub: min_code 1

-- Per source, symbol and day, intervals that cover the day without overlap.
create table public.coverage (
  source text collate "C" not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  day date not null,
  channel text collate "C" not null,
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at >= from_at),
  state text not null check (state in (
    'verified', 'volume-verified', 'alive', 'suspected', 'gap', 'not recorded', 'not expected')),
  chain smallint,
  seq_from bigint,
  seq_to bigint,
  primary key (source, venue, symbol, day, channel, from_at)
);

create table public.gap (
  id bigint generated always as identity primary key,
  source text collate "C" not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  day date not null,
  channel text collate "C" not null,
  from_at timestamptz not null,
  to_at timestamptz,
  chain smallint,
  -- Cumulative volume before and after the missing trades; null = unknown size.
  seq_from bigint,
  seq_to bigint,
  reason text not null,
  state text not null default 'declared' check (state in ('declared', 'refilling', 'refilled', 'final')),
  refilled_rows bigint not null default 0,
  declared_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
create index gap_open on public.gap (source, day) where state <> 'final';

-- Steps of the migration, newest last; evidence is what the gate saw.
create table public.phase (
  id int generated always as identity primary key,
  name text not null check (name in ('home', 'local', 'dual', 'cloud')),
  entered_at timestamptz not null default now(),
  entered_by text not null,
  evidence jsonb not null default '{}'
);

create table public.parity_day (
  day date not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  left_source text collate "C" not null,
  right_source text collate "C" not null,
  matched_volume bigint not null,
  merged_volume bigint not null,
  joint_volume bigint not null,
  -- Share of the day verified live on both sides, 0 to 1.
  coverage float8 not null,
  computed_at timestamptz not null default now(),
  detail jsonb not null default '{}',
  primary key (day, venue, symbol, left_source, right_source)
);

create table public.news (
  -- SHA-256 over what makes an item itself: the feed's id, or title and link.
  digest bytea primary key,
  source text collate "C" not null,
  published_at timestamptz,
  seen_at timestamptz not null default now(),
  title text not null,
  url text not null,
  summary text,
  symbols text[] not null default '{}'
);
create index news_seen on public.news (seen_at);

create table public.edge_log (
  at timestamptz not null,
  edge text collate "C" not null,
  level smallint not null,
  event text not null,
  fields jsonb not null default '{}'
);
create index edge_log_edge on public.edge_log (edge, at);

create table public.latency_run (
  id int generated always as identity primary key,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  command text not null,
  samples bigint not null,
  p50_ms float8,
  p99_ms float8,
  max_ms float8,
  detail jsonb not null default '{}'
);

-- One span of one table on its way from database to database; done means copied and compared.
create table public.transfer_chunk (
  job uuid not null,
  table_name text not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  state text not null default 'open' check (state in ('open', 'copied', 'done')),
  rows bigint,
  digest bytea,
  changed_at timestamptz not null default now(),
  primary key (job, table_name, from_at)
);

-- Bars, as views; with TimescaleDB 0006 puts continuous aggregates of the same name and columns here.
create view public.bar_1m as
select date_bin('1 minute', ts, '2000-01-01 00:00:00+00') as ts, symbol, venue, source,
  (array_agg(price order by day, chain, seq))[1] as open,
  max(price) as high,
  min(price) as low,
  (array_agg(price order by day desc, chain desc, seq desc))[1] as close,
  sum(size)::bigint as volume,
  sum(price * size) as value,
  sum(size) filter (where side = 1)::bigint as buy_volume,
  sum(size) filter (where side = -1)::bigint as sell_volume,
  count(*) as trades
from public.trade group by 1, 2, 3, 4;

create view public.bar_1h as
select date_bin('1 hour', ts, '2000-01-01 00:00:00+00') as ts, symbol, venue, source,
  (array_agg(open order by ts))[1] as open,
  max(high) as high,
  min(low) as low,
  (array_agg(close order by ts desc))[1] as close,
  sum(volume)::bigint as volume,
  sum(value) as value,
  sum(buy_volume)::bigint as buy_volume,
  sum(sell_volume)::bigint as sell_volume,
  sum(trades)::bigint as trades
from public.bar_1m group by 1, 2, 3, 4;
