-- What the free tiers are measured by: counters of edges and hub, added up per half day.
-- Why: a process counts since its start, and ends; ingest_batch is dropped after 30 days; a month needs both.
-- A half day begins at 07:00 or 21:00 in Seoul: the first has Korea's sessions whole, the second New York's,
-- in summer and winter time, so that each has a rate of its own (docs/meters.md).
-- Locks: short, on edge_status (a trigger). Undo: drop the trigger, the functions, the tables.
-- tickhub: min_code 1

-- What was used of a counter within one half day.
create table public.meter_use (
  -- An edge's name, or 'hub'.
  subject text collate "C" not null,
  meter text collate "C" not null,
  day date not null,
  night boolean not null,
  amount float8 not null,
  primary key (subject, meter, day, night)
) with (fillfactor = 80);

-- The last size within one half day of what grows and shrinks.
create table public.meter_size (
  meter text collate "C" not null,
  day date not null,
  night boolean not null,
  bytes float8 not null,
  primary key (meter, day, night)
);

-- Up to where a process's counters are added up. Processes of one edge overlap at a roll-out.
create table public.meter_counter (
  subject text collate "C" not null,
  boot text collate "C" not null,
  meter text collate "C" not null,
  value float8 not null,
  seen_at timestamptz not null,
  primary key (subject, boot, meter)
) with (fillfactor = 50);

-- Up to where a stream's batches are.
create table public.meter_cursor (
  stream int primary key,
  number bigint not null
) with (fillfactor = 50);

-- Which alarm stands, and when it was told: a hub that starts does not tell again.
create table public.meter_alarm (
  subject text collate "C" not null,
  meter text collate "C" not null,
  state text not null check (state in ('warn', 'over')),
  told_on date not null,
  primary key (subject, meter)
);

-- What an edge is told to do without.
create table public.egress_shedding (
  edge text collate "C" primary key,
  level text not null,
  since date not null
);

create function public.meter_day(p_at timestamptz) returns date
language sql immutable
as $$ select ((p_at at time zone 'UTC') + interval '2 hours')::date $$;

create function public.meter_night(p_at timestamptz) returns boolean
language sql immutable
as $$ select extract(hour from (p_at at time zone 'UTC') + interval '2 hours') >= 14 $$;

-- Adds up what a process's counters rose by since they were seen last; the same figures again add nothing.
-- In the order of COUNTERS in app/shared/meters.ts.
create function public.fold_meters(p_subject text, p_boot text, p_counters jsonb, p_at timestamptz) returns void
language plpgsql volatile
set search_path = pg_catalog, public, pg_temp
as $$
declare
  names constant text[] := array['up_seconds', 'hub_bytes', 'hub_messages', 'broker_bytes', 'served_bytes',
    'interface_bytes', 'log_bytes', 'metrics_bytes', 'requests_made', 'requests_taken'];
begin
  if p_boot is null or length(p_boot) > 64 or jsonb_typeof(p_counters) is distinct from 'array' then
    return;
  end if;
  -- Two folds of one process at a time would both add the same.
  perform pg_advisory_xact_lock(hashtextextended('tickhub/meters/' || p_subject, 0));
  with said as (
    select names[said.at] as meter, (said.value #>> '{}')::float8 as value
      from jsonb_array_elements(p_counters) with ordinality said (value, at)
     where said.at <= cardinality(names) and jsonb_typeof(said.value) = 'number'
       -- A number that no float8 holds must not stop the others.
       and length(said.value #>> '{}') < 24
  ), risen as (
    select s.meter, s.value - coalesce(c.value, 0) as amount
      from said s left join public.meter_counter c
        on c.subject = p_subject and c.boot = p_boot and c.meter = s.meter
  ), kept as (
    insert into public.meter_counter as c (subject, boot, meter, value, seen_at)
    select p_subject, p_boot, meter, value, p_at from said
    on conflict (subject, boot, meter) do update
       set value = greatest(c.value, excluded.value), seen_at = greatest(c.seen_at, excluded.seen_at)
  )
  insert into public.meter_use as u (subject, meter, day, night, amount)
  select p_subject, meter, meter_day(p_at), meter_night(p_at), amount from risen where amount > 0
  on conflict (subject, meter, day, night) do update set amount = u.amount + excluded.amount;
end
$$;

-- What a status replaces is added up when nobody could do so later: another process speaks for the edge, or
-- the half day is over.
create function public.fold_replaced_status() returns trigger
language plpgsql volatile
set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform fold_meters(old.edge, old.status ->> 'bootId', old.status -> 'meters', old.seen_at);
  return null;
end
$$;

create trigger edge_status_replaced after update on public.edge_status
for each row
when (old.status ->> 'bootId' is distinct from new.status ->> 'bootId'
  or meter_night(old.seen_at) <> meter_night(new.seen_at) or meter_day(old.seen_at) <> meter_day(new.seen_at))
execute function public.fold_replaced_status();

-- Adds up the bytes of batches stored since the last time, each once: the ledger's side of egress.
create function public.fold_ledger() returns void
language plpgsql volatile
set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('tickhub/meters/ledger', 0));
  with behind as (
    select s.no, s.edge, coalesce(c.number, 0) as after, s.last_number as until
      from public.stream s left join public.meter_cursor c on c.stream = s.no
     where s.last_number > coalesce(c.number, 0)
  ), moved as (
    insert into public.meter_cursor as c (stream, number) select no, until from behind
    on conflict (stream) do update set number = excluded.number
  )
  insert into public.meter_use as u (subject, meter, day, night, amount)
  select b.edge, 'ledger_bytes', meter_day(k.committed_at), meter_night(k.committed_at), sum(k.bytes)
    from behind b join public.ingest_batch k
      on k.stream = b.no and k.number > b.after and k.number <= b.until
   group by 1, 3, 4
  on conflict (subject, meter, day, night) do update set amount = u.amount + excluded.amount;
end
$$;

revoke all on function public.fold_meters, public.fold_ledger, public.fold_replaced_status, public.meter_day,
  public.meter_night from public;

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.meter_use, public.meter_size, public.meter_counter, public.meter_cursor,
      public.meter_alarm, public.egress_shedding to tickhub_read;
  end if;
end
$$;
