-- How far two brokers agree on a day, and what makes the comparison cheap.
-- Why: the gate to the cloud reads parity_day; 0004 made it before anybody knew what it has to hold, and
-- nothing has ever written to it. The index answers "is any row of this day not live, or of another venue?"
-- without reading the day: BRIN, because rows lie in the order in which they came, and it costs writers
-- nothing. Locks: parity_day is empty; the index holds up writers to trade while it reads them once (seconds
-- for a day of ticks). Undo: drop the index, and parity_day, which can be computed again.
-- tickhub: min_code 1

drop table public.parity_day;

-- One row per symbol. Volumes are shares; docs/parity.md says what each means.
create table public.parity_day (
  day date not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  -- A broker, which means all its accounts (kis), or one account (kis:1).
  left_source text collate "C" not null,
  right_source text collate "C" not null,
  matched_volume bigint not null check (matched_volume between 0 and joint_volume),
  -- Of what matched: one side put prints together.
  merged_volume bigint not null check (merged_volume between 0 and matched_volume),
  -- Live on both sides.
  joint_volume bigint not null check (joint_volume between 0 and total_volume),
  -- Live on one side; the other lacks it, or has it by a refill, although its feed was alive.
  missing_left_volume bigint not null check (missing_left_volume >= 0),
  missing_right_volume bigint not null check (missing_right_volume >= 0),
  total_volume bigint not null check (total_volume >= joint_volume + missing_left_volume + missing_right_volume),
  -- The share of the figure is matched / answered, that of the coverage joint / total.
  answered_volume bigint not null
    generated always as (joint_volume + missing_left_volume + missing_right_volume) stored,
  -- The day's last volume is known, so that nothing after it can be missing unseen.
  is_closed boolean not null,
  -- Computed after the venue's day had ended and its coverage was final.
  is_final boolean not null,
  computed_at timestamptz not null default now(),
  -- Per hour and per reason, in trades and volume; best quotes.
  detail jsonb not null default '{}',
  primary key (day, left_source, right_source, venue, symbol)
);

create index trade_kinds on public.trade using brin (ts, origin, venue, chain)
  with (pages_per_range = 32, autosummarize = on);

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.parity_day to tickhub_read;
  end if;
end
$$;
