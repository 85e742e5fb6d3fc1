-- ingest_merge reads no table but the one that ingest_begin made.
-- Why: a caller could put a view of its own in that place, whose functions then ran as the owner.
-- Locks: none. Undo: run the function of 0003 again.
-- tickhub: min_code 1

create or replace function public.ingest_merge(
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
