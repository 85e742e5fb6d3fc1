-- Alerts that the Sentinel raised, and when it last said that it lives.
-- Why: the page shows them, a restarted Sentinel goes on from them, and a Sentinel that is silent is seen.
-- Locks: none, both tables are new. Undo: drop both; the Sentinel raises anew what still lasts.
-- tickhub: min_code 1

create table public.alert (
  -- The Sentinel's own: an alert that is told again changes its row.
  id text collate "C" primary key,
  rule text collate "C" not null,
  -- Edge, account, meter, key, or 'hub'.
  subject text collate "C" not null,
  severity text collate "C" not null check (severity in ('warning', 'critical')),
  -- For people, in the Sentinel's language.
  text text not null,
  -- By the Sentinel's clock.
  raised_at timestamptz not null,
  ended_at timestamptz,
  acknowledged_at timestamptz,
  stored_at timestamptz not null default clock_timestamp()
);
create index alert_raised on public.alert (raised_at desc);
create index alert_open on public.alert (id) where ended_at is null;

-- One row: there is one Sentinel.
create table public.sentinel (
  one boolean primary key default true check (one),
  version text not null,
  -- By the database's clock.
  seen_at timestamptz not null
) with (fillfactor = 50);

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.alert, public.sentinel to tickhub_read;
  end if;
end
$$;
