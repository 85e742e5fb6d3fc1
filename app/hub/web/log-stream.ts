// /api/logs/live: lines of the central log as they are stored, once a second. It asks as /api/logs does, from the
// last line on that it looked at; questions that are alike cost one.
import type { Clock } from "../../shared/clock.ts";
import type { LogList } from "../../shared/web-api.ts";
import type { LogFilter } from "../query/logs.ts";
import { eventOf, EventStream } from "./event-stream.ts";

export interface LogStreamOptions {
  clock: Clock;
  readersMax: number;
  readLogs: (filter: LogFilter) => Promise<LogList>;
}

/** `filter.afterId` moves on with what was sent. */
interface LogReader {
  filter: LogFilter;
}

const PERIOD_MS = 1_000;

export function createLogStream(options: LogStreamOptions): EventStream<LogReader> {
  const { clock, readersMax, readLogs } = options;
  return new EventStream({
    ...{ clock, readersMax, periodMs: PERIOD_MS },
    slow: "drop",
    async frames(reader) {
      // A database that is away for a moment is no reason to end: the lines come when it is back.
      const list = await readLogs(reader.filter).catch(() => null);
      if (list === null) return "";
      const isFirst = reader.filter.afterId === undefined;
      reader.filter = { ...reader.filter, afterId: list.lastId };
      return list.lines.length > 0 || isFirst ? eventOf(JSON.stringify(list)) : "";
    },
  });
}
