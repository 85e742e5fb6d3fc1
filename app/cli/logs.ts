// `tickhub logs`: the central log of hub and edges, the newest lines or all that come. Over HTTP from the hub's
// web port, or from its database. For people one line a record, in Korean time; with --json the list, and with
// -f one JSON object a line.
import { styleText } from "node:util";
import { readLogs } from "../hub/query/logs.ts";
import type { LogFilter } from "../hub/query/logs.ts";
import { sleep, systemClock } from "../shared/clock.ts";
import { readSettings, required, webPortOf } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { isoAtVenue } from "../shared/market-time.ts";
import type { LogLevel, LogLine, LogList } from "../shared/web-api.ts";
import { asDatabaseError, openPool } from "../store/database.ts";
import { fetchJson } from "./http.ts";
import { printJson, say } from "./output.ts";
import { untilSignal } from "./signal.ts";

export interface LogsOptions {
  follow?: boolean;
  edge?: string;
  level?: LogLevel;
  /** `10m`, `2h`, `3d`, or a time with its zone. */
  since?: string;
  event?: string;
  grep?: string;
  limit?: number;
  hub?: string;
  database?: boolean;
  json?: boolean;
}

const FOLLOW_MS = 500;

export async function logs(options: LogsOptions): Promise<number> {
  const filter: LogFilter = {
    edge: options.edge,
    level: options.level,
    event: options.event,
    q: options.grep,
    sinceMs: options.since === undefined ? undefined : sinceOf(options.since, systemClock.nowMs()),
    limit: options.limit,
  };
  const source = await openSource(options);
  try {
    const list = await source.read(filter);
    if (!options.follow && options.json) printJson(list);
    else print(list.lines, options);
    if (options.follow) await follow(source, filter, list.lastId, options);
    return 0;
  } finally {
    await source.close();
  }
}

/** The moment `text` means; without a zone in Korean time, as the lines are. Throws USAGE. */
export function sinceOf(text: string, nowMs: number): number {
  const ago = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  if (ago) return nowMs - Number(ago[1]) * UNIT_MS[ago[2] as keyof typeof UNIT_MS];
  const [, date = "", time = "00:00", zone = "+09:00"] = MOMENT.exec(text) ?? [];
  const atMs = Date.parse(`${date}T${time}${zone}`);
  if (!Number.isNaN(atMs)) return atMs;
  const wanted = "10m, 2h, 3d or 2026-11-27T09:00";
  throw new TickhubError("USAGE", { problem: `--since ${text}`, wanted });
}

const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:\d\d)?$/;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Source {
  read(filter: LogFilter): Promise<LogList>;
  close(): Promise<void>;
}

/** The hub where it answers; else its database, where this command was told of it. */
async function openSource(options: LogsOptions): Promise<Source> {
  const settings = readSettings(process.env);
  if (options.database) return sqlSource(required(settings, "TICKHUB_DATABASE_URL"));
  const hub = options.hub ?? `http://127.0.0.1:${webPortOf(settings)}`;
  if (await readOverHttp(hub, { limit: 1 })) return httpSource(hub);
  const { TICKHUB_DATABASE_URL: databaseUrl } = settings;
  if (options.hub === undefined && databaseUrl !== undefined) return sqlSource(databaseUrl);
  throw new TickhubError("UPLINK_UNREACHABLE", { hub, asked: "/api/logs" });
}

function httpSource(hub: string): Source {
  return {
    async read(filter) {
      const list = await readOverHttp(hub, filter);
      if (!list) throw new TickhubError("UPLINK_UNREACHABLE", { hub, asked: "/api/logs" });
      return list;
    },
    close: () => Promise.resolve(),
  };
}

async function readOverHttp(hub: string, filter: LogFilter): Promise<LogList | null> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const list = await fetchJson<Partial<LogList>>(`${hub}/api/logs?${query.toString()}`);
  return list && Array.isArray(list.lines) ? (list as LogList) : null;
}

function sqlSource(url: string): Source {
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub-logs" });
  return {
    async read(filter) {
      try {
        return await readLogs(pool, filter);
      } catch (error) {
        throw asDatabaseError(error);
      }
    },
    close: () => pool.end(),
  };
}

/** Prints what comes until Ctrl-C. A source that is away is asked again, and nothing is missed. */
async function follow(
  source: Source,
  filter: LogFilter,
  fromId: number,
  options: LogsOptions,
): Promise<void> {
  const ending = untilSignal().then(() => true);
  let afterId = fromId;
  let isAway = false;
  for (;;) {
    try {
      const list = await source.read({ ...filter, sinceMs: undefined, limit: undefined, afterId });
      print(list.lines, options);
      isAway = false;
      if (list.lastId > afterId && list.lines.length > 0) {
        afterId = list.lastId;
        continue;
      }
      afterId = list.lastId;
    } catch (error) {
      if (!(error instanceof TickhubError) || !error.retry) throw error;
      if (!isAway) say(`tickhub: ${error.message}; it is asked again`);
      isAway = true;
    }
    if (await Promise.race([ending, sleep(systemClock, FOLLOW_MS).then(() => false)])) return;
  }
}

function print(lines: readonly LogLine[], { json }: LogsOptions): void {
  for (const line of lines) {
    if (json) printJson(line);
    else process.stdout.write(`${textOf(line)}\n`);
  }
}

const COLOURS = {
  ...{ trace: "gray", debug: "gray", info: "green" },
  ...{ warn: "yellow", error: "red", fatal: "red" },
} as const satisfies Record<LogLevel, Parameters<typeof styleText>[0]>;

/** `2026-11-27 09:00:00.123 WARN  kis      feed_closed source=kis:1 code=FEED_CLOSED`. */
export function textOf({ atMs, edge, level, event, fields }: LogLine): string {
  const iso = isoAtVenue("KRX", Math.floor(atMs));
  const time = `${iso.slice(0, 10)} ${`${iso.slice(11, -6)}.000`.slice(0, 12)}`;
  const said = Object.entries(fields).map(([name, value]) => `${name}=${valueOf(value)}`);
  const words = [
    paint("gray", time),
    paint(COLOURS[level], level.toUpperCase().padEnd(5)),
    oneLine(edge).padEnd(8),
    paint("bold", oneLine(event)),
    ...said,
  ];
  return words.join(" ");
}

/** On a terminal that wants colours, and nowhere else. */
function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

function valueOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? oneLine(text) : JSON.stringify(text);
}

/** What came from elsewhere must not move the cursor. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}
