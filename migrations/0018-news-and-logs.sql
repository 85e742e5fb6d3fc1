-- News and log lines come in as batches: the tables 5 and 6 of the wire, with columns for how a row came.
-- Why: docs/adr/0029-news-and-logs.md. With TimescaleDB edge_log is a plain table from now on: it is read by id,
-- and small. An account `news:EDGE` or `log:EDGE` has no lease: what stands in for it
-- is that edge EDGE alone may fill it. Each id of edge_log is above all that were committed before it, so that
-- who follows the log by id misses no line.
-- Locks: exclusive on news and edge_log for a moment; nothing has written to either before this. The functions
-- keep their signatures: the release before goes on with them.
-- Undo: the functions of 0003 and 0008 again; drop the columns.
-- tickhub: min_code 1

drop table public.edge_log;
create table public.edge_log (
  -- No key: with TimescaleDB the table may be partitioned by time.
  id bigint generated always as identity,
  at timestamptz not null,
  -- Whose line it is; the hub's own are `hub`'s.
  edge text collate "C" not null,
  -- pino's: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
  level smallint not null,
  event text collate "C" not null,
  fields jsonb not null default '{}'
);
create index edge_log_id on public.edge_log (id);
create index edge_log_at on public.edge_log (at, id);
create index edge_log_edge on public.edge_log (edge, at, id);

alter table public.news
  -- Which feed of the account: rss:NAME, dart, search:NAME.
  add column feed text collate "C" not null default '',
  add column edge_recv timestamptz not null default now(),
  add column hub_recv timestamptz not null default now(),
  add column stream int not null default 0,
  add column capture bigint not null default 0;
create index news_published on public.news (published_at);

-- Who writes lines holds it to the end of the transaction.
create function public.log_lock() returns bigint
language sql immutable parallel safe
return (1953063787::bigint << 32) | 6;
revoke all on function public.log_lock() from public;

-- As 0003 made it, and:
--   foreign    table 5 or 6 of an account that is not this edge's own, or under a lease: nothing was written
create or replace function public.ingest_begin(
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
  v_own text := case p_table when 5 then 'news:' when 6 then 'log:' end || p_edge;
begin
  perform pg_advisory_xact_lock_shared(account_lock(p_account));
  -- Before an id is given: ids then rise in the order of the commits.
  if p_table = 6 then perform pg_advisory_xact_lock(log_lock()); end if;
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
  if s.id is null and p_first = 1 and (v_own is null or (v_own = p_account and p_epoch = 0)) then
    insert into public.stream (id, account, table_no, edge, holder)
    values (p_stream, p_account, p_table, p_edge, p_holder) on conflict (id) do nothing;
    select * into s from public.stream where id = p_stream for update;
  end if;
  stream_no := s.no;
  last_number := coalesce(s.last_number, 0);
  state := case
    when v_own <> p_account or (v_own is not null and p_epoch <> 0) then 'foreign'
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

  -- Made here, not by the caller: what a definer's function reads must not be another's to shape.
  if not p_plain and p_table = 1 then
    create temporary table incoming_trade (like public.trade including defaults including constraints) on commit drop;
    execute format('grant insert on pg_temp.incoming_trade to %I', session_user);
  elsif not p_plain and p_table = 5 then
    create temporary table incoming_news (like public.news including defaults including constraints) on commit drop;
    execute format('grant insert on pg_temp.incoming_news to %I', session_user);
  end if;
end
$$;

-- Whether pg_temp.NAME is the one that ingest_begin made in this transaction.
create function public.assert_incoming(p_name text) returns void
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
  if not exists (select from pg_class where oid = to_regclass('pg_temp.' || quote_ident(p_name))
      and relkind = 'r' and relowner = current_user::regrole) then
    raise exception 'pg_temp.% is not ingest_begin''s', p_name using errcode = 'insufficient_privilege';
  end if;
end
$$;
revoke all on function public.assert_incoming(text) from public;

-- As 0008 made it, and of a batch of news: an item whose digest is stored already counts as a duplicate.
create or replace function public.ingest_merge(
  p_stream_no int, p_codes text[], p_reasons text[], p_bytes bytea[], p_edge_recv_ms float8[],
  p_captures bigint[],
  out inserted int, out duplicate int, out conflict int, out lost int)
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  v_table smallint := (select table_no from public.stream where no = p_stream_no);
  v_rows int := 0;
  v_refused int := coalesce(cardinality(p_codes), 0);
  v_committed int;
  v_quarantined int;
  c record;
begin
  inserted := 0;
  conflict := 0;
  lost := public.quarantine_put(p_stream_no, p_codes, p_reasons, p_bytes,
    array(select to_timestamp(ms / 1000) from unnest(p_edge_recv_ms) with ordinality as e (ms, i) order by i),
    p_captures);
  if v_table = 5 then
    perform public.assert_incoming('incoming_news');
    select count(*) into v_rows from pg_temp.incoming_news;
    insert into public.news
    select distinct on (digest) * from pg_temp.incoming_news order by digest, ctid
    on conflict (digest) do nothing;
    get diagnostics inserted = row_count;
  elsif v_table = 1 then
    perform public.assert_incoming('incoming_trade');
    select count(*) into v_rows from pg_temp.incoming_trade;
    insert into public.trade
    select distinct on (ts, symbol, venue, source, day, chain, seq) * from pg_temp.incoming_trade
    order by ts, symbol, venue, source, day, chain, seq, ctid
    on conflict do nothing;
    get diagnostics inserted = row_count;
    if inserted < v_rows then
      select coalesce(array_agg('KEY_CONFLICT'::text), '{}') as codes,
        array_agg(format('stored: %s x %s, this: %s x %s', t.price, t.size, i.price, i.size)) as reasons,
        array_agg(convert_to(to_jsonb(i)::text, 'UTF8')) as bytes,
        array_agg(i.edge_recv) as edge_recv, array_agg(i.capture) as captures
      into c
      from pg_temp.incoming_trade i join public.trade t
        using (ts, symbol, venue, source, day, chain, seq)
      where (t.price, t.size) is distinct from (i.price, i.size)
        and t.ts >= (select min(ts) from pg_temp.incoming_trade)
        and t.ts <= (select max(ts) from pg_temp.incoming_trade);
      conflict := cardinality(c.codes);
      lost := lost + public.quarantine_put(
        p_stream_no, c.codes, c.reasons, c.bytes, c.edge_recv, c.captures);
    end if;
  end if;
  duplicate := v_rows - inserted - conflict;
  -- ingest_begin has booked every row: as quarantined those of the table quarantine, else as committed.
  v_committed := case when v_table = 4 then 0 else - duplicate - conflict - v_refused end;
  v_quarantined := case when v_table = 4 then 0 else conflict + v_refused end - lost;
  update public.stream s set
    committed = s.committed + v_committed,
    duplicate = s.duplicate + ingest_merge.duplicate,
    quarantined = s.quarantined + v_quarantined,
    lost = s.lost + ingest_merge.lost
  where no = p_stream_no;
  update public.ingest_batch b set
    committed = b.committed + v_committed,
    duplicate = b.duplicate + ingest_merge.duplicate,
    quarantined = b.quarantined + v_quarantined,
    lost = b.lost + ingest_merge.lost
  where b.stream = p_stream_no
    and b.number = (select s.last_number from public.stream s where s.no = p_stream_no);
end
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_edge') then
    grant insert on public.news, public.edge_log to tickhub_edge;
  end if;
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.edge_log to tickhub_read;
  end if;
end
$$;
