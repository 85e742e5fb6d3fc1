-- Moving collectors between sites while nobody opens a second socket: a holder that is no longer placed is
-- told to leave, a database can be fenced off from granting, and the migration's phases have a history.
-- Why: docs/phases.md and docs/adr/0022-acknowledged-revoke.md. Locks: short, on functions only; the tables
-- are new (phase was an empty placeholder). Undo: drop fence, site, clearing and phase, put may_hold and
-- lease_wait_ms of 0003 and where_am_i of 0007 back; holders then keep what they hold.
-- tickhub: min_code 1

-- Which database this is: a copy on another server, or beside the original on one server, is another one. A
-- physical restore of its backup is the same.
create function public.database_identity() returns text
language sql stable
set search_path = pg_catalog, public, pg_temp
return (select system_identifier::text from pg_control_system()) || '/'
  || (select oid::text from pg_database where datname = current_database());

-- Whether this database grants leases. No row: it does (no phases here; placement as configured).
--   open      it grants, by placement
--   shut      it grants nothing; holders keep what they hold
--   clearing  it grants nothing, and every holder is told to leave
create table public.fence (
  one boolean primary key default true check (one),
  state text not null check (state in ('open', 'shut', 'clearing')),
  -- The database that was opened. Another one is a copy of it and counts as shut: it must not grant beside it.
  opened text not null default '',
  -- How often it was opened: what was collected since the last time is another's to have before this one's end.
  openings int not null default 0,
  -- The other database of the move from home, and which of the two this is.
  peer text,
  role text check (role in ('home', 'hub')),
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null,
  reason text not null
);

-- Which edges stand at home and which in the cloud, from the hub's configuration: of a broker's accounts
-- (kis) or of one account (kis:2).
create table public.site (
  target text collate "C" not null,
  side text not null check (side in ('home', 'cloud')),
  edges text[] not null check (cardinality(edges) > 0),
  -- Of leases that several edges may hold; as in placement.
  ttl_ms int not null check (ttl_ms > 0),
  primary key (target, side)
);

-- When each opening of the other database was found cleared, by this database's clock: what is proved of a
-- transfer has to be proved after that.
create table public.clearing (
  database text collate "C" not null,
  opening int not null,
  cleared_at timestamptz not null default clock_timestamp(),
  primary key (database, opening)
);

-- The migration's transitions, newest last. The phase is where the last finished one led; one without
-- entered_at that is the newest of all is under way.
drop table public.phase;
create table public.phase (
  id bigint generated always as identity primary key,
  -- The same in both databases, where a transition has two.
  run uuid not null unique,
  verb text not null check (verb in ('advance', 'rollback', 'adopt')),
  from_name text check (from_name in ('home', 'local', 'dual', 'cloud')),
  to_name text not null check (to_name in ('home', 'local', 'dual', 'cloud')),
  begun_at timestamptz not null default clock_timestamp(),
  begun_by text not null,
  -- The reason given with --force, and what it skipped.
  forced text,
  skipped jsonb not null default '[]',
  -- What the gate saw.
  gate jsonb not null default '[]',
  entered_at timestamptz
);

-- What was done on the way, and when: for people. Nothing is decided by it.
create table public.phase_step (
  id bigint generated always as identity primary key,
  run uuid not null,
  step text not null,
  says text not null,
  at timestamptz not null default clock_timestamp()
);
create index phase_step_run on public.phase_step (run, id);

-- When the holder was told to leave: from then on it does, whatever is placed meanwhile. Null again with the
-- lease's end.
alter table public.lease add column revoked_at timestamptz;

create function public.fence_state() returns text
language sql stable
set search_path = pg_catalog, public, pg_temp
return coalesce((select case when state = 'open' and opened <> database_identity() then 'shut' else state end
  from public.fence), 'open');

-- As in 0003, and with it: a database that is fenced off grants nobody, and where there are phases an account
-- without a placement is nobody's.
create or replace function public.may_hold(p_account text, p_edge text) returns boolean
language sql stable
set search_path = pg_catalog, public, pg_temp
return fence_state() = 'open' and coalesce(
  (select p_edge = any (sites) from public.placement where account = p_account),
  not exists (select from public.fence));

-- How long until a silent holder counts as dead for edge `p_edge`: 0 = now, null = silence proves nothing.
-- In failover mode it has stopped by itself when its time is over; in exclusive mode only a new process of
-- the same edge may take the silence of the old one for its death. Kill grace counts in both: a stalled
-- process stops nothing, its socket ends when the broker loses patience.
-- Silence while the database or the hub was down proves nothing.
create function public.death_wait_ms(l public.lease, p_edge text) returns float8
language sql stable
set search_path = pg_catalog, public, pg_temp
return case when l.mode = 'failover' or l.edge = p_edge then greatest(0, extract(epoch from
  greatest(l.seen_at, pg_postmaster_start_time(), (select started_at from public.hub_start))
    + (lease_silence_ms(l) + l.quiet_ms) * interval '1 ms' - clock_timestamp()) * 1000)
end;

-- How long edge `p_edge` has to wait before it can be granted the lease: 0 = now, null = not at all.
create or replace function public.lease_wait_ms(l public.lease, p_edge text) returns float8
language sql stable
set search_path = pg_catalog, public, pg_temp
return case
  when l.account is null or not may_hold(l.account, p_edge) then null
  when l.holder is null then greatest(0, extract(epoch from
    coalesce(l.released_at, '-infinity') + l.quiet_ms * interval '1 ms' - clock_timestamp()) * 1000)
  else death_wait_ms(l, p_edge)
end;

-- An edge of the account's placement waits for it: it was heard a moment ago, has the key and holds nothing.
create function public.successor_ready(p_account text) returns boolean
language sql stable
set search_path = pg_catalog, public, pg_temp
return exists (
  select from public.placement p join public.edge_status e on e.edge = any (p.sites)
  where p.account = p_account and e.seen_at > clock_timestamp() - interval '10 s'
    and e.status -> 'accounts' -> p_account ->> 'lease' = 'claiming');

-- The holder at edge `p_edge` has to leave: the database is being cleared, or the account is placed at other
-- edges and one of them stands ready. Until then it goes on: a market that is collected at the wrong site is
-- better than one that is not collected.
create function public.has_to_leave(p_account text, p_edge text) returns boolean
language sql stable
set search_path = pg_catalog, public, pg_temp
return case fence_state()
  when 'clearing' then true
  when 'open' then not may_hold(p_account, p_edge) and successor_ready(p_account)
  else false
end;

-- As in 0007, and with it: a holder that has to leave is told so (`revoked` in its lease, from then on with every answer: it keeps the lease
-- until it has closed its socket and releases it), and a dead holder at an edge that may not hold the account
-- any more is buried by that edge's next process.
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
        ttl_ms = coalesce(v_place.ttl_ms, l.ttl_ms), revoked_at = null
      where account = p_account;
      perform begin_epoch(p_account);
    end if;
  elsif p_wish = 'claim' and l.holder <> p_holder and not may_hold(p_account, p_edge)
    and death_wait_ms(l, p_edge) = 0 then
    perform pg_advisory_xact_lock(account_lock(p_account));
    select * into l from public.lease where account = p_account for update;
    if l.holder <> p_holder and death_wait_ms(l, p_edge) = 0 then
      update public.lease_epoch set ended_at = clock_timestamp()
       where account = p_account and ended_at is null;
      update public.lease set holder = null, released_at = clock_timestamp(), revoked_at = null
       where account = p_account;
    end if;
  elsif p_wish = 'release' then
    update public.lease set holder = null, released_at = clock_timestamp(), seen_at = clock_timestamp(),
      revoked_at = null
     where account = p_account and holder = p_holder returning * into l;
    -- Nobody else opens a socket before the quiet time has passed; until then a late row does no harm.
    update public.lease_epoch set ended_at = l.released_at + l.quiet_ms * interval '1 ms'
     where account = p_account and l.account is not null and ended_at is null;
  elsif p_wish in ('claim', 'hold') then
    update public.lease set seen_at = clock_timestamp()
     where account = p_account and holder = p_holder returning * into l;
    -- The epoch before stays open: its rows are the same holder's until it has heard of the new one.
    if l.assigned_epoch <> l.plan_epoch then perform begin_epoch(p_account); end if;
    if l.revoked_at is null and has_to_leave(p_account, l.edge) then
      update public.lease set revoked_at = clock_timestamp() where account = p_account and holder = p_holder;
    end if;
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
      || case when v_state = 'granted' and l.revoked_at is not null
      then jsonb_build_object('revoked', true) else '{}' end
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

revoke all on function public.database_identity, public.fence_state, public.death_wait_ms,
  public.successor_ready, public.has_to_leave from public;

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.fence, public.site, public.clearing, public.phase, public.phase_step
      to tickhub_read;
  end if;
end
$$;
