-- What the hub knows beside the ticks, to tell whether any is missing: each broker socket's life, the
-- broker's own figures, and gaps with what became of them.
-- Why: a hole in the cumulative volume is only half of the evidence; the other half is when a feed was
-- alive, and what the broker's REST says of the rest. Locks: short, on gap (empty so far); the two indexes
-- hold up writers to trade and book while they read them once (seconds for a day of ticks).
-- Undo: drop the tables, indexes and functions made here, and put where_am_i of 0003 back.
-- tickhub: min_code 1

-- One row a broker socket, from its edge's heartbeats. Times are the market's: a replayed market has its own.
create table public.feed_session (
  account text collate "C" not null,
  holder uuid not null,
  -- 1, 2, 3… within the holder's life.
  no int not null,
  edge text collate "C" not null,
  -- Every registration was confirmed; the last frame that came; the end, null while nobody has told of one.
  from_at timestamptz not null,
  heard_at timestamptz not null,
  to_at timestamptz,
  -- Why it ended.
  code text collate "C",
  primary key (account, holder, no)
);
create index feed_session_time on public.feed_session (account, from_at);

-- What a recording declares to hold: times in which a source's feed counts as alive although no edge said so.
create table public.recorded_span (
  source text collate "C" not null,
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at >= from_at),
  -- SHA-256 of the tape, or a name.
  tape text not null,
  primary key (source, from_at, tape)
);

-- The broker's own figures of a symbol's day, from its REST: the cumulative volume before its first trade
-- and after its last.
create table public.day_figure (
  source text collate "C" not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  day date not null,
  seq_first bigint,
  seq_final bigint,
  -- When the figures were true, by the market's clock.
  asked_at timestamptz not null,
  primary key (source, venue, symbol, day)
);

-- kind: hole, between two stored trades; head, before the first of the day; tail, after the last so far;
-- time, a span in which nothing was captured (books, which no broker can send again, or an unknown count).
-- state: suspected, the broker has not been asked yet; refilling, an edge was given it; and for good:
--   refilled   the missing trades are here    explained  the broker shows no trade in it either
--   partial    some are here, the broker cannot show the rest      lost  the broker shows nothing of it
alter table public.gap
  add column kind text not null default 'hole' check (kind in ('hole', 'head', 'tail', 'time')),
  add column asked_at timestamptz,
  -- What the edge found: filled, explained, partial, missing, failed (to be asked again).
  add column outcome text check (outcome in ('filled', 'explained', 'partial', 'missing', 'failed')),
  add column answered_at timestamptz,
  add column tries int not null default 0,
  add column detail text;
alter table public.gap drop constraint gap_state_check;
alter table public.gap alter column state set default 'suspected';
alter table public.gap add constraint gap_state_check
  check (state in ('suspected', 'refilling', 'refilled', 'explained', 'partial', 'lost'));
drop index public.gap_open;
create index gap_open on public.gap (source, day) where state in ('suspected', 'refilling');
create index gap_day on public.gap (day, source);

-- Rows of one transaction share hub_recv with their ingest_batch.committed_at: so the hub finds what is new
-- to its ledger. BRIN, because rows lie in the order in which they came, and it costs writers nothing.
create index trade_arrival on public.trade using brin (hub_recv) with (pages_per_range = 16, autosummarize = on);

-- Keeps an edge's word on its broker sockets: [{no, fromMs, heardMs, toMs, code}], epoch ms of the market.
create function public.hear_sessions(p_account text, p_holder uuid, p_edge text, p_sessions jsonb) returns void
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
  insert into public.feed_session as s (account, holder, no, edge, from_at, heard_at, to_at, code)
  select p_account, p_holder, (one ->> 'no')::int, p_edge,
    to_timestamp((one ->> 'fromMs')::float8 / 1000),
    to_timestamp((one ->> 'heardMs')::float8 / 1000),
    to_timestamp((one ->> 'toMs')::float8 / 1000), one ->> 'code'
  from jsonb_array_elements(case when jsonb_typeof(p_sessions) = 'array' then p_sessions else '[]' end) one
  on conflict (account, holder, no) do update set
    heard_at = greatest(s.heard_at, excluded.heard_at),
    to_at = coalesce(excluded.to_at, s.to_at), code = coalesce(excluded.code, s.code)
$$;

-- Takes an edge's answers: [{id, outcome, rows, seqFirst, seqFinal, askedMs, detail}]. The rows of a refill
-- were committed before its answer came; what became of the gap is the hub's to judge.
create function public.hear_refills(p_account text, p_refills jsonb) returns void
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
  with heard as (
    update public.gap g set outcome = one ->> 'outcome', answered_at = clock_timestamp(),
      refilled_rows = greatest(g.refilled_rows, (one ->> 'rows')::bigint),
      detail = left(one ->> 'detail', 400)
    from jsonb_array_elements(case when jsonb_typeof(p_refills) = 'array' then p_refills else '[]' end) one
    where g.id = (one ->> 'id')::bigint and g.source = p_account and g.state = 'refilling'
    returning g.source, g.venue, g.symbol, g.day, (one ->> 'seqFirst')::bigint as seq_first,
      (one ->> 'seqFinal')::bigint as seq_final, (one ->> 'askedMs')::float8 as asked_ms
  )
  insert into public.day_figure as f (source, venue, symbol, day, seq_first, seq_final, asked_at)
  select source, venue, symbol, day, min(seq_first), max(seq_final), to_timestamp(max(asked_ms) / 1000)
  from heard where asked_ms is not null and (seq_first is not null or seq_final is not null)
  group by source, venue, symbol, day
  on conflict (source, venue, symbol, day) do update set
    seq_first = coalesce(excluded.seq_first, f.seq_first),
    seq_final = coalesce(excluded.seq_final, f.seq_final),
    asked_at = excluded.asked_at
$$;

-- Hands the account's open gaps to the holder that asks, a few at a time; a gap that is not answered within
-- a minute is handed out again, and one whose asking failed after twice as long each time.
create function public.refills_for(p_account text) returns jsonb
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
  with due as (
    select id from public.gap
    where source = p_account and kind <> 'time' and (
      state = 'suspected' and clock_timestamp() >=
        coalesce(answered_at, '-infinity') + least(60 * 2 ^ tries, 3600) * interval '1 s'
      or state = 'refilling' and outcome is null and asked_at < clock_timestamp() - interval '60 s')
    order by id limit 16 for update skip locked
  ), given as (
    update public.gap g set state = 'refilling', asked_at = clock_timestamp(), outcome = null,
      tries = tries + 1, changed_at = now()
    from due where g.id = due.id returning g.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'venue', venue, 'symbol', symbol,
    'day', to_char(day, 'YYYYMMDD')::int, 'chain', chain,
    'fromMs', (extract(epoch from from_at) * 1000)::float8, 'toMs', (extract(epoch from to_at) * 1000)::float8,
    'seqFrom', seq_from, 'seqTo', seq_to) order by id), '[]')
  from given
$$;

-- As in 0003, and with it: the status may tell of the account's sockets ("sessions"), and of refills that are
-- done ("refills", present where the edge can refill); then the answer of a holder brings the next ones.
create or replace function public.where_am_i(
  p_account text, p_holder uuid, p_edge text, p_wish text, p_status jsonb) returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  l public.lease;
  v_place public.placement;
  v_wait float8;
  v_state text;
begin
  select * into l from public.lease where account = p_account;
  if p_wish = 'claim' and l.holder is distinct from p_holder and lease_wait_ms(l, p_edge) = 0 then
    -- Waits for what is being stored under the old epoch, so that none of it can commit afterwards.
    perform pg_advisory_xact_lock(account_lock(p_account));
    select * into l from public.lease where account = p_account for update;
    if l.holder is distinct from p_holder and lease_wait_ms(l, p_edge) = 0 then
      select * into v_place from public.placement where account = p_account;
      update public.lease_epoch set ended_at = clock_timestamp()
       where account = p_account and ended_at is null;
      update public.lease set holder = p_holder, edge = p_edge, released_at = null,
        granted_at = clock_timestamp(), seen_at = clock_timestamp(),
        mode = case when cardinality(v_place.sites) > 1 then 'failover' else 'exclusive' end,
        ttl_ms = coalesce(v_place.ttl_ms, l.ttl_ms)
      where account = p_account;
      perform begin_epoch(p_account);
    end if;
  elsif p_wish = 'release' then
    update public.lease set holder = null, released_at = clock_timestamp(), seen_at = clock_timestamp()
     where account = p_account and holder = p_holder returning * into l;
    -- Nobody else opens a socket before the quiet time has passed; until then a late row does no harm.
    update public.lease_epoch set ended_at = l.released_at + l.quiet_ms * interval '1 ms'
     where account = p_account and l.account is not null and ended_at is null;
  elsif p_wish in ('claim', 'hold') then
    update public.lease set seen_at = clock_timestamp()
     where account = p_account and holder = p_holder returning * into l;
    -- The epoch before stays open: its rows are the same holder's until it has heard of the new one.
    if l.assigned_epoch <> l.plan_epoch then perform begin_epoch(p_account); end if;
  end if;

  select * into l from public.lease where account = p_account;
  v_wait := lease_wait_ms(l, p_edge);
  v_state := case
    when l.account is null then 'unknown'
    when l.holder = p_holder then 'granted'
    when p_wish = 'hold' then 'lost'
    when p_wish = 'release' or (p_wish = 'report' and l.holder is null) then 'released'
    when not may_hold(p_account, p_edge) then 'ineligible'
    when v_wait is null then 'held'
    else 'waiting'
  end;
  if p_status is not null then
    insert into public.edge_status (edge, status, seen_at) values (p_edge, p_status, clock_timestamp())
    on conflict (edge) do update set status = excluded.status, seen_at = excluded.seen_at;
  end if;
  perform hear_sessions(p_account, p_holder, p_edge, p_status -> 'accounts' -> p_account -> 'sessions');
  perform hear_refills(p_account, p_status -> 'accounts' -> p_account -> 'refills');
  return jsonb_build_object(
    'system', (select system_identifier::text from pg_control_system()),
    'nowMs', extract(epoch from clock_timestamp()) * 1000,
    'lease', jsonb_build_object('state', v_state, 'epoch', l.epoch, 'holder', l.holder,
      'edge', l.edge, 'waitMs', case when v_state = 'waiting' then v_wait end,
      'mode', l.mode, 'silenceMs', lease_silence_ms(l),
      'validMs', case when l.mode = 'failover' then l.ttl_ms end)
  ) || case when v_state = 'granted' then jsonb_build_object('assignmentEpoch', l.plan_epoch) else '{}' end
    || case when v_state = 'granted' and (p_wish = 'claim'
      or p_status -> 'accounts' -> p_account ->> 'assignmentEpoch' is distinct from l.plan_epoch::text)
    then jsonb_build_object('assignment', assignment_of(p_account)) else '{}' end
    || case when v_state = 'granted' and p_wish = 'claim'
    then jsonb_build_object('positions', positions_of(p_account)) else '{}' end
    || case when v_state = 'granted' and p_status -> 'accounts' -> p_account ? 'refills'
    then jsonb_build_object('refills', refills_for(p_account)) else '{}' end;
end
$$;

revoke all on function public.hear_sessions, public.hear_refills, public.refills_for from public;

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.feed_session, public.recorded_span, public.day_figure to tickhub_read;
  end if;
end
$$;
