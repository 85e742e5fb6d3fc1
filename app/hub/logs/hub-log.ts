// The hub's own log lines, straight into the central log: in batches, from a buffer with a bound. Promises:
// nothing waits for it; while the database is away the oldest lines give way and are counted; ids rise in the
// order of the commits, as the edges' do (migration 0018).
import { Counter } from "prom-client";
import type pg from "pg";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import { LogSieve } from "../../shared/log-lines.ts";
import type { LineOfLog, LogSettings, ReportedEvent } from "../../shared/log-lines.ts";
import type { Reporter } from "../../shared/report.ts";

/** Whose lines the hub's are. */
const HUB = "hub";
const FLUSH_MS = 1_000;
const LINES_MAX = 2_000;

export interface HubLogOptions extends LogSettings {
  pool: Pick<pg.Pool, "query">;
  clock: Clock;
  reporter: Pick<Reporter, "emit" | "listen" | "registry">;
  /** Lines that wait for the database; default LINES_MAX. */
  linesMax?: number;
}

type Line = LineOfLog & { atMs: number };

export class HubLog {
  readonly #options: HubLogOptions;
  readonly #sieve: LogSieve;
  readonly #shed: Counter<"level">;
  #lines: Line[] = [];
  /** Not told yet. */
  #untold = 0;
  #timer: Timer | null = null;
  #writing: Promise<void> | null = null;

  constructor(options: HubLogOptions) {
    this.#options = options;
    this.#sieve = new LogSieve(options);
    this.#shed = new Counter({
      name: "tickhub_log_lines_shed_total",
      help: "Log lines beyond the day's budget",
      labelNames: ["level"],
      registers: [options.reporter.registry],
    });
    options.reporter.listen((told) => this.#hear(told));
  }

  /** From now on there is a table to write to. */
  start(): void {
    this.#timer = every(this.#options.clock, FLUSH_MS, () => void this.flush());
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.flush();
    await this.flush();
  }

  /** Writes what waits, or joins the writing that goes on. Never throws. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => (this.#writing = null));
    return this.#writing;
  }

  #hear(told: ReportedEvent): void {
    const { clock, reporter, bytesPerDay } = this.#options;
    const passed = this.#sieve.pass(told, clock.monoMs());
    if (passed === "unwanted") return;
    if (typeof passed === "string") {
      const { level } = told;
      this.#shed.inc({ level });
      if (passed === "first spent")
        reporter.emit({ event: "log_budget_spent", level, bytesPerDay });
      return;
    }
    this.#lines.push({ ...passed, atMs: clock.nowMs() });
    this.#bound();
  }

  #bound(): void {
    const over = this.#lines.length - (this.#options.linesMax ?? LINES_MAX);
    if (over <= 0) return;
    this.#lines.splice(0, over);
    this.#untold += over;
  }

  async #write(): Promise<void> {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    try {
      await insertLines(this.#options.pool, lines);
    } catch {
      // The database's own troubles are told where it is needed more.
      this.#lines = [...lines, ...this.#lines];
      this.#bound();
      return;
    }
    const count = this.#untold;
    if (count === 0) return;
    this.#untold = 0;
    this.#options.reporter.emit({ event: "hub_log_dropped", count });
  }
}

/** The lock comes before the first id: the join asks it first. */
async function insertLines(pool: Pick<pg.Pool, "query">, lines: readonly Line[]): Promise<void> {
  await pool.query(
    `with held as materialized (select pg_advisory_xact_lock(public.log_lock()))
     insert into public.edge_log (at, edge, level, event, fields)
     select to_timestamp(at_ms / 1000), $1, level, event, fields::jsonb
     from held, unnest($2::float8[], $3::smallint[], $4::text[], $5::text[]) with ordinality
       as l (at_ms, level, event, fields, i)
     order by i`,
    [
      HUB,
      lines.map(({ atMs }) => atMs),
      lines.map(({ level }) => level),
      lines.map(({ event }) => event),
      lines.map(({ fields }) => fields),
    ],
  );
}
