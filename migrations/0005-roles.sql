-- Who may do what: tickhub_edge writes, tickhub_read reads, the hub's own user owns the schema.
-- Why: an edge with database credentials must not be able to read, change or drop anything.
-- Locks: short, on the tables granted. Undo: drop owned by tickhub_edge, tickhub_read; drop the roles.
-- tickhub: min_code 1

revoke all on all functions in schema public from public;
revoke all on all tables in schema public from public;

do $$
declare
  wanted text;
begin
  -- Roles belong to the server, not to the database: another database may have made them, even just now.
  foreach wanted in array array['tickhub_edge', 'tickhub_read'] loop
    begin
      if not exists (select from pg_roles where rolname = wanted) then
        execute format('create role %I nologin', wanted);
      end if;
    exception
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise notice 'role % is missing and this user may not create it: direct uplinks need it', wanted;
    end;
  end loop;

  if exists (select from pg_roles where rolname = 'tickhub_edge') then
    grant usage on schema public to tickhub_edge;
    grant insert on public.trade, public.book, public.status, public.quarantine to tickhub_edge;
    grant execute on function
      public.ingest_begin, public.ingest_merge, public.where_am_i to tickhub_edge;
  end if;
  if exists (select from pg_roles where rolname = 'tickhub_read') then
    grant usage on schema public to tickhub_read;
    grant select on all tables in schema public to tickhub_read;
    alter default privileges in schema public grant select on tables to tickhub_read;
  end if;
end
$$;
