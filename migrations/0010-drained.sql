-- Up to when an edge had handed over what it received, as it said itself with its last heartbeat.
-- Why: an edge that dies while an old backlog drains beside fresh records takes rows along that are older
-- than the last ones stored; the window it lost begins there. Locks: short, on feed_session.
-- Undo: put hear_sessions of 0007 back, drop the column.
-- tickhub: min_code 1

-- The edge's wall clock, as edge_recv: everything received before is stored, quarantined or declared lost.
alter table public.feed_session add column drained_at timestamptz;

-- As in 0007, and with it: drainedMs of a session that lives.
create or replace function public.hear_sessions(p_account text, p_holder uuid, p_edge text, p_sessions jsonb) returns void
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
  insert into public.feed_session as s (account, holder, no, edge, from_at, heard_at, to_at, code, drained_at)
  select p_account, p_holder, (one ->> 'no')::int, p_edge,
    to_timestamp((one ->> 'fromMs')::float8 / 1000),
    to_timestamp((one ->> 'heardMs')::float8 / 1000),
    to_timestamp((one ->> 'toMs')::float8 / 1000), one ->> 'code',
    to_timestamp((one ->> 'drainedMs')::float8 / 1000)
  from jsonb_array_elements(case when jsonb_typeof(p_sessions) = 'array' then p_sessions else '[]' end) one
  on conflict (account, holder, no) do update set
    heard_at = greatest(s.heard_at, excluded.heard_at),
    to_at = coalesce(excluded.to_at, s.to_at), code = coalesce(excluded.code, s.code),
    drained_at = coalesce(excluded.drained_at, s.drained_at)
$$;
