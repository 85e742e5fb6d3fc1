// The tables of alerts: written by the Sentinel's door, read by the page (app/hub/query/alerts.ts).
import type pg from "pg";
import type { Alert, SentinelReport } from "../shared/alerts.ts";

type Queryable = Pick<pg.Pool, "query">;

/** Alerts that ended are kept for half a year; one that stands, for as long as it does. */
const KEEP = "180 days";

export const ALERT_COLUMNS = `id, rule, subject, severity, text,
  (extract(epoch from raised_at) * 1000)::float8 as "raisedMs",
  (extract(epoch from ended_at) * 1000)::float8 as "endedMs",
  (extract(epoch from acknowledged_at) * 1000)::float8 as "acknowledgedMs"`;

/** Notes that the Sentinel lives, and stores what changed; telling the same again changes nothing. */
export async function storeSentinelReport(db: Queryable, report: SentinelReport): Promise<void> {
  await db.query(
    `insert into public.sentinel (version, seen_at) values ($1, clock_timestamp())
     on conflict (one) do update set version = excluded.version, seen_at = excluded.seen_at`,
    [report.version],
  );
  if (report.alerts.length === 0) return;
  await db.query(
    `insert into public.alert as a
       (id, rule, subject, severity, text, raised_at, ended_at, acknowledged_at)
     select id, rule, subject, severity, text, to_timestamp("raisedMs" / 1000),
       to_timestamp("endedMs" / 1000), to_timestamp("acknowledgedMs" / 1000)
     from jsonb_to_recordset($1::jsonb) as told (id text, rule text, subject text, severity text,
       text text, "raisedMs" float8, "endedMs" float8, "acknowledgedMs" float8)
     on conflict (id) do update set severity = excluded.severity, text = excluded.text,
       ended_at = excluded.ended_at, acknowledged_at = excluded.acknowledged_at`,
    [JSON.stringify(report.alerts)],
  );
  await db.query(
    `delete from public.alert where ended_at is not null and raised_at < now() - $1::interval`,
    [KEEP],
  );
}

/** Those without an end, oldest first, at most `limit`. */
export async function openAlerts(db: Queryable, limit: number): Promise<Alert[]> {
  const { rows } = await db.query<Alert>(
    `select ${ALERT_COLUMNS} from public.alert where ended_at is null order by raised_at limit $1`,
    [limit],
  );
  return rows;
}
