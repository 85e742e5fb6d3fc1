// The meters' tables: adding up what edges, hub and ledger counted, and reading a month of it. One statement a
// function; the adding itself is the database's (migration 0017), because the last word of a process that
// ended is only there.
import type pg from "pg";
import { SHEDDING } from "../../../shared/meters.ts";
import type { Counters, MeterName, Shedding } from "../../../shared/meters.ts";
import { listed } from "../../../shared/meters.ts";
import type { Amounts } from "./catalogue.ts";
import type { HalfDay } from "./half-day.ts";
import type { Alarm, Told } from "./judge.ts";

type Queryable = Pick<pg.Pool, "query">;

/** Adds up what the edges' last statuses say. */
export async function foldEdges(pool: Queryable): Promise<void> {
  await pool.query(
    `select public.fold_meters(edge, status ->> 'bootId', status -> 'meters', seen_at)
       from public.edge_status where status ? 'meters'`,
  );
}

/** Adds up a process's own counters; `boot` names its life. */
export async function foldOwn(
  pool: Queryable,
  subject: string,
  boot: string,
  counters: Counters,
): Promise<void> {
  await pool.query("select public.fold_meters($1, $2, $3, clock_timestamp())", [
    subject,
    boot,
    JSON.stringify(listed(counters)),
  ]);
}

export async function foldLedger(pool: Queryable): Promise<void> {
  await pool.query("select public.fold_ledger()");
}

/** What was counted of one subject in one half day. */
export interface UseRow extends HalfDay {
  subject: string;
  amounts: Amounts;
}

/** Half days since `fromDay` (YYYYMMDD). */
export async function readUse(pool: Queryable, fromDay: number): Promise<UseRow[]> {
  const { rows } = await pool.query<UseRow>(
    `select subject, to_char(day, 'YYYYMMDD')::int as day, night as "isNight",
            jsonb_object_agg(meter, amount) as amounts
       from public.meter_use where day >= to_date($1::text, 'YYYYMMDD')
      group by subject, meter_use.day, night`,
    [fromDay],
  );
  return rows;
}

export interface SizeRow extends HalfDay {
  meter: MeterName;
  bytes: number;
}

/** Keeps the last size of a half day. */
export async function keepSize(pool: Queryable, meter: MeterName, bytes: number): Promise<void> {
  await pool.query(
    `insert into public.meter_size (meter, day, night, bytes)
     values ($1, public.meter_day(clock_timestamp()), public.meter_night(clock_timestamp()), $2)
     on conflict (meter, day, night) do update set bytes = excluded.bytes`,
    [meter, bytes],
  );
}

export async function readSizes(pool: Queryable, fromDay: number): Promise<SizeRow[]> {
  const { rows } = await pool.query<SizeRow>(
    `select meter, to_char(day, 'YYYYMMDD')::int as day, night as "isNight", bytes
       from public.meter_size where day >= to_date($1::text, 'YYYYMMDD')
      order by meter, meter_size.day, night`,
    [fromDay],
  );
  return rows;
}

export async function readDatabaseBytes(pool: Queryable): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>(
    "select pg_database_size(current_database())::float8 as bytes",
  );
  return rows[0]!.bytes;
}

/** When each edge was heard last, epoch ms. */
export async function readSeen(pool: Queryable): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ edge: string; seenMs: number }>(
    `select edge, extract(epoch from seen_at)::float8 * 1000 as "seenMs" from public.edge_status`,
  );
  return new Map(rows.map(({ edge, seenMs }) => [edge, seenMs]));
}

/** By `meter@subject`. */
export async function readAlarms(pool: Queryable): Promise<Map<string, Alarm>> {
  const { rows } = await pool.query<Alarm & { key: string }>(
    `select meter || '@' || subject as key, state, to_char(told_on, 'YYYYMMDD')::int as "toldOn"
       from public.meter_alarm`,
  );
  return new Map(rows.map(({ key, state, toldOn }) => [key, { state, toldOn }]));
}

export async function writeAlarm(
  pool: Queryable,
  meter: MeterName,
  subject: string,
  { state, toldOn }: Alarm,
): Promise<void> {
  await pool.query(
    `insert into public.meter_alarm (meter, subject, state, told_on)
     values ($1, $2, $3, to_date($4::text, 'YYYYMMDD'))
     on conflict (subject, meter) do update set state = excluded.state, told_on = excluded.told_on`,
    [meter, subject, state, toldOn],
  );
}

export async function dropAlarm(pool: Queryable, meter: MeterName, subject: string): Promise<void> {
  await pool.query("delete from public.meter_alarm where meter = $1 and subject = $2", [
    meter,
    subject,
  ]);
}

export async function readTold(pool: Queryable): Promise<Map<string, Told>> {
  const { rows } = await pool.query<{ edge: string; level: string; since: number }>(
    "select edge, level, to_char(since, 'YYYYMMDD')::int as since from public.egress_shedding",
  );
  const known = rows.filter(({ level }) => (SHEDDING as readonly string[]).includes(level));
  return new Map(
    known.map(({ edge, level, since }) => [edge, { level: level as Shedding, since }]),
  );
}

export async function writeTold(
  pool: Queryable,
  edge: string,
  { level, since }: Told,
): Promise<void> {
  await pool.query(
    `insert into public.egress_shedding (edge, level, since) values ($1, $2, to_date($3::text, 'YYYYMMDD'))
     on conflict (edge) do update set level = excluded.level, since = excluded.since`,
    [edge, level, since],
  );
}

/** Processes that ended long ago are not heard again; a month ago is not projected from. */
export async function pruneMeters(pool: Queryable): Promise<void> {
  await pool.query(
    `with counters as (
       -- A status that still stands would be added up as if it were new.
       delete from public.meter_counter c where seen_at < clock_timestamp() - interval '7 days'
          and not exists (select from public.edge_status e
                           where e.edge = c.subject and e.status ->> 'bootId' = c.boot)
     ), sizes as (
       delete from public.meter_size where day < current_date - 800
     )
     delete from public.meter_use where day < current_date - 800`,
  );
}
