-- Quarantine within bounds: a budget of bytes a source and day, and what goes beyond it only counted.
-- Why: a broker that changes its format, or a collector outside its lease, refuses every record of a day;
-- the first of each reason are needed, the flood would fill the disk (docs/overload.md).
-- Locks: short, for the grants; the functions and the table are new, and the release before goes on with
-- ingest_merge(int, int). Undo: drop the functions and the table; the release before then runs as ever.
-- tickhub: min_code 1

-- What quarantine took and gave up, by source, day in Korea and reason.
create table public.quarantine_day (
  source text collate "C" not null,
  day date not null,
  code text collate "C" not null,
  -- Kept, and what they count of the day's budget.
  rows bigint not null default 0,
  bytes bigint not null default 0,
  lost bigint not null default 0,
  primary key (source, day, code)
);

-- Puts rows of a stream's open batch into quarantine as far as the day's budget goes: 64 MiB a source, and
-- beyond it the first 1,000 of each reason. The rest is lost, declared in `loss`; returns how many.
create function public.quarantine_put(
  p_stream_no int, p_codes text[], p_reasons text[], p_bytes bytea[], p_edge_recv timestamptz[],
  p_captures bigint[]) returns int
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
  s public.stream;
  v_day date := (now() at time zone 'Asia/Seoul')::date;
  v_spent bigint;
  v_lost int := 0;
  v_first timestamptz;
  v_last timestamptz;
begin
  if coalesce(cardinality(p_codes), 0) = 0 then return 0; end if;
  select * into s from public.stream where no = p_stream_no;
  -- One at a time for each source: its streams share the budget.
  perform pg_advisory_xact_lock(1953063787, hashtext(s.account));
  select coalesce(sum(bytes), 0) into v_spent from public.quarantine_day
   where source = s.account and day = v_day;
  with incoming as (
    -- 100 for the row around them.
    select *, 100 + octet_length(reason) + octet_length(bytes) as size
    from unnest(p_codes, p_reasons, p_bytes, p_edge_recv, p_captures) with ordinality
      as r (code, reason, bytes, edge_recv, capture, i)
  ), judged as (
    select r.*, v_spent + sum(r.size) over (order by i) <= 64 * 1024 * 1024
      or coalesce(d.rows, 0) + row_number() over (partition by r.code order by i) <= 1000 as is_kept
    from incoming r left join public.quarantine_day d
      on d.source = s.account and d.day = v_day and d.code = r.code
  ), kept as (
    insert into public.quarantine (source, code, reason, bytes, edge_recv, stream, capture)
    select s.account, code, reason, bytes, edge_recv, p_stream_no, capture
    from judged where is_kept order by i
  ), counted as (
    insert into public.quarantine_day as d (source, day, code, rows, bytes, lost)
    select s.account, v_day, code, count(*) filter (where is_kept),
      coalesce(sum(size) filter (where is_kept), 0), count(*) filter (where not is_kept)
    from judged group by code
    on conflict (source, day, code) do update set rows = d.rows + excluded.rows,
      bytes = d.bytes + excluded.bytes, lost = d.lost + excluded.lost
  )
  select count(*), min(edge_recv), max(edge_recv) into v_lost, v_first, v_last
  from judged where not is_kept;
  if v_lost > 0 then
    insert into public.loss as l (stream, number, count, first_at, last_at, reason)
    values (p_stream_no, s.last_number, v_lost, v_first, v_last, 'quarantine_full')
    on conflict (stream, number) do update set count = l.count + excluded.count,
      first_at = least(l.first_at, excluded.first_at), last_at = greatest(l.last_at, excluded.last_at);
  end if;
  return v_lost;
end
$$;

-- Ends the careful way of one batch, as ingest_merge(int, int) does, and takes the rows that belong in
-- quarantine itself: they are put there within the budget, `lost` are those beyond it. Of a batch of the
-- table quarantine these rows are the batch.
create function public.ingest_merge(
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
  if v_table = 1 then
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

revoke all on function public.quarantine_put(int, text[], text[], bytea[], timestamptz[], bigint[]) from public;
revoke all on function public.ingest_merge(int, text[], text[], bytea[], float8[], bigint[]) from public;
do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_edge') then
    grant execute on function
      public.ingest_merge(int, text[], text[], bytea[], float8[], bigint[]) to tickhub_edge;
  end if;
end
$$;
