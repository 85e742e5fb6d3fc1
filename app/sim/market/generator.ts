// The market nobody recorded: a seeded random walk of about twenty symbols with an opening auction, a
// VI, a halt and a closing auction. It stands at the very start of a tick's path when no broker is at
// hand. Pure: given seed and start it plays the same events; the pump decides when they are due.
import type { Instrument, Market, MarketEvent, MarketTrade } from "./event.ts";
import { krxInstruments, usInstruments } from "./instrument.ts";
import type { Random } from "./random.ts";
import { index, seeded } from "./random.ts";
import { localStamp, Security } from "./security.ts";
import type { Totals } from "./security.ts";

export interface GeneratorOptions {
  seed: number;
  /** Market updates a second over all symbols; a print and a book count one each. */
  ratePerSecond: number;
  /** KRX symbols. */
  symbols: number;
  /** Also three US symbols. */
  us: boolean;
  /** Length of the opening auction. */
  openingMs: number;
}

/**
 * A second run on the same day must not repeat a cumulative volume, and there is no state to remember
 * the first by. So a symbol's totals start at a figure the clock gives, and stay below the next second's.
 */
const SHARES_PER_SECOND = 10_000;
const PRINTS_PER_SECOND = 1000;

/** What happens when, after the opening print; `slot` is a place in the list of symbols. */
const SCHEDULE = {
  viOnMs: 3000,
  viOffMs: 6000,
  viSlot: 1,
  haltOnMs: 4000,
  haltOffMs: 7500,
  haltSlot: 2,
};
const OPENING_SPREAD_MS = 5;
const PRINTS_PER_BURST_MAX = 4;

/** A random market on the wall clock. */
export function generateMarket(options: GeneratorOptions): Market {
  const random = seeded(options.seed);
  const instruments = [...krxInstruments(options.symbols), ...(options.us ? usInstruments() : [])];
  const securities = instruments.map((instrument) => new Security(instrument, random));
  return {
    instruments,
    time: "wall",
    endMs: null,
    play: (startMs) => play(securities, startMs, options, random),
    closing: (marketMs) => close(securities, marketMs, random),
  };
}

function* play(
  securities: readonly Security[],
  startMs: number,
  options: GeneratorOptions,
  random: Random,
): Generator<MarketEvent, void> {
  for (const security of securities) startDayIfNew(security, startMs);
  const openMs = startMs + options.openingMs;
  const wait = () => (-Math.log(1 - random()) / options.ratePerSecond) * 1000;

  yield {
    kind: "status",
    what: "session",
    session: "opening",
    leftS: options.openingMs / 1000,
    marketMs: startMs,
  };
  const domestic = securities.filter((security) => security.instrument.market === "KRX");
  for (let nowMs = startMs + wait(); nowMs < openMs && domestic.length > 0; nowMs += wait()) {
    yield* indicate(domestic[index(random, domestic.length)]!, "B", nowMs);
  }
  yield { kind: "status", what: "session", session: "open", leftS: 0, marketMs: openMs };
  let nowMs = openMs;
  for (const security of domestic) yield* auction(security, (nowMs += OPENING_SPREAD_MS), random);

  const script = new Script(domestic, openMs, random);
  const meanSize = Math.max(1, Math.min(40, (1000 * securities.length) / options.ratePerSecond));
  for (;;) {
    nowMs += wait();
    yield* script.until(nowMs);
    const security = securities[index(random, securities.length)]!;
    startDayIfNew(security, nowMs);
    if (security === script.halted) continue;
    if (security === script.interrupted) {
      yield* indicate(security, "C", nowMs);
    } else if (random() < 0.6) {
      yield security.book(nowMs, "0");
    } else {
      const prints = burst(security, nowMs, meanSize, random);
      yield* prints;
      for (let i = 1; i < prints.length; i++) nowMs += wait();
    }
  }
}

/** The VI and the halt, in their order. */
class Script {
  interrupted: Security | undefined;
  halted: Security | undefined;
  readonly #steps: { atMs: number; run: (atMs: number) => Iterable<MarketEvent> }[];

  constructor(securities: readonly Security[], openMs: number, random: Random) {
    const vi = securities[SCHEDULE.viSlot];
    const halt = securities[SCHEDULE.haltSlot];
    this.#steps = [];
    if (vi) {
      this.#at(openMs + SCHEDULE.viOnMs, (atMs) => this.#vi(vi, true, atMs));
      this.#at(openMs + SCHEDULE.viOffMs, (atMs) => [
        ...auction(vi, atMs, random),
        ...this.#vi(vi, false, atMs),
      ]);
    }
    if (halt) {
      this.#at(openMs + SCHEDULE.haltOnMs, (atMs) => this.#halt(halt, true, atMs));
      this.#at(openMs + SCHEDULE.haltOffMs, (atMs) => this.#halt(halt, false, atMs));
    }
    this.#steps.sort((a, b) => a.atMs - b.atMs);
  }

  *until(nowMs: number): Generator<MarketEvent, void> {
    while (this.#steps[0] && this.#steps[0].atMs <= nowMs) {
      const step = this.#steps.shift()!;
      yield* step.run(step.atMs);
    }
  }

  #at(atMs: number, run: (atMs: number) => Iterable<MarketEvent>): void {
    this.#steps.push({ atMs, run });
  }

  #vi(security: Security, on: boolean, marketMs: number): MarketEvent[] {
    this.interrupted = on ? security : undefined;
    const { instrument, viPrice, totals } = security;
    const { cumVolume, cumValue } = totals;
    const onMs = on ? marketMs : marketMs - (SCHEDULE.viOffMs - SCHEDULE.viOnMs);
    const price = security.last?.price ?? security.bid;
    return [
      {
        kind: "status",
        what: "vi",
        instrument,
        on,
        price,
        viPrice,
        onMs,
        cumVolume,
        cumValue,
        marketMs,
      },
    ];
  }

  #halt(security: Security, on: boolean, marketMs: number): MarketEvent[] {
    this.halted = on ? security : undefined;
    return [{ kind: "status", what: "halt", instrument: security.instrument, on, marketMs }];
  }
}

/** One aggressive order: up to four prints at one price, after the quotes may have moved. */
function burst(
  security: Security,
  marketMs: number,
  meanSize: number,
  random: Random,
): MarketTrade[] {
  const { side, price } = security.takeQuote(random);
  const count = 1 + Math.floor(random() ** 3 * PRINTS_PER_BURST_MAX);
  const prints: MarketTrade[] = [];
  for (let i = 0; i < count; i++) {
    const wanted = 1 + Math.floor(-Math.log(1 - random()) * meanSize);
    const size = Math.min(wanted, room(security, marketMs));
    if (size > 0) prints.push(security.print({ marketMs, price, size, side }));
  }
  return prints;
}

/** A book without trading, and the price its auction would make. */
function* indicate(
  security: Security,
  phase: "A" | "B" | "C",
  marketMs: number,
): Generator<MarketEvent, void> {
  startDayIfNew(security, marketMs);
  const book = security.book(marketMs, phase);
  yield book;
  const { instrument, cumVolume, expectedPrice, expectedSize } = book;
  const price = expectedPrice;
  const size = expectedSize;
  yield { kind: "status", what: "expected", instrument, price, size, cumVolume, marketMs };
}

/** An auction's one print. */
function* auction(
  security: Security,
  marketMs: number,
  random: Random,
): Generator<MarketEvent, void> {
  startDayIfNew(security, marketMs);
  const size = Math.min(100 + index(random, 900), room(security, marketMs));
  if (size > 0) yield security.print({ marketMs, price: security.ask, size, side: 0 });
}

function close(securities: readonly Security[], marketMs: number, random: Random): MarketEvent[] {
  const domestic = securities.filter((security) => security.instrument.market === "KRX");
  const events: MarketEvent[] = [
    { kind: "status", what: "session", session: "closing", leftS: 0, marketMs },
  ];
  for (const security of domestic) events.push(...indicate(security, "A", marketMs));
  for (const security of domestic) events.push(...auction(security, marketMs, random));
  events.push({ kind: "status", what: "session", session: "closed", leftS: 0, marketMs });
  for (const { instrument, last } of domestic) {
    if (last) events.push({ kind: "status", what: "price", instrument, last, marketMs });
  }
  return events;
}

/** Shares that may still be printed in this second. */
function room(security: Security, marketMs: number): number {
  const nextSecond = localStamp(security.instrument, marketMs).secondOfDay + 1;
  const { cumVolume, sellCount, buyCount } = security.totals;
  if (Math.max(sellCount, buyCount) + 1 >= nextSecond * PRINTS_PER_SECOND) return 0;
  return nextSecond * SHARES_PER_SECOND - 1 - cumVolume;
}

function startDayIfNew(security: Security, marketMs: number): void {
  const { date } = localStamp(security.instrument, marketMs);
  if (security.date !== date) security.startDay(date, startTotals(security.instrument, marketMs));
}

function startTotals(instrument: Instrument, marketMs: number): Totals {
  const { secondOfDay } = localStamp(instrument, marketMs);
  const cumVolume = secondOfDay * SHARES_PER_SECOND;
  return {
    cumVolume,
    cumValue: cumVolume * instrument.basePrice,
    sellVolume: Math.floor(cumVolume * 0.48),
    buyVolume: Math.floor(cumVolume * 0.47),
    sellCount: secondOfDay * PRINTS_PER_SECOND,
    buyCount: secondOfDay * PRINTS_PER_SECOND,
  };
}
