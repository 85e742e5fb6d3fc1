-- Tables on their way from database to database: a job for each pair of tables, and its chunks.
-- Why: a transfer that was killed goes on where it stood, and what was compared is known; 0004 had a
-- placeholder that nothing used. Locks: none that matters, the placeholder is empty.
-- Undo: drop both tables; running transfers then begin again and find by comparing what is there already.
-- tickhub: min_code 1

create table public.transfer (
  -- Made from both ends' identities and tables: the same command finds its job again.
  job uuid primary key,
  -- Host, port and database; never a password.
  source text not null,
  source_table text not null,
  target_table text not null,
  -- The column that chunks are cut by; null = the whole table is one chunk.
  key text,
  -- SHA-256 of what is moved and how; another one means that every chunk is compared anew.
  plan text not null,
  started_at timestamptz not null default clock_timestamp(),
  -- The last time that a whole pass over both sides found them equal.
  equal_at timestamptz
);

drop table public.transfer_chunk;
-- A span of the key: from_key <= key < to_key, null = without end; or the rows whose key is null.
create table public.transfer_chunk (
  job uuid not null references public.transfer on delete cascade,
  no int not null,
  from_key text,
  to_key text,
  is_null boolean not null default false,
  -- done: both sides were equal when it was last compared. differs: they were not, and transfer would not
  -- decide which is right.
  state text not null default 'open' check (state in ('open', 'done', 'differs')),
  -- Of the source, when both sides were last equal: rows, and the sum of their hashes.
  rows bigint,
  sum numeric,
  -- This job has put the chunk's rows there before: what is there beyond them is not somebody else's.
  filled boolean not null default false,
  -- What the target has more of than the source (less: below zero) although nothing is wrong: rows of others
  -- in the span, or rows that the hub had received itself.
  more_rows bigint not null default 0,
  more_sum numeric not null default 0,
  -- Rows of others in the span when the chunk was first filled.
  others bigint not null default 0,
  bytes bigint not null default 0,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (job, no)
);

do $$
begin
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant select on public.transfer, public.transfer_chunk to tickhub_read;
  end if;
end
$$;
