// What an edge does without while the hub says that its egress is over budget, in the order of
// docs/overload.md: log lines first, small batches of books next, most books last, trades never.
import type { Logger } from "pino";
import type { Emit } from "../shared/events.ts";
import { SHEDDING } from "../shared/meters.ts";
import type { Shedding } from "../shared/meters.ts";
import type { LogShipper } from "./logs/shipper.ts";
import type { Outbox } from "./outbox/outbox.ts";

/** Sooner than a backlog is set apart (5 s), or each of these would be one. */
const LARGE = { sealAfterMs: 4_000, rowsPerBatch: 10_000, lastOfMs: 0 } as const;
const THINNED = { ...LARGE, lastOfMs: 1_000 } as const;
const QUIET = "warn";

export class Shedder {
  readonly #outbox: Pick<Outbox, "paceBooks">;
  readonly #logger: Pick<Logger, "level" | "levels">;
  readonly #usualLevel: string;
  readonly #emit: Emit;
  readonly #logs: Pick<LogShipper, "quiet"> | null;
  #level: Shedding = "none";

  constructor(
    outbox: Pick<Outbox, "paceBooks">,
    logger: Pick<Logger, "level" | "levels">,
    emit: Emit,
    logs: Pick<LogShipper, "quiet"> | null = null,
  ) {
    this.#logs = logs;
    this.#outbox = outbox;
    this.#logger = logger;
    this.#usualLevel = logger.level;
    this.#emit = emit;
  }

  get level(): Shedding {
    return this.#level;
  }

  /** What the hub's last answer said; nothing means none. */
  heard(level: Shedding = "none"): void {
    if (level === this.#level) return;
    const step = SHEDDING.indexOf(level);
    this.#level = level;
    this.#logger.level = step >= 1 && this.#isVerbose() ? QUIET : this.#usualLevel;
    this.#logs?.quiet(step >= 1);
    this.#outbox.paceBooks(step >= 3 ? THINNED : step === 2 ? LARGE : null);
    this.#emit({ event: "shedding_moved", level });
  }

  #isVerbose(): boolean {
    const { values } = this.#logger.levels;
    return (values[this.#usualLevel] ?? Infinity) < values[QUIET]!;
  }
}
