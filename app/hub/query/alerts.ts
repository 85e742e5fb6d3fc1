// What the page shows of the Sentinel: the alerts of late, and when it last said that it lives.
import type pg from "pg";
import type { AlertLine, AlertList } from "../../shared/web-api.ts";
import { ALERT_COLUMNS } from "../../store/alerts.ts";

const LINES_MAX = 100;

/** Those that stand and those of late, newest first. */
export async function readAlerts(pool: Pick<pg.Pool, "query">): Promise<AlertList> {
  const [alerts, sentinel] = await Promise.all([
    pool.query<AlertLine>(
      `select ${ALERT_COLUMNS} from public.alert
       order by ended_at is null desc, raised_at desc limit $1`,
      [LINES_MAX],
    ),
    pool.query<{ seenMs: number }>(
      `select (extract(epoch from seen_at) * 1000)::float8 as "seenMs" from public.sentinel`,
    ),
  ]);
  const newestFirst = alerts.rows.sort((one, other) => other.raisedMs - one.raisedMs);
  return { alerts: newestFirst, sentinelSeenMs: sentinel.rows[0]?.seenMs ?? null };
}
