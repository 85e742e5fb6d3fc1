// The central log as people read it: the lines of edges and hub that fit a filter. `GET /api/logs` and
// `tickhub logs` both end here. Ids rise in the order of the commits, so that who asks for what comes after an
// id misses no line, also those of an edge that was cut off and tells later.
import type pg from "pg";
import { LEVEL_NUMBERS } from "../../shared/log-lines.ts";
import { LOG_LEVELS } from "../../shared/web-api.ts";
import type { LogLevel, LogLine, LogList } from "../../shared/web-api.ts";

/** What is asked for; what is left out does not matter. */
export interface LogFilter {
  /** `hub` for the hub's own. */
  edge?: string | undefined;
  /** The least one. */
  level?: LogLevel | undefined;
  event?: string | undefined;
  /** Occurs in the event's name or in the fields, whatever its case. */
  q?: string | undefined;
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  /** Only lines stored after this one, the first of them first. */
  afterId?: number | undefined;
  /** Default LIMIT; at most LIMIT_MAX. */
  limit?: number | undefined;
}

const LIMIT = 200;
export const LOG_LIMIT_MAX = 2_000;

interface Row {
  id: number;
  atMs: number;
  edge: string;
  level: number;
  event: string;
  fields: Record<string, unknown>;
}

/**
 * The newest lines that fit, oldest first; after an id, the first that fit, in the order they were stored. From
 * `lastId` who follows goes on. Rejects with pg's error.
 */
export async function readLogs(pool: Pick<pg.Pool, "query">, filter: LogFilter): Promise<LogList> {
  const limit = Math.min(Math.max(1, Math.floor(filter.limit ?? LIMIT)), LOG_LIMIT_MAX);
  const isFollowing = filter.afterId !== undefined;
  const { rows } = await pool.query<Row & { lastId: number }>(
    `select l.*, n.last_id::float8 as "lastId"
     from (select coalesce(max(id), 0) as last_id from public.edge_log) n
     left join lateral (
       select id::float8 as id, extract(epoch from at)::float8 * 1000 as "atMs", edge, level, event, fields
       from public.edge_log
       where ($1::text is null or edge = $1) and ($2::int is null or level >= $2)
         and ($3::text is null or event = $3)
         and ($4::text is null or position($4 in lower(event || ' ' || fields::text)) > 0)
         and ($5::float8 is null or at >= to_timestamp($5 / 1000))
         and ($6::float8 is null or at < to_timestamp($6 / 1000))
         and ($7::bigint is null or id > $7)
       order by ${isFollowing ? "edge_log.id" : "edge_log.at desc, edge_log.id desc"} limit $8
     ) l on true`,
    [
      filter.edge ?? null,
      filter.level === undefined ? null : LEVEL_NUMBERS[filter.level],
      filter.event ?? null,
      filter.q?.toLowerCase() ?? null,
      filter.sinceMs ?? null,
      filter.untilMs ?? null,
      filter.afterId ?? null,
      limit,
    ],
  );
  const found = rows.filter(({ id }) => (id as number | null) !== null);
  const lines = found.map(lineOf).sort(isFollowing ? byId : byTime);
  const isCut = isFollowing && lines.length === limit;
  const lastId = isCut ? lines.at(-1)!.id : Math.max(rows[0]?.lastId ?? 0, filter.afterId ?? 0);
  return { lines, lastId };
}

function lineOf({ id, atMs, edge, level, event, fields }: Row): LogLine {
  return { id, atMs, edge, level: levelOf(level), event, fields };
}

/** Numbers between two levels count as the lower one. */
function levelOf(number: number): LogLevel {
  return LOG_LEVELS.findLast((level) => LEVEL_NUMBERS[level] <= number) ?? "trace";
}

function byId(a: LogLine, b: LogLine): number {
  return a.id - b.id;
}

function byTime(a: LogLine, b: LogLine): number {
  return a.atMs - b.atMs || a.id - b.id;
}
