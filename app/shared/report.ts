// Turns each event into one log line and one counter. The only writer of both. Promises: a log that cannot
// be written (its disk is full, its reader is gone) costs lines, never the process.
import { pino } from "pino";
import type { Logger } from "pino";
import { Counter, Registry } from "prom-client";
import { EVENTS } from "./events.ts";
import type { Emit, Event, EventName } from "./events.ts";

/** What a process logs and counts with. */
export interface Reporter {
  emit: Emit;
  logger: Logger;
  /** Serve its `metrics()` under /metrics. */
  registry: Registry;
}

/** What waits for a log that cannot be written now; beyond it lines are dropped. */
const LOG_BYTES_MAX = 1024 * 1024;

/** Logs to stderr as JSON lines, so that stdout stays free for what a command prints. */
export function createReporter(role: string, level: string): Reporter {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  const logger = pino(
    { level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    openLog(registry),
  );
  const counters = new Map<EventName, Counter>();
  for (const [name, telling] of Object.entries(EVENTS)) {
    const counter = new Counter({
      name: `tickhub_${name}_total`,
      help: telling.says,
      labelNames: [...telling.labels],
      registers: [registry],
    });
    counters.set(name as EventName, counter);
  }
  return {
    logger,
    registry,
    emit(event: Event) {
      const telling: {
        level: "debug" | "info" | "warn" | "error";
        says: string;
        labels: readonly string[];
        adds?: string;
      } = EVENTS[event.event];
      const fields: Record<string, unknown> = { ...event };
      logger[telling.level](fields, telling.says);
      const labels = Object.fromEntries(
        telling.labels.map((label) => [label, String(fields[label])]),
      );
      counters.get(event.event)!.inc(labels, telling.adds ? Number(fields[telling.adds]) : 1);
    },
  };
}

function openLog(registry: Registry) {
  const dropped = new Counter({
    name: "tickhub_log_lines_dropped_total",
    help: "Log lines that could not be written",
    registers: [registry],
  });
  const log = pino.destination({ fd: 2, sync: true, maxLength: LOG_BYTES_MAX });
  log.on("drop", () => dropped.inc());
  // Without a listener it would end the process, and an edge's outbox with it. The next line tries again.
  log.on("error", () => undefined);
  return log;
}
