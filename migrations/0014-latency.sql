-- What `tickhub latency` measures: its runs, a table to commit into, and a look for a batch from the inside.
-- Why: the placeholder of 0004 had one row a command and two percentiles; a run has one row a probe, with
-- what was asked of it. A commit that is measured must be a commit, so it needs a table; not one of ticks.
-- Locks: none that anyone waits for; the placeholder is empty and nothing reads it. Undo: drop the function
-- and both tables, and make the placeholder again as 0004 has it.
-- tickhub: min_code 1

drop table public.latency_run;
create table public.latency_run (
  id bigint generated always as identity primary key,
  -- One command.
  run uuid not null,
  evidence bigint not null references public.evidence (id),
  -- An edge's name, or 'home'; and the machine it was measured on.
  subject text collate "C" not null,
  host text not null,
  probe text collate "C" not null
    check (probe in ('connect', 'query', 'commit', 'ask', 'ack', 'queryable')),
  target text not null,
  -- 'before-nodelay'; null for the plain measurement.
  label text collate "C",
  started_at timestamptz not null,
  ended_at timestamptz not null,
  rate_per_s float8 not null,
  samples bigint not null,
  failed bigint not null,
  late bigint not null,
  -- Null where there are too few samples to know.
  p50_ms float8,
  p90_ms float8,
  p99_ms float8,
  p999_ms float8,
  p9999_ms float8,
  min_ms float8,
  max_ms float8,
  -- [upper bound in ms, samples], ascending.
  bins jsonb not null,
  thresholds jsonb not null,
  verdict text not null check (verdict in ('accepted', 'over', 'unjudged')),
  over_what text[] not null,
  path text not null,
  -- The hub's clock minus the machine's, and how far that may be wrong; medians of one way by it.
  offset_ms float8,
  offset_bound_ms float8,
  up_ms float8,
  down_ms float8
);
create index latency_run_label on public.latency_run (label, id desc);

-- Rows of a measurement under way; it deletes them when it ends.
create table public.latency_probe (
  run uuid not null,
  number int not null,
  at timestamptz not null default clock_timestamp(),
  primary key (run, number)
);

-- Waits until a batch can be seen by whoever looks, at most p_wait_ms, and says when by the database's
-- clock (epoch ms); null when it did not come. Each look has a snapshot of its own.
create function public.latency_seen(p_stream uuid, p_number bigint, p_wait_ms int) returns float8
language plpgsql volatile
set search_path = pg_catalog, public, pg_temp
as $$
declare
  v_until timestamptz := clock_timestamp() + least(p_wait_ms, 60000) * interval '1 ms';
begin
  loop
    if exists (select from public.stream where id = p_stream and last_number >= p_number) then
      return extract(epoch from clock_timestamp()) * 1000;
    end if;
    if clock_timestamp() >= v_until then return null; end if;
    perform pg_sleep(0.0005);
  end loop;
end
$$;

-- As with every function here: the owner's, unless it is given to a role.
revoke all on function public.latency_seen(uuid, bigint, int) from public;

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.latency_run to tickhub_read;
  end if;
end
$$;
