// The daily comparison, in the hub: looks now and then for days that are over and have no final figure yet, and
// computes them one at a time over one connection, an hour of trades a statement. Nothing on the way in waits
// for it; what fails is told and tried again at the next look.
import type pg from "pg";
import { marketDay, previousTradingDay } from "../../../shared/calendar.ts";
import { every } from "../../../shared/clock.ts";
import type { Clock, Timer } from "../../../shared/clock.ts";
import { codeOf } from "../../../shared/errors.ts";
import type { Emit } from "../../../shared/events.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { addDays, kstDay, kstMs } from "../../../shared/market-time.ts";
import { asDatabaseError } from "../../../store/database.ts";
import { readSources } from "../coverage/evidence.ts";
import { dateOf } from "./blocks.ts";
import { booksOfDay } from "./books.ts";
import { parityOfDay } from "./day.ts";
import { accountsOf } from "./facts.ts";
import type { ParityGate } from "./gate.ts";
import { parityGate } from "./gate.ts";
import { storeParity } from "./store.ts";
import { verdictsOf } from "./verdict.ts";

export interface ParityJobOptions {
  pool: pg.Pool;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
  left?: string;
  right?: string;
}

/** What the status and the metrics say of it: how the gate stands, as of the last look. */
export interface ParityPicture extends ParityGate {
  left: string;
  right: string;
}

const LOOK_MS = 10 * 60_000;
/** Days looked back to: a hub that was away for two weeks still computes what its tables hold. */
const DAYS_BACK = 10;
/** New York's after-hours have ended by then in Seoul, the day after, summer and winter. */
const NEW_YORK_END = 101_000;
/** Korea's day is over with the last after-market, at 20:00. */
const DAY_END_MS = 20.25 * 3_600_000;
const KST_MS = 9 * 3_600_000;
const DAY_MS = 86_400_000;

/**
 * Days to compute at `nowMs` (market time), newest first. `known`: when those with a final figure were computed.
 * A day is looked at when Korea's is over, and once more when New York's of the same date is. Pure.
 */
export function daysDue(nowMs: number, known: ReadonlyMap<number, number>): number[] {
  const today = kstDay(nowMs);
  const isOver = (nowMs + KST_MS) % DAY_MS >= DAY_END_MS;
  const days: number[] = isOver && marketDay("KRX", today).isTrading ? [today] : [];
  for (let day: number | undefined = today; days.length < DAYS_BACK;) {
    day = previousTradingDay("KRX", day)?.day;
    if (day === undefined) break;
    days.push(day);
  }
  return days.filter((day) => {
    const computedMs = known.get(day) ?? Number.NEGATIVE_INFINITY;
    const settledMs = kstMs(addDays(day, 1), NEW_YORK_END);
    return (
      computedMs === Number.NEGATIVE_INFINITY || (computedMs < settledMs && settledMs <= nowMs)
    );
  });
}

export class ParityJob {
  readonly #options: Required<ParityJobOptions>;
  #picture: ParityPicture;
  /** Days without anything on one of the sides: not asked again while this process lives. */
  readonly #empty = new Map<number, number>();
  #running: Promise<void> | null = null;
  #timer: Timer | null = null;
  #isStopping = false;

  constructor(options: ParityJobOptions) {
    this.#options = { left: "kis", right: "kiwoom", ...options };
    const { left, right } = this.#options;
    this.#picture = { left, right, open: false, reasons: ["not looked at yet"], days: [] };
  }

  start(): void {
    this.#timer = every(this.#options.clock, LOOK_MS, () => void this.look());
  }

  /** Ends after the day that is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#timer?.cancel();
    await this.#running;
  }

  picture(): ParityPicture {
    return this.#picture;
  }

  /** Computes what is due. Never throws. */
  look(): Promise<void> {
    this.#running ??= this.#look().finally(() => (this.#running = null));
    return this.#running;
  }

  async #look(): Promise<void> {
    const { pool, clock, market, emit, left, right } = this.#options;
    try {
      const known = await readFinalDays(pool, left, right);
      const due = daysDue(market(clock.nowMs()), new Map([...known, ...this.#empty]));
      for (const day of due.reverse()) {
        if (this.#isStopping) return;
        await this.#compute(day);
      }
      const gate = await parityGate(pool, { nowDay: kstDay(market(clock.nowMs())), left, right });
      this.#picture = { left, right, ...gate };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      emit({ event: "parity_failed", code: codeOf(asDatabaseError(error)), reason });
    }
  }

  async #compute(day: number): Promise<void> {
    const { pool, clock, market, emit, left, right } = this.#options;
    const sources = await readSources(pool, day);
    const isBoth = [left, right].every((name) => accountsOf(name, sources).length > 0);
    const startedMs = clock.monoMs();
    const options = { day, left, right, nowMs: market(clock.nowMs()), market, differencesMax: 0 };
    const parity = isBoth ? await parityOfDay(pool, options) : null;
    if (!parity || parity.symbols.length === 0) {
      this.#empty.set(day, Infinity);
      return;
    }
    const verdict = verdictsOf(parity).find((one) => one.market === "KRX");
    // Questions are still open: looked at again.
    if (verdict && !verdict.isFinal) return;
    await storeParity(pool, parity, await booksOfDay(pool, options), clock.nowMs());
    if (!verdict) return;
    const { share, coverage, refusals } = verdict;
    emit({
      event: "parity_computed",
      day: dateOf(day),
      sides: `${left}/${right}`,
      share: share ?? 0,
      coverage,
      rows: parity.rows,
      refusals: refusals.join("; "),
      tookMs: Math.round(clock.monoMs() - startedMs),
    });
  }
}

/** When each day with a final figure was computed. */
async function readFinalDays(
  db: Pick<pg.Pool, "query">,
  left: string,
  right: string,
): Promise<Map<number, number>> {
  const { rows } = await db.query<{ day: number; computedMs: number }>(
    `select to_char(day, 'YYYYMMDD')::int as day,
            date_part('epoch', max(computed_at)) * 1000 as "computedMs"
       from public.parity_day where left_source = $1 and right_source = $2
      group by day having bool_and(is_final)`,
    [left, right],
  );
  return new Map(rows.map(({ day, computedMs }) => [day, computedMs]));
}
