// Turns each event into one log line and one counter. The only writer of both. Promises: a log that cannot
// be written (its disk is full, its reader is gone) costs lines, never the process.
import { pino } from "pino";
import type { Logger } from "pino";
import { Counter, Registry } from "prom-client";
import { EVENTS } from "./events.ts";
import type { Emit, Event, EventName, Telling } from "./events.ts";
import type { ReportedEvent } from "./log-lines.ts";

/** What a process logs and counts with. */
export interface Reporter {
  emit: Emit;
  /** Tells each event beside the log, whatever the log's level: for those who keep them elsewhere. */
  listen: (listener: (told: ReportedEvent) => void) => void;
  logger: Logger;
  /** Serve its `metrics()` under /metrics. */
  registry: Registry;
  /** Bytes of log lines written since the start. */
  logBytes: () => number;
}

/** Of one counter. Codes and reasons come from outside, too: what is beyond counts under `other`. */
const SERIES_MAX = 200;

/** What waits for a log that cannot be written now; beyond it lines are dropped. */
const LOG_BYTES_MAX = 1024 * 1024;

/** Logs to stderr as JSON lines, so that stdout stays free for what a command prints. */
export function createReporter(role: string, level: string): Reporter {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  let logBytes = 0;
  const log = openLog(registry);
  log.on("write", (bytes: number) => (logBytes += bytes));
  const logger = pino(
    { level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    log,
  );
  const listeners: ((told: ReportedEvent) => void)[] = [];
  const counters = new Map<EventName, BoundedCounter>();
  for (const [name, telling] of Object.entries<Telling>(EVENTS)) {
    const counter = new Counter({
      name: counterName(name, telling),
      help: telling.says,
      labelNames: [...telling.labels],
      registers: [registry],
    });
    counters.set(name as EventName, new BoundedCounter(counter, telling.labels));
  }
  return {
    logger,
    registry,
    logBytes: () => logBytes,
    listen: (listener) => void listeners.push(listener),
    emit(event: Event) {
      const telling: Telling = EVENTS[event.event];
      const fields: Record<string, unknown> = { ...event };
      logger[telling.level](fields, telling.says);
      counters.get(event.event)!.add(fields, telling.adds ? Number(fields[telling.adds]) : 1);
      for (const listener of listeners) listener({ level: telling.level, event });
    },
  };
}

/** `tickhub_feed_closed_total`; of an event that adds rows, `tickhub_batch_stored_rows_total`. */
export function counterName(event: string, { adds }: Telling): string {
  return `tickhub_${event}${adds === undefined || adds === "count" ? "" : `_${adds}`}_total`;
}

class BoundedCounter {
  readonly #counter: Counter;
  readonly #labels: readonly string[];
  readonly #seen = new Set<string>();

  constructor(counter: Counter, labels: readonly string[]) {
    this.#counter = counter;
    this.#labels = labels;
  }

  add(fields: Readonly<Record<string, unknown>>, amount: number): void {
    const values = this.#labels.map((label) => String(fields[label]));
    const key = JSON.stringify(values);
    const isKnown = this.#seen.has(key) || this.#seen.size < SERIES_MAX;
    if (isKnown) this.#seen.add(key);
    const entries = this.#labels.map((label, i) => [label, isKnown ? values[i]! : "other"]);
    this.#counter.inc(Object.fromEntries(entries) as Record<string, string>, amount);
  }
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
