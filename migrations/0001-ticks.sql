-- What the feeds deliver, and the accounting of how it came.
-- Why: the tables every batch ends in. Locks: none, all are new. Undo: drop the tables (and the data).
-- tickhub: min_code 1

create table public.stream (
  id uuid primary key,
  no int generated always as identity unique,
  account text collate "C" not null,
  table_no smallint not null,
  edge text collate "C" not null,
  holder uuid not null,
  -- The whole dedupe state: batches 1..last_number are stored.
  last_number bigint not null default 0,
  last_crc bigint,
  opened_at timestamptz not null default clock_timestamp(),
  -- received = committed + duplicate + quarantined + lost
  received bigint not null default 0,
  committed bigint not null default 0,
  duplicate bigint not null default 0,
  quarantined bigint not null default 0,
  lost bigint not null default 0
) with (fillfactor = 50);
create index stream_account on public.stream (account, opened_at);

-- Statistics, and the verdict to repeat when an ack was lost; dropped by age.
create table public.ingest_batch (
  stream int not null,
  number bigint not null,
  crc bigint not null,
  rows int not null,
  bytes int not null,
  committed int not null,
  duplicate int not null default 0,
  quarantined int not null default 0,
  lost bigint not null default 0,
  first_at timestamptz,
  last_at timestamptz,
  committed_at timestamptz not null default now()
);
create index ingest_batch_number on public.ingest_batch (stream, number);

-- What an overload policy trimmed before it was ever sent.
create table public.loss (
  stream int not null,
  number bigint not null,
  count bigint not null,
  first_at timestamptz,
  last_at timestamptz,
  reason text not null,
  declared_at timestamptz not null default now(),
  primary key (stream, number)
);

create table public.trade (
  ts timestamptz not null,
  symbol text collate "C" not null,
  venue text collate "C" not null,
  source text collate "C" not null,
  -- Trading day in the venue's zone; `seq` starts again with each (day, chain).
  day date not null,
  chain smallint not null,
  -- The broker's cumulative volume after this trade.
  seq bigint not null,
  price float8 not null,
  size bigint not null,
  -- 1 buyer, -1 seller, 0 not said.
  side smallint not null,
  session smallint not null,
  ask float8,
  bid float8,
  sell_count bigint,
  buy_count bigint,
  -- 0 live, 1 backfill, 2 transfer.
  origin smallint not null default 0,
  edge_recv timestamptz not null,
  hub_recv timestamptz not null default now(),
  stream int not null,
  capture bigint not null,
  extra text
);
create unique index trade_key on public.trade (ts, symbol, venue, source, day, chain, seq);

-- No unique index: no broker can send a book again, so streams and numbers alone keep them single.
create table public.book (
  ts timestamptz not null,
  symbol text collate "C" not null,
  venue text collate "C" not null,
  source text collate "C" not null,
  day date not null,
  -- Levels 1 to 10, best first; price and size 0 where there is none (docs/adr/0004-book-layout.md).
  ask_price float8[] not null,
  ask_size bigint[] not null,
  bid_price float8[] not null,
  bid_size bigint[] not null,
  ask_total bigint,
  bid_total bigint,
  expected_price float8,
  expected_size bigint,
  phase text collate "C" not null,
  seq bigint,
  origin smallint not null default 0,
  edge_recv timestamptz not null,
  hub_recv timestamptz not null default now(),
  stream int not null,
  capture bigint not null,
  extra text
);

create table public.status (
  ts timestamptz not null,
  symbol text collate "C" not null,
  venue text collate "C" not null,
  source text collate "C" not null,
  day date not null,
  what text collate "C" not null,
  code text collate "C" not null,
  detail jsonb not null,
  origin smallint not null default 0,
  edge_recv timestamptz not null,
  hub_recv timestamptz not null default now(),
  stream int not null,
  capture bigint not null,
  extra text
);
create index status_symbol on public.status (symbol, ts);

-- Everything that could not be stored where it belongs, with its bytes.
create table public.quarantine (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  source text collate "C" not null,
  code text collate "C" not null,
  reason text not null,
  bytes bytea not null,
  edge_recv timestamptz,
  stream int not null,
  capture bigint,
  -- When it was decoded again after a fix.
  replayed_at timestamptz
);
create index quarantine_code on public.quarantine (code, at);
create index quarantine_source on public.quarantine (source, at);
