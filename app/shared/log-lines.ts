// An event as one line of the central log, cut to a bounded size, and how many bytes of such lines a process
// may spend a day. Pure. What is over the budget is the less important first: of a day's bytes info may use
// three fifths and warnings seventeen twentieths, so that a flood of the one leaves room for the other.
import type { Event } from "./events.ts";
import type { LogLevel } from "./web-api.ts";

/** pino's numbers. */
export const LEVEL_NUMBERS: Record<LogLevel, number> = {
  ...{ trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 },
};

/** What the reporter tells those who listen. */
export interface ReportedEvent {
  level: LogLevel;
  event: Event;
}

export interface LineOfLog {
  level: number;
  event: string;
  /** One JSON object. */
  fields: string;
}

/** A field's text beyond this is cut; a line with more than LINE_MAX of them as a whole. */
const TEXT_MAX = 1_000;
const LINE_MAX = 8_000;

/** The event as a line. Texts are made well-formed and without NUL: a database takes them as they are. */
export function lineOf({ level, event }: ReportedEvent): LineOfLog {
  const { event: name, ...rest } = event;
  const clean: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest)) {
    clean[key] = typeof value === "string" ? cleanText(value, TEXT_MAX) : value;
  }
  const fields = JSON.stringify(clean);
  const isLong = fields.length > LINE_MAX;
  return {
    level: LEVEL_NUMBERS[level],
    event: name,
    fields: isLong ? JSON.stringify({ cut: cleanText(fields, LINE_MAX / 2) }) : fields,
  };
}

function cleanText(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
  return cut.replaceAll("\0", "\ufffd").toWellFormed();
}

/** About log lines themselves, which must not become log lines. */
export function isAboutLogs({ event }: ReportedEvent): boolean {
  if ("table" in event && event.table === "log") return true;
  return "account" in event && event.account.startsWith("log:");
}

const DAY_MS = 86_400_000;
/** Of the day's bytes, for lines of this level and below. */
const SHARES: readonly { upTo: number; share: number }[] = [
  { upTo: LEVEL_NUMBERS.info, share: 0.6 },
  { upTo: LEVEL_NUMBERS.warn, share: 0.85 },
  { upTo: Infinity, share: 1 },
];

export class LogBudget {
  readonly #bytesPerDay: number;
  #day = -1;
  #bytesToday = 0;
  /** Shares that were found used up today. */
  readonly #spent = new Set<number>();

  constructor(bytesPerDay: number) {
    this.#bytesPerDay = bytesPerDay;
  }

  /** Whether a line of `level` may go at all now: asked before it is made. A day is one of the monotonic clock. */
  allows(level: number, nowMs: number): boolean {
    const day = Math.floor(nowMs / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#bytesToday = 0;
      this.#spent.clear();
    }
    return this.#bytesToday < this.#limitOf(level);
  }

  /** Counts a line. */
  spend(bytes: number): void {
    this.#bytesToday += bytes;
  }

  /** True the first time a day that a line of such a level is turned away. */
  isFirstRefusal(level: number): boolean {
    const limit = this.#limitOf(level);
    if (this.#spent.has(limit)) return false;
    this.#spent.add(limit);
    return true;
  }

  #limitOf(level: number): number {
    return this.#bytesPerDay * (SHARES.find(({ upTo }) => level <= upTo)?.share ?? 1);
  }
}

/** What decides which events become lines, for an edge's shipper and the hub's own. */
export interface LogSettings {
  /** The least that is kept; null: nothing is. */
  level: LogLevel | null;
  bytesPerDay: number;
}

export class LogSieve {
  readonly #levelMin: number;
  readonly #budget: LogBudget;
  readonly #bytesPerDay: number;
  #isQuiet = false;

  constructor({ level, bytesPerDay }: LogSettings) {
    this.#levelMin = level === null ? Infinity : LEVEL_NUMBERS[level];
    this.#bytesPerDay = bytesPerDay;
    this.#budget = new LogBudget(bytesPerDay);
  }

  /** While quiet, warnings and worse alone pass. */
  quiet(isQuiet: boolean): void {
    this.#isQuiet = isQuiet;
  }

  /** The line to keep, or why there is none: nobody wants it, or the day's bytes are spent. */
  pass(told: ReportedEvent, nowMs: number): LineOfLog | "unwanted" | "spent" | "first spent" {
    const level = LEVEL_NUMBERS[told.level];
    if (level < this.#levelMin || isAboutLogs(told) || this.#bytesPerDay === 0) return "unwanted";
    if (this.#isQuiet && level < LEVEL_NUMBERS.warn) return "unwanted";
    if (!this.#budget.allows(level, nowMs)) {
      return this.#budget.isFirstRefusal(level) ? "first spent" : "spent";
    }
    const line = lineOf(told);
    this.#budget.spend(LINE_BYTES + line.event.length + line.fields.length);
    return line;
  }
}

/** Time, level and place of a line. */
const LINE_BYTES = 20;
