-- Whether this database holds real brokers' ticks or the simulator's.
-- Why: a setting can be copied to the wrong machine; what a database holds cannot. A hub whose TICKHUB_BROKERS is
-- another than what stands here does not start, so simulated rows never come to lie among real ones.
-- Locks: none, it is new. Undo: drop the table.
-- tickhub: min_code 1

-- Written by the hub that comes here first, and never changed.
create table public.hub_brokers (
  one boolean primary key default true check (one),
  kind text not null check (kind in ('real', 'simulated')),
  since timestamptz not null default clock_timestamp()
);

do $$
begin
  -- For the direct uplink, which compares it with its own.
  if exists (select from pg_roles where rolname = 'tickhub_edge') then
    grant select on public.hub_brokers to tickhub_edge;
  end if;
end
$$;
