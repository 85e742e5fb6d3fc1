-- The functions of the way in; the hub and an edge's direct uplink call the same ones.
-- Why: docs/adr/0005-ingest-functions.md. Locks: none. Undo: drop the functions.
-- tickhub: min_code 1

-- Who stores under an account's lease holds this lock shared; who grants the lease holds it alone.
create function public.account_lock(p_account text) returns bigint
language sql immutable parallel safe
return (1953063787::bigint << 32) | (hashtext(p_account)::bigint & 4294967295);

-- Opens the transaction of batches number p_first, p_first + 1, … of one stream: books them as stored
-- and says what to do with their rows.
--   store      copy them in
--   duplicate  all were stored before: nothing to do, nothing was written; was_* is what became of the
--              first of them then (null when its statistics are gone)
--   mixed      some were stored before: nothing was written, send them one by one
--   hole       batch last_number + 1 is missing: nothing was written
--   reused     the stream or a number was used for something else: nothing was written
-- Rows captured after store_until_ms (null = no limit) belong in quarantine.
-- p_plain: the caller copies in the same breath; anything but new rows inside the lease fails with TH001.
-- p_unleased: epoch 0 is good although the account has a lease (replay of a tape); for the owner only.
create function public.ingest_begin(
  p_stream uuid, p_table smallint, p_account text, p_edge text, p_holder uuid, p_epoch bigint,
  p_first bigint, p_crcs bigint[], p_rows int[], p_bytes int[], p_first_ms float8[],
  p_last_ms float8[], p_lost bigint[], p_reasons text[], p_plain boolean, p_unleased boolean,
  out state text, out stream_no int, out last_number bigint, out store_until_ms float8,
  out was_committed int, out was_duplicate int, out was_quarantined int, out was_lost bigint)
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  s public.stream;
  v_until timestamptz := 'infinity';
  v_count int := cardinality(p_crcs);
  v_rows bigint := (select sum(r) from unnest(p_rows) r);
  v_lost bigint := (select sum(l) from unnest(p_lost) l);
  v_quarantine boolean := p_table = 4;
begin
  perform pg_advisory_xact_lock_shared(account_lock(p_account));
  if p_epoch > 0 then
    select coalesce(ended_at, 'infinity') into v_until from public.lease_epoch
     where account = p_account and epoch = p_epoch and holder = p_holder;
    v_until := coalesce(v_until, '-infinity');
  elsif exists (select from public.lease where account = p_account)
    and not (p_unleased and pg_has_role(
      session_user, (select relowner from pg_class where oid = 'public.stream'::regclass), 'usage'))
  then
    v_until := '-infinity';
  end if;
  store_until_ms := extract(epoch from nullif(v_until, 'infinity')) * 1000;

  select * into s from public.stream where id = p_stream for update;
  if s.id is null and p_first = 1 then
    insert into public.stream (id, account, table_no, edge, holder)
    values (p_stream, p_account, p_table, p_edge, p_holder) on conflict (id) do nothing;
    select * into s from public.stream where id = p_stream for update;
  end if;
  stream_no := s.no;
  last_number := coalesce(s.last_number, 0);
  state := case
    when p_first > last_number + 1 then 'hole'
    when s.account <> p_account or s.table_no <> p_table then 'reused'
    when p_first = last_number + 1 then 'store'
    when exists (
      select from unnest(p_crcs) with ordinality as b (crc, i)
      left join public.ingest_batch k on k.stream = s.no and k.number = p_first + b.i - 1
      where b.crc <> coalesce(k.crc, case when s.last_number = p_first + b.i - 1 then s.last_crc end)
    ) then 'reused'
    when p_first + v_count - 1 <= last_number then 'duplicate'
    else 'mixed'
  end;
  if p_plain and (state <> 'store' or exists (
      select from unnest(p_rows, p_last_ms) as b (rows, last_ms)
      where rows > 0 and last_ms > store_until_ms)) then
    raise exception 'not a plain batch (%)', state using errcode = 'TH001';
  end if;
  if state = 'duplicate' then
    select b.committed, b.duplicate, b.quarantined, b.lost
      into was_committed, was_duplicate, was_quarantined, was_lost
      from public.ingest_batch b where b.stream = s.no and b.number = p_first;
  end if;
  if state <> 'store' then return; end if;

  insert into public.ingest_batch
    (stream, number, crc, rows, bytes, first_at, last_at, committed, quarantined, lost)
  select s.no, p_first + i - 1, crc, rows, bytes, to_timestamp(first_ms / 1000), to_timestamp(last_ms / 1000),
    case when v_quarantine then 0 else rows end, case when v_quarantine then rows else 0 end, gone
  from unnest(p_crcs, p_rows, p_bytes, p_first_ms, p_last_ms, p_lost) with ordinality
    as b (crc, rows, bytes, first_ms, last_ms, gone, i);
  if v_lost > 0 then
    insert into public.loss (stream, number, count, first_at, last_at, reason)
    select s.no, p_first + i - 1, count, to_timestamp(first_ms / 1000), to_timestamp(last_ms / 1000), reason
    from unnest(p_lost, p_reasons, p_first_ms, p_last_ms) with ordinality
      as b (count, reason, first_ms, last_ms, i)
    where count > 0;
  end if;
  update public.stream set
    last_number = p_first + v_count - 1,
    last_crc = p_crcs[v_count],
    received = received + v_rows + v_lost,
    committed = committed + case when v_quarantine then 0 else v_rows end,
    quarantined = quarantined + case when v_quarantine then v_rows else 0 end,
    lost = lost + v_lost
  where id = p_stream;

  if not p_plain and p_table = 1 then
    -- Made here, not by the caller: what a definer's function reads must not be another's to shape.
    create temporary table incoming_trade (like public.trade including defaults including constraints) on commit drop;
    execute format('grant insert on pg_temp.incoming_trade to %I', session_user);
  end if;
end
$$;

-- Ends the careful way of one batch: moves pg_temp.incoming_trade into trade where the batch is one of
-- trades, and mends what ingest_begin booked: rows that were there count as duplicates, rows whose key
-- is there with another price or size go to quarantine, and p_quarantined rows went there already.
create function public.ingest_merge(
  p_stream_no int, p_quarantined int, out inserted int, out duplicate int, out conflict int)
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  v_rows int := 0;
begin
  inserted := 0;
  conflict := 0;
  if (select table_no from public.stream where no = p_stream_no) = 1 then
    if not exists (select from pg_class where oid = to_regclass('pg_temp.incoming_trade')
        and relkind = 'r' and relowner = current_user::regrole) then
      raise exception 'pg_temp.incoming_trade is not ingest_begin''s' using errcode = 'insufficient_privilege';
    end if;
    select count(*) into v_rows from pg_temp.incoming_trade;
    insert into public.trade
    select distinct on (ts, symbol, venue, source, day, chain, seq) * from pg_temp.incoming_trade
    order by ts, symbol, venue, source, day, chain, seq, ctid
    on conflict do nothing;
    get diagnostics inserted = row_count;
    if inserted < v_rows then
      insert into public.quarantine (source, code, reason, bytes, edge_recv, stream, capture)
      select i.source, 'KEY_CONFLICT',
        format('stored: %s x %s, this: %s x %s', t.price, t.size, i.price, i.size),
        convert_to(to_jsonb(i)::text, 'UTF8'), i.edge_recv, p_stream_no, i.capture
      from pg_temp.incoming_trade i join public.trade t
        using (ts, symbol, venue, source, day, chain, seq)
      where (t.price, t.size) is distinct from (i.price, i.size)
        and t.ts >= (select min(ts) from pg_temp.incoming_trade)
        and t.ts <= (select max(ts) from pg_temp.incoming_trade);
      get diagnostics conflict = row_count;
    end if;
  end if;
  duplicate := v_rows - inserted - conflict;
  update public.stream s set
    committed = s.committed - ingest_merge.duplicate - conflict - p_quarantined,
    duplicate = s.duplicate + ingest_merge.duplicate,
    quarantined = s.quarantined + conflict + p_quarantined
  where no = p_stream_no;
  update public.ingest_batch b set
    committed = b.committed - ingest_merge.duplicate - conflict - p_quarantined,
    duplicate = b.duplicate + ingest_merge.duplicate,
    quarantined = b.quarantined + conflict + p_quarantined
  where b.stream = p_stream_no
    and b.number = (select s.last_number from public.stream s where s.no = p_stream_no);
end
$$;

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
create function public.lease_wait_ms(l public.lease, p_edge text) returns float8
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

-- One heartbeat of one account of an edge, and with it the lease. p_wish: claim (take or keep it),
-- hold (keep it), release, report (change nothing). Only the hub makes accounts (table lease), only edges of
-- the account's placement are granted it, and a holder's next heartbeat after a new assignment begins a new
-- epoch. Returns {system, nowMs, lease: {state, epoch, holder, edge, waitMs, mode, silenceMs, validMs}}:
--   granted     p_holder holds it, under `epoch`; assignmentEpoch comes with it, the assignment where the
--               status does not name that one, and the positions with every claim
--   waiting     it can be had in waitMs: quiet time after a release, or until the holder counts as dead
--   held        another edge holds it, and only that edge's release or the operator frees it
--   ineligible  the account is placed at other edges
--   lost        wished to hold, but does not      released   nothing held      unknown   no such account
-- mode is exclusive, or failover: then the grant is valid for validMs after the question was sent.
-- silenceMs is how long the holder may be silent before the lease may pass on.
create function public.where_am_i(
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

create function public.assignment_of(p_account text) returns jsonb
language sql stable
set search_path = pg_catalog, public, pg_temp
return (
  select coalesce(jsonb_agg(jsonb_build_object('venue', venue, 'symbol', symbol, 'channel', channel)
    order by venue, symbol, channel), '[]')
  from public.assignment where account = p_account);

-- The last stored trade of each symbol of a source, of the last seven days: where a feed goes on from.
-- Symbol by symbol, because the key of trade starts with the time: each look-up ends at its first hit.
create function public.positions_of(p_source text) returns jsonb
language sql stable
set search_path = pg_catalog, public, pg_temp
return (
  with wanted as (
    select distinct venue, symbol from public.assignment where account = p_source
    union
    select distinct venue, symbol from public.trade
    where source = p_source and ts > now() - interval '7 days'
      and not exists (select from public.assignment where account = p_source)
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'symbol', t.symbol, 'venue', t.venue, 'day', to_char(t.day, 'YYYYMMDD')::int, 'chain', t.chain,
    'seq', t.seq, 'price', t.price, 'exchangeMs', (extract(epoch from t.ts) * 1000)::bigint)
    order by t.symbol, t.venue), '[]')
  from wanted w cross join lateral (
    select * from public.trade
    where source = p_source and venue = w.venue and symbol = w.symbol and ts > now() - interval '7 days'
    order by ts desc, day desc, chain desc, seq desc limit 1
  ) t);
