// What is known of the two sides beside their trades: which accounts they are, when these answered for which
// symbol, what their brokers say of a day's first and last volume. Reads only.
import type pg from "pg";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { venueDay } from "../../../shared/market-time.ts";
import type { Venue } from "../../../shared/tick.ts";
import { keyOf } from "../coverage/day-ledger.ts";
import * as evidence from "../coverage/evidence.ts";
import { expectedSpans, spanOfDay } from "../coverage/expected.ts";
import { isFinal, REASON } from "../coverage/gap-row.ts";
import { inMarketTime } from "../coverage/open-day.ts";
import type { Span } from "../coverage/spans.ts";
import type { Figure } from "../coverage/timeline.ts";
import type { Sides } from "./blocks.ts";
import { dateOf } from "./blocks.ts";
import type { Side } from "./print.ts";
import type { AccountLife, Tenure } from "./vouch.ts";
import { answeredSpans, answers } from "./vouch.ts";

type Queryable = Pick<pg.Pool, "query">;

/** Of a broker (`kis`) all accounts, of an account (`kis:1`) that one. */
export function accountsOf(name: string, sources: readonly string[]): string[] {
  return sources.filter((source) => source === name || source.startsWith(`${name}:`));
}

interface Account extends AccountLife {
  /** By `venue/symbol`. */
  figures: ReadonlyMap<string, Figure>;
}

/** The broker asks for so long after a day's end; then nothing changes any more. */
const SETTLED_MS = 12 * 3_600_000;
/** Right after the close the last trades are still on their way. */
const CLOSED_MS = 600_000;

export class DayFacts {
  readonly day: number;
  readonly #nowMs: number;
  readonly #accounts: Record<Side, readonly Account[]>;
  readonly #tenures: Record<Side, ReadonlyMap<string, readonly Tenure[]>>;
  /** By side and `venue/symbol`: places that an account of the side was to collect. */
  readonly #known: Record<Side, ReadonlySet<string>>;

  private constructor(
    day: number,
    nowMs: number,
    accounts: DayFacts["accounts"],
    tenures: Record<Side, ReadonlyMap<string, readonly Tenure[]>>,
    known: Record<Side, ReadonlySet<string>>,
  ) {
    this.day = day;
    this.#nowMs = nowMs;
    this.#accounts = accounts;
    this.#tenures = tenures;
    this.#known = known;
  }

  get accounts(): Record<Side, readonly Account[]> {
    return this.#accounts;
  }

  static async read(
    db: Queryable,
    sides: Sides,
    day: number,
    market: MarketClock,
    nowMs: number,
  ): Promise<DayFacts> {
    const accounts = {
      left: await readAccounts(db, sides.left, day, market),
      right: await readAccounts(db, sides.right, day, market),
    };
    const tenures = {
      left: await readTenures(db, sides.left, day),
      right: await readTenures(db, sides.right, day),
    };
    const known = {
      left: await readKnown(db, sides.left, day),
      right: await readKnown(db, sides.right, day),
    };
    return new DayFacts(day, nowMs, accounts, tenures, known);
  }

  isKnown(side: Side, venue: Venue, symbol: string): boolean {
    return this.#known[side].has(keyOf(venue, symbol));
  }

  /** Places with a figure of the broker's, whether anything of them is stored or not. */
  placesWithFigure(): Set<string> {
    const all = [...this.#accounts.left, ...this.#accounts.right];
    return new Set(all.flatMap(({ figures }) => [...figures.keys()]));
  }

  /** Says of a second whether the side answers for the symbol in it. */
  voucher(venue: Venue, symbol: string): (side: Side, ms: number) => boolean {
    const key = keyOf(venue, symbol);
    const spans = {
      left: this.#spans("left", venue, symbol),
      right: this.#spans("right", venue, symbol),
    };
    return (side, ms) => answers(this.#tenures[side].get(key) ?? [], spans[side], ms);
  }

  #spans(side: Side, venue: Venue, symbol: string): Map<string, Span[]> {
    const dayOf = (ms: number) => venueDay(venue, ms);
    return new Map(
      this.#accounts[side].map((account) => [
        account.source,
        answeredSpans(account, { venue, symbol }, this.#nowMs, dayOf),
      ]),
    );
  }

  /** Least first and greatest final cumulative volume that any broker tells; null where none does. */
  ends(venue: Venue, symbol: string): { first: number | null; final: number | null } {
    const figures = [...this.#accounts.left, ...this.#accounts.right].flatMap(
      (account) => account.figures.get(keyOf(venue, symbol)) ?? [],
    );
    const firsts = figures.flatMap(({ seqFirst }) => seqFirst ?? []);
    const finals = figures.flatMap(({ seqFinal }) => seqFinal ?? []);
    return {
      first: firsts.length > 0 ? Math.min(...firsts) : null,
      final: finals.length > 0 ? Math.max(...finals) : null,
    };
  }

  /** Whether a broker has told the last volume, or shown nothing after the last trade, or a side listened from the last trade to the day's last session. */
  isClosed(venue: Venue, symbol: string, lastMs: number | null): boolean {
    if (this.ends(venue, symbol).final !== null) return true;
    const gaps = [...this.#accounts.left, ...this.#accounts.right].flatMap(
      (account) => account.gaps,
    );
    const isAnswered = gaps.some(
      (gap) =>
        gap.venue === venue &&
        gap.symbol === symbol &&
        gap.channel === "trade" &&
        gap.kind === "tail" &&
        gap.reason === REASON.dayEnd &&
        (gap.state === "explained" || gap.state === "refilled"),
    );
    if (isAnswered) return true;
    const closeMs = expectedSpans(venue, this.day).at(-1)?.toMs;
    if (closeMs === undefined || lastMs === null) return false;
    return (["left", "right"] as const).some((side) =>
      [...this.#spans(side, venue, symbol).values()].some((spans) =>
        spans.some(({ fromMs, toMs }) => fromMs <= lastMs && toMs >= closeMs),
      ),
    );
  }

  /** Whether nothing is to come any more: the day is over, and no question about it is open. */
  isFinal(venue: Venue): boolean {
    const { toMs } = spanOfDay(venue, this.day);
    if (this.#nowMs >= toMs + SETTLED_MS) return true;
    const closeMs = expectedSpans(venue, this.day).at(-1)?.toMs ?? toMs;
    if (this.#nowMs < closeMs + CLOSED_MS) return false;
    const gaps = [...this.#accounts.left, ...this.#accounts.right].flatMap(
      (account) => account.gaps,
    );
    return gaps.every(
      (gap) => gap.venue !== venue || gap.channel !== "trade" || isFinal(gap.state),
    );
  }

  /** Volume of the chain that a broker says is none of a trade: it shows nothing there. */
  explained(
    side: Side,
    venue: Venue,
    symbol: string,
    chain: number,
  ): { from: number; to: number }[] {
    return this.#accounts[side]
      .flatMap(({ gaps }) => gaps)
      .flatMap((gap) => {
        const isIt =
          gap.venue === venue &&
          gap.symbol === symbol &&
          gap.chain === chain &&
          gap.kind === "hole";
        const { seqFrom: from, seqTo: to, state } = gap;
        return isIt && state === "explained" && from !== null && to !== null ? [{ from, to }] : [];
      });
  }
}

async function readAccounts(
  db: Queryable,
  sources: readonly string[],
  day: number,
  market: MarketClock,
): Promise<Account[]> {
  const sessions = await evidence.readSessions(db, sources, evidence.widestDay(day));
  const recorded = await evidence.readRecorded(db);
  const accounts: Account[] = [];
  for (const source of sources) {
    accounts.push({
      source,
      sessions: sessions.get(source) ?? [],
      recorded: recorded.get(source) ?? [],
      losses: inMarketTime(await evidence.readLosses(db, source), market),
      gaps: await evidence.readGaps(db, source, day),
      figures: await evidence.readFigures(db, source, day),
    });
  }
  return accounts;
}

/** Only of a side with several accounts is there a question whose a symbol was. */
async function readTenures(
  db: Queryable,
  sources: readonly string[],
  day: number,
): Promise<Map<string, Tenure[]>> {
  if (sources.length < 2) return new Map();
  const { fromMs, toMs } = evidence.widestDay(day);
  const { rows } = await db.query<Tenure & { venue: Venue; symbol: string }>(
    `select venue, symbol, source, date_part('epoch', min(ts)) * 1000 as "fromMs",
            date_part('epoch', max(ts)) * 1000 as "toMs"
       from public.trade
      where source = any($1) and day = $2::date and origin = 0
        and ts >= to_timestamp($3::float8 / 1000) and ts < to_timestamp($4::float8 / 1000)
      group by venue, symbol, source`,
    [sources, dateOf(day), fromMs, toMs],
  );
  return Map.groupBy(rows, ({ venue, symbol }) => keyOf(venue, symbol));
}

async function readKnown(
  db: Queryable,
  sources: readonly string[],
  day: number,
): Promise<Set<string>> {
  const { rows } = await db.query<{ venue: Venue; symbol: string }>(
    `select venue, symbol from public.coverage
      where source = any($1) and day = $2::date and channel = 'trade'
      union select venue, symbol from public.day_figure
      where source = any($1) and day = $2::date
      union select venue, symbol from public.gap
      where source = any($1) and day = $2::date and channel = 'trade'`,
    [sources, dateOf(day)],
  );
  return new Set(rows.map(({ venue, symbol }) => keyOf(venue, symbol)));
}
