// The meters of the free tiers: adds up each minute what edges, hub and ledger counted, projects the month's
// end, tells of what comes to its limit, and what an edge over its egress budget is to do without. Beside the
// tick's path. Promises: counted once, across restarts of edges and hub; never throws, never holds up a batch.
import type pg from "pg";
import { every } from "../../../shared/clock.ts";
import type { Clock, Timer } from "../../../shared/clock.ts";
import { codeOf } from "../../../shared/errors.ts";
import type { Emit } from "../../../shared/events.ts";
import type { Counters, Shedding } from "../../../shared/meters.ts";
import { asDatabaseError } from "../../../store/database.ts";
import { HUB } from "./catalogue.ts";
import type { MeterLimits } from "./catalogue.ts";
import { halfDayAt } from "./half-day.ts";
import { judge, shed } from "./judge.ts";
import type { Alarm, MeterState, Reading } from "./judge.ts";
import { neededFrom, readingsOf } from "./readings.ts";
import type { MeterReading } from "./readings.ts";
import * as rows from "./rows.ts";

export interface MeterPicture extends MeterReading {
  state: MeterState;
}

export interface MeterKeeperOptions extends MeterLimits {
  pool: pg.Pool;
  clock: Clock;
  emit: Emit;
  /** Names of the configured edges. */
  edges: readonly string[];
  /** Names this process's life; another for each. */
  boot: string;
  /** The hub's own counters since its start. */
  counters: () => Counters;
  /** What the backup has in its bucket; null where nobody says. */
  bucketBytes: () => number | null;
}

const LOOK_MS = 60_000;
/** An edge this long without a word is no more; a hub that just started has heard nobody. */
const GONE_MS = 2 * 3_600_000;
const STARTING_MS = 10 * 60_000;
const PRUNE_EVERY = 1_440;

export class MeterKeeper {
  readonly #options: MeterKeeperOptions;
  readonly #startedMs: number;
  #meters: readonly MeterPicture[] = [];
  #shedding = new Map<string, Shedding>();
  #looks = 0;
  #looking: Promise<void> | null = null;
  #timer: Timer | null = null;

  constructor(options: MeterKeeperOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monoMs();
  }

  start(): void {
    void this.look();
    this.#timer = every(this.#options.clock, LOOK_MS, () => void this.look());
  }

  /** Adds up a last time. */
  async stop(): Promise<void> {
    if (this.#timer === null) return;
    this.#timer.cancel();
    await this.#looking;
    await this.#fold().catch(() => undefined);
  }

  /** As of the last look. */
  picture(): readonly MeterPicture[] {
    return this.#meters;
  }

  /** What the edge is to do without. */
  sheddingOf(edge: string): Shedding {
    return this.#shedding.get(edge) ?? "none";
  }

  /** Adds up and judges now, or joins the look that runs. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        const code = codeOf(asDatabaseError(error));
        this.#options.emit({ event: "database_failed", code, reason });
      })
      .finally(() => (this.#looking = null));
    return this.#looking;
  }

  async #fold(): Promise<void> {
    const { pool, boot, counters, bucketBytes } = this.#options;
    await rows.foldEdges(pool);
    await rows.foldLedger(pool);
    await rows.foldOwn(pool, HUB, boot, counters());
    await rows.keepSize(pool, "storage", await rows.readDatabaseBytes(pool));
    const bucket = bucketBytes();
    if (bucket !== null) await rows.keepSize(pool, "bucket", bucket);
  }

  async #look(): Promise<void> {
    const { pool, clock, edges } = this.#options;
    await this.#fold();
    if (this.#looks++ % PRUNE_EVERY === 0) await rows.pruneMeters(pool);
    const nowMs = clock.nowMs();
    const from = neededFrom(nowMs);
    const seen = await rows.readSeen(pool);
    const told = await rows.readTold(pool);
    const readings = readingsOf({
      nowMs,
      uses: await rows.readUse(pool, from),
      sizes: await rows.readSizes(pool, from),
      edges: [...new Set([...edges, ...seen.keys()])].sort(),
      gone: this.#gone(seen, nowMs),
      told,
      limits: this.#options,
    });
    const day = halfDayAt(nowMs).day;
    await this.#enforce(readings, told, day);
    this.#meters = await this.#judge(readings, day);
  }

  #gone(seen: ReadonlyMap<string, number>, nowMs: number): Set<string> {
    if (this.#options.clock.monoMs() - this.#startedMs < STARTING_MS) return new Set();
    return new Set([...seen].filter(([, ms]) => nowMs - ms > GONE_MS).map(([edge]) => edge));
  }

  async #judge(readings: readonly MeterReading[], day: number): Promise<MeterPicture[]> {
    const { pool } = this.#options;
    const standing = await rows.readAlarms(pool);
    const meters: MeterPicture[] = [];
    for (const reading of readings) {
      const { meter, subject } = reading;
      const before = standing.get(`${meter}@${subject}`) ?? null;
      const judged = judgedAgainst(reading, before, day);
      // Told first, kept after: an alarm that is told twice is better than one that is not told.
      if (judged.tell) this.#tell(reading, judged.alarm!);
      if (judged.alarm === null && before !== null) await rows.dropAlarm(pool, meter, subject);
      if (judged.alarm !== null && !isSame(judged.alarm, before)) {
        await rows.writeAlarm(pool, meter, subject, judged.alarm);
      }
      meters.push({ ...reading, state: judged.alarm?.state ?? "ok" });
    }
    return meters;
  }

  #tell({ meter, subject, used, projected, limit, unit }: MeterReading, { state }: Alarm): void {
    const figures = { used: rounded(used), projected: rounded(projected), limit: limit ?? 0 };
    this.#options.emit({ event: "meter_alarmed", meter, subject, state, ...figures, unit });
  }

  /** Edges with a budget of their own; without one nobody does without anything. */
  async #enforce(
    readings: readonly MeterReading[],
    told: ReadonlyMap<string, { level: Shedding; since: number }>,
    day: number,
  ): Promise<void> {
    const { pool, budgets, emit } = this.#options;
    const levels = new Map<string, Shedding>();
    for (const [edge, budget] of budgets) {
      const reading = readings.find((one) => one.meter === "egress" && one.subject === edge);
      if (!reading) continue;
      const before = told.get(edge) ?? null;
      const next = shed(before, figuresOf(reading, budget), reading.openDaysSince, day);
      levels.set(edge, next.level);
      if (next.level === (before?.level ?? "none")) continue;
      await rows.writeTold(pool, edge, next);
      const projected = rounded(reading.projected);
      emit({ event: "budget_enforced", edge, level: next.level, projected, budget });
    }
    this.#shedding = levels;
  }
}

function judgedAgainst(reading: MeterReading, before: Alarm | null, day: number) {
  if (reading.limit === null) return { alarm: null, tell: false };
  return judge(before, figuresOf(reading, reading.limit), day);
}

function figuresOf(reading: MeterReading, limit: number): Reading {
  const { used, projected, openDays, openDaysBefore } = reading;
  return { used, projected, limit, isFounded: openDays + openDaysBefore > 0 };
}

function isSame(one: Alarm, other: Alarm | null): boolean {
  return one.state === other?.state && one.toldOn === other.toldOn;
}

function rounded(amount: number): number {
  return Number(amount.toPrecision(4));
}
