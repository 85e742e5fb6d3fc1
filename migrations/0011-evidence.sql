-- What was measured and proved on the way to the cloud: the gates of the migration read it.
-- Why: a gate that opens on somebody's word is none; each command that measures leaves a row here.
-- Locks: none, it is new. Undo: drop the table; the gates then ask for every measurement again.
-- tickhub: min_code 1

create table public.evidence (
  id bigint generated always as identity primary key,
  kind text collate "C" not null
    check (kind in ('latency', 'stress', 'transfer', 'backup', 'probe', 'parity', 'alert', 'audit')),
  -- Whose: an edge's name, an account's, a table's, or 'hub'.
  subject text collate "C" not null,
  -- The command's own verdict.
  ok boolean not null,
  -- One line for people.
  summary text not null,
  -- By the clock of whoever measured.
  at timestamptz not null,
  stored_at timestamptz not null default clock_timestamp(),
  detail jsonb not null default '{}'
);
create index evidence_kind on public.evidence (kind, subject, id desc);

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.evidence to tickhub_read;
  end if;
end
$$;
