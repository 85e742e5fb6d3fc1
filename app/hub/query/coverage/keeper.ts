// Keeps the ledger of coverage: every second it reads what is new in the tables, folds it in, declares and
// settles gaps, and writes the intervals that changed. It looks at tables only, so trades of a direct edge
// count like any. Nothing on the way in waits for it, and no failure of its own reaches anybody else: it
// tells of it once, drops what it was about to write, and tries again.
import type pg from "pg";
import type { Clock, Timer } from "../../../shared/clock.ts";
import { codeOf } from "../../../shared/errors.ts";
import type { Emit } from "../../../shared/events.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { venueDay } from "../../../shared/market-time.ts";
import { asDatabaseError } from "../../../store/database.ts";
import { inTransaction, moveCursors } from "./changes.ts";
import type { Due } from "./due.ts";
import { dueOf } from "./due.ts";
import * as evidence from "./evidence.ts";
import type { AssignedChannel } from "./evidence.ts";
import { Findings } from "./findings.ts";
import type { News } from "./news-reader.ts";
import { NewsReader } from "./news-reader.ts";
import { OpenDay } from "./open-day.ts";
import { judgeDay, writeDay } from "./settle-day.ts";
import type { CoverageSummary } from "./summary.ts";
import { summaryOf } from "./summary.ts";

export interface KeeperOptions {
  pool: pg.Pool;
  clock: Clock;
  /** Market time: a replayed day has its own. */
  market: MarketClock;
  emit: Emit;
}

const PASS_MS = 1_000;
/** Where there is much to read, half of the time is left to others. */
const PAUSES = 1;
/** Reading goes on for so long before everything else gets its turn. */
const READ_MS_MAX = 500;
/** However much there is to read, something is written this often. */
const WRITE_MS_MAX = 5_000;
const RETRY_MS_MAX = 30_000;
/** Ends of intervals move with every second; they are written this often. */
const LOOK_MS = 10_000;
const TELL_MS = 60_000;
/** A day nobody adds to is forgotten, sooner where there are many; its rows stay. */
const IDLE_MS = 600_000;
const DAYS_MAX = 16;

export class CoverageKeeper {
  readonly #options: KeeperOptions;
  readonly #news: NewsReader;
  readonly #days = new Map<string, OpenDay>();
  #assigned: AssignedChannel[] = [];
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #passing: Promise<void> | undefined;
  #isStopped = false;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #lastCode = "";
  #checkedMs: number | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;
  #passMs = Number.NEGATIVE_INFINITY;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#news = new NewsReader(options.pool);
  }

  start(): void {
    this.#next(0);
  }

  /** Waits for the pass that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#passing;
  }

  /** The market's day as of the last pass. */
  summary(): CoverageSummary {
    const nowMs = this.#nowMs();
    const wallMs = this.#options.clock.nowMs();
    return summaryOf([...this.#days.values()], nowMs, wallMs, this.#checkedMs);
  }

  /** What the watchdog asks, as of the last pass. */
  due(): Due {
    return dueOf(this.#days, this.#assigned, this.#nowMs());
  }

  #nowMs(): number {
    const { clock, market } = this.#options;
    return market(clock.nowMs());
  }

  #next(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#passing = this.#run().finally(() => (this.#passing = undefined));
    });
  }

  async #run(): Promise<void> {
    const { clock, emit } = this.#options;
    const startedMs = clock.monoMs();
    try {
      const isMore = await this.#pass();
      this.#failures = 0;
      this.#lastCode = "";
      this.#checkedMs = clock.nowMs();
      this.#tell();
      const tookMs = clock.monoMs() - startedMs;
      this.#next(isMore ? tookMs * PAUSES : Math.max(PASS_MS, tookMs * PAUSES));
    } catch (thrown) {
      const error = asDatabaseError(thrown);
      const code = codeOf(error);
      this.#failures += 1;
      if (code !== this.#lastCode) {
        const reason = error instanceof Error ? error.message : String(error);
        emit({ event: "coverage_failed", code, reason });
      }
      this.#lastCode = code;
      this.#next(Math.min(PASS_MS * 2 ** this.#failures, RETRY_MS_MAX));
    }
  }

  /** The log's copy of what the status line and the page say. */
  #tell(): void {
    const { clock, emit } = this.#options;
    if (clock.monoMs() - this.#toldMs < TELL_MS) return;
    const { symbols, sentence } = this.summary();
    if (symbols === 0) return;
    this.#toldMs = clock.monoMs();
    emit({ event: "coverage_summed", sentence });
  }

  /** One look at everything. Returns whether there is more to read at once. */
  async #pass(): Promise<boolean> {
    const { pool, clock } = this.#options;
    this.#passMs = clock.monoMs();
    // In this order: what an edge says to be stored or to have refilled, and what a recording declares to
    // hold, is among the rows read after it.
    const drained = await evidence.readDrained(pool);
    const gaps = await evidence.readOpenGaps(pool);
    this.#assigned = await evidence.readAssigned(pool);
    await this.#openToday();
    const known = new Set(this.#days.values());
    await this.#hear(known);
    const news = await this.#read();
    for (const { source, day, ...row } of gaps) {
      const isKnown = this.#days.has(`${source}/${day}`);
      if (isKnown || row.outcome !== null) (await this.#day(source, day)).setGap(row);
    }
    await this.#hear(new Set(this.#days.values()).difference(known));
    await this.#refresh(gaps.some(({ outcome }) => outcome !== null));
    const isLate = clock.monoMs() - this.#writtenMs > WRITE_MS_MAX;
    // While there is more to read, a hole may be nothing but rows that were not read yet.
    const judged = news.isMore ? new Set<OpenDay>() : known;
    if (!news.isMore || isLate) await this.#write(news, drained, judged);
    return news.isMore;
  }

  /** Folds in what is new, for a while; the last answer stands for all. */
  async #read(): Promise<News> {
    const { clock } = this.#options;
    const untilMs = clock.monoMs() + READ_MS_MAX;
    for (;;) {
      const news = await this.#news.read(this.#nowMs());
      for (const { source, day, trades } of news.trades) {
        const open = await this.#day(source, day);
        for (const trade of trades) open.add(trade);
      }
      if (!news.isMore || clock.monoMs() >= untilMs) return news;
    }
  }

  /** Days on which the market is open now, or could be, for whoever has something assigned. */
  async #openToday(): Promise<void> {
    const nowMs = this.#nowMs();
    for (const { source, venue } of this.#assigned) await this.#day(source, venueDay(venue, nowMs));
  }

  async #day(source: string, day: number): Promise<OpenDay> {
    const { pool, clock, market } = this.#options;
    const key = `${source}/${day}`;
    let open = this.#days.get(key);
    if (!open) {
      open = await OpenDay.load(pool, source, day);
      await open.refresh(pool, market);
      this.#days.set(key, open);
    }
    open.usedMs = clock.monoMs();
    return open;
  }

  /** Sessions and recordings: cheap to ask for, and what a killed edge is known by. */
  async #hear(days: ReadonlySet<OpenDay>): Promise<void> {
    if (days.size === 0) return;
    const { pool, market } = this.#options;
    const nowMs = this.#nowMs();
    const recorded = await evidence.readRecorded(pool);
    const byDay = Map.groupBy(days, ({ ledger }) => ledger.day);
    for (const [day, opens] of byDay) {
      const sources = opens.map(({ ledger }) => ledger.source);
      const sessions = await evidence.readSessions(pool, sources, evidence.widestDay(day));
      for (const open of opens) {
        const { source } = open.ledger;
        open.hear(sessions.get(source) ?? [], recorded.get(source) ?? []);
        await open.learnEnds(pool, market);
        open.adopt(this.#assigned, nowMs);
      }
    }
  }

  async #refresh(isAnswered: boolean): Promise<void> {
    const { pool, clock, market } = this.#options;
    const monoMs = clock.monoMs();
    if (!isAnswered && monoMs - this.#refreshedMs < LOOK_MS) return;
    this.#refreshedMs = monoMs;
    for (const open of this.#days.values()) await open.refresh(pool, market);
  }

  /** Days that are not `judged` are looked at again: what was read of them may not be all yet. */
  async #write(
    news: News,
    drained: ReadonlyMap<string, number>,
    judged: ReadonlySet<OpenDay>,
  ): Promise<void> {
    const { pool, clock, emit } = this.#options;
    const [nowMs, monoMs] = [this.#nowMs(), clock.monoMs()];
    const looks = [...this.#days.values()].map((open) => {
      const isWhole = monoMs - open.lookedMs >= LOOK_MS;
      return { open, isWhole, symbols: [...(isWhole ? open.ledger.symbols.values() : open.dirty)] };
    });
    const findings = new Findings();
    try {
      await inTransaction(pool, async (client) => {
        for (const { open, symbols } of looks) {
          const drainedMs = drained.get(open.ledger.source) ?? Infinity;
          if (judged.has(open))
            await judgeDay(client, open, symbols, { nowMs, monoMs, drainedMs }, findings);
          await writeDay(client, open, symbols, nowMs);
        }
        await moveCursors(client, news.cursors);
      });
    } catch (error) {
      // What is in memory may be ahead of the tables now: read it again.
      this.#days.clear();
      throw error;
    } finally {
      this.#news.reset();
    }
    this.#writtenMs = monoMs;
    for (const { open, isWhole, symbols } of looks) {
      if (!judged.has(open)) continue;
      open.looked(symbols);
      if (isWhole) open.lookedMs = monoMs;
    }
    this.#forget();
    findings.tell(emit);
  }

  /**
   * Only after a write: what is in memory alone would be forgotten with the day. Days in use stay, however
   * many accounts there are: with one goes the memory of since when a hole has been seen.
   */
  #forget(): void {
    const monoMs = this.#options.clock.monoMs();
    const idle = [...this.#days].filter(([, { usedMs }]) => usedMs < this.#passMs);
    const byUse = idle.sort(([, one], [, other]) => other.usedMs - one.usedMs);
    for (const [index, [key, { usedMs }]] of byUse.entries()) {
      if (index >= DAYS_MAX || monoMs - usedMs > IDLE_MS) this.#days.delete(key);
    }
  }
}
