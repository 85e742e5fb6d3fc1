// The edge's log lines on their way to the hub's central log: from the reporter into the outbox's lane `log`.
// Promises: a flood of lines costs counters, not memory nor egress; no line is about a log line; after `stop`
// nothing comes any more, so that a drain has an end.
import { Counter } from "prom-client";
import type { Clock } from "../../shared/clock.ts";
import { LogSieve } from "../../shared/log-lines.ts";
import type { LogSettings, ReportedEvent } from "../../shared/log-lines.ts";
import { logAccount } from "../../shared/own-account.ts";
import type { Reporter } from "../../shared/report.ts";
import type { Outbox } from "../outbox/outbox.ts";

export interface LogShipperOptions extends LogSettings {
  edge: string;
  outbox: Pick<Outbox, "push">;
  reporter: Pick<Reporter, "emit" | "listen" | "registry">;
  clock: Clock;
}

export class LogShipper {
  readonly #options: LogShipperOptions;
  readonly #account: string;
  readonly #sieve: LogSieve;
  readonly #lines: Counter<"level">;
  readonly #shed: Counter<"level">;
  #captured = 0;
  #isStopped = false;

  constructor(options: LogShipperOptions) {
    this.#options = options;
    this.#account = logAccount(options.edge);
    this.#sieve = new LogSieve(options);
    const counter = (name: string, help: string) =>
      new Counter({ name, help, labelNames: ["level"], registers: [options.reporter.registry] });
    this.#lines = counter("tickhub_log_lines_shipped_total", "Log lines on their way to the hub");
    this.#shed = counter("tickhub_log_lines_shed_total", "Log lines beyond the day's budget");
    options.reporter.listen((told) => this.#hear(told));
  }

  /** Over its egress budget an edge ships warnings and worse alone. */
  quiet(isQuiet: boolean): void {
    this.#sieve.quiet(isQuiet);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #hear(told: ReportedEvent): void {
    if (this.#isStopped) return;
    const { clock, outbox, reporter, bytesPerDay } = this.#options;
    const { level } = told;
    const passed = this.#sieve.pass(told, clock.monoMs());
    if (passed === "unwanted") return;
    if (typeof passed === "string") {
      this.#shed.inc({ level });
      if (passed === "first spent")
        reporter.emit({ event: "log_budget_spent", level, bytesPerDay });
      return;
    }
    this.#lines.inc({ level });
    const atMs = Math.round(clock.nowMs() * 1_000) / 1_000;
    const capture = ++this.#captured;
    const stamp = { atMs, edgeRecvMs: atMs, capture };
    outbox.push(this.#account, 0, { kind: "log", ...passed, ...stamp }, clock.monoMs());
  }
}
