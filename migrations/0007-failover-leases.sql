-- Leases that several edges may hold in turn, and assignments that raise the lease's epoch.
-- Why: docs/adr/0010-failover-leases.md. Locks: lease and placement, for the moment columns are added.
-- Undo: run the functions of 0003 again, drop what is new; accounts in failover mode must be free first.
-- tickhub: min_code 1

-- placement.sites: the names of edges, from the hub's configuration. No row: any edge. One site at most:
-- exclusive. Several: failover, and this is how long a holder may go on without an answer.
alter table public.placement add column ttl_ms int not null default 60000 check (ttl_ms > 0);

-- mode and ttl_ms are those of the grant: a holder that was told of no limit must not lose its account by one.
alter table public.lease
  add column ttl_ms int not null default 60000,
  -- Epoch of the account's assignment, and of the one that the lease's present epoch began with.
  add column plan_epoch bigint not null default 0,
  add column assigned_epoch bigint not null default 0;
update public.lease l set (plan_epoch, assigned_epoch) = (
  select coalesce(max(a.epoch), 0), coalesce(max(a.epoch), 0) from public.assignment a where a.account = l.account);

-- An epoch that was never used, also when this database is an old copy that has not seen the last ones:
-- no account is granted once a second for long, so the clock is ahead of every epoch it has had.
create function public.next_epoch(p_before bigint) returns bigint
language sql volatile
set search_path = pg_catalog, public, pg_temp
return greatest(p_before + 1, floor(extract(epoch from clock_timestamp()))::bigint);

create function public.may_hold(p_account text, p_edge text) returns boolean
language sql stable
set search_path = pg_catalog, public, pg_temp
return coalesce((select p_edge = any (sites) from public.placement where account = p_account), true);

-- How long the holder has to be silent before its lease may pass on, quiet time aside.
create function public.lease_silence_ms(l public.lease) returns int
language sql immutable
set search_path = pg_catalog, public, pg_temp
return case when l.mode = 'failover' then greatest(l.ttl_ms, l.kill_grace_ms) else l.kill_grace_ms end;

-- How long edge `p_edge` has to wait before it can be granted the lease: 0 = now, null = not at all.
create or replace function public.lease_wait_ms(l public.lease, p_edge text) returns float8
language sql stable
set search_path = pg_catalog, public, pg_temp
return case
  when l.account is null or not may_hold(l.account, p_edge) then null
  when l.holder is null then greatest(0, extract(epoch from
    coalesce(l.released_at, '-infinity') + l.quiet_ms * interval '1 ms' - clock_timestamp()) * 1000)
  -- In failover mode a silent holder has stopped by itself when its time is over; in exclusive mode only a
  -- new process of the same edge may take the silence of the old one for its death. Kill grace counts in
  -- both: a stalled process stops nothing, its socket ends when the broker loses patience.
  -- Silence while the database or the hub was down proves nothing.
  when l.mode = 'failover' or l.edge = p_edge then greatest(0, extract(epoch from
    greatest(l.seen_at, pg_postmaster_start_time(), (select started_at from public.hub_start))
      + (lease_silence_ms(l) + l.quiet_ms) * interval '1 ms' - clock_timestamp()) * 1000)
end;

-- As in 0003, and: only edges of the account's placement are granted it; a holder's next heartbeat after a
-- new assignment begins a new epoch; whoever holds the lease is told an assignment that its status does not
-- name. Lease carries also
--   mode        exclusive, or failover: valid for validMs after the question was sent
--   silenceMs   how long the holder may be silent before the lease may pass on
-- and one more state:
--   ineligible  the account is placed at other edges
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
    then jsonb_build_object('positions', positions_of(p_account)) else '{}' end;
end
$$;

-- A new epoch for the account's holder, under the assignment in force.
create function public.begin_epoch(p_account text) returns void
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
  with now as (
    update public.lease set epoch = next_epoch(epoch), assigned_epoch = plan_epoch
    where account = p_account returning *
  )
  insert into public.lease_epoch (account, epoch, holder, edge, granted_at)
  select account, epoch, holder, edge, clock_timestamp() from now;
$$;

revoke all on function public.next_epoch, public.may_hold, public.lease_silence_ms, public.begin_epoch from public;
