// A day that the keeper holds in memory: its ledger, what the table `coverage` says of it, and what may have
// changed since. Decides nothing about gaps (judge.ts) and writes nothing (changes.ts); it knows which
// symbols to look at again.
import type pg from "pg";
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { Channel, ChannelLoss, GapRow, LedgerTrade, SymbolLedger } from "./day-ledger.ts";
import { DayLedger, keyOf } from "./day-ledger.ts";
import * as evidence from "./evidence.ts";
import type { AssignedChannel, Queryable, StoredInterval } from "./evidence.ts";
import type { SessionLife } from "./feed-life.ts";
import type { Span } from "./spans.ts";
import type { Missing } from "./timeline.ts";

/** Missing volume is declared when it has been seen for so long: records overtake each other. */
const PERSIST_MS = 2_000;

export class OpenDay {
  readonly ledger: DayLedger;
  /** Rows it was loaded from. */
  readonly trades: number;
  /** By channel/venue/symbol, as the table has it. */
  readonly written: Map<string, StoredInterval[]>;
  /** Symbols whose trades or gaps have changed. */
  readonly dirty = new Set<SymbolLedger>();
  /** When it was last needed; monotonic. */
  usedMs = 0;
  /** When all of it was last looked at; monotonic. */
  lookedMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<SymbolLedger>();
  readonly #seen = new Map<string, number>();
  readonly #lastStored = new Map<string, Record<Channel, number | null>>();
  #shape = "";

  private constructor(ledger: DayLedger, trades: number, written: Map<string, StoredInterval[]>) {
    this.ledger = ledger;
    this.trades = trades;
    this.written = written;
  }

  /** Reads the whole day. */
  static async load(pool: pg.Pool, source: string, day: number): Promise<OpenDay> {
    const ledger = new DayLedger(source, day);
    const trades = await evidence.readDayTrades(pool, source, day, (trade) => ledger.add(trade));
    const stored = await evidence.readStored(pool, source, day);
    const written = Map.groupBy(stored, ({ channel, venue, symbol }) =>
      placeKey(channel, venue, symbol),
    );
    for (const { venue, symbol, channel } of stored) {
      ledger.symbol(venue, symbol).channels.add(channel);
    }
    for (const row of await evidence.readGaps(pool, source, day)) ledger.setGap(row);
    const open = new OpenDay(ledger, trades, written);
    for (const symbol of ledger.symbols.values()) open.dirty.add(symbol);
    return open;
  }

  add(trade: LedgerTrade): void {
    this.dirty.add(this.ledger.add(trade));
  }

  /** What was assigned belongs to the day if anybody collected. */
  adopt(assigned: readonly AssignedChannel[], nowMs: number): void {
    for (const { source, venue, symbol, channel } of assigned) {
      if (source !== this.ledger.source || !isChannel(channel)) continue;
      if (!this.ledger.isCollected(venue, nowMs)) continue;
      const ledger = this.ledger.symbol(venue, symbol);
      if (ledger.channels.has(channel)) continue;
      ledger.channels.add(channel);
      this.dirty.add(ledger);
    }
  }

  /** Takes the feed's life; everything is to be looked at again when it took a turn. */
  hear(sessions: readonly SessionLife[], recorded: readonly Span[]): void {
    const shape = JSON.stringify([
      sessions.map(({ holder, fromMs, toMs, code }) => [holder, fromMs, toMs, code]),
      recorded,
    ]);
    if (shape !== this.#shape) this.lookedMs = Number.NEGATIVE_INFINITY;
    this.#shape = shape;
    this.ledger.facts = { ...this.ledger.facts, sessions, recorded };
  }

  /** The slower facts: figures, losses, halts and VI. */
  async refresh(db: Queryable, market: MarketClock): Promise<void> {
    const { ledger } = this;
    const { source, day } = ledger;
    const figures = await evidence.readFigures(db, source, day);
    const losses = inMarketTime(await evidence.readLosses(db, source), market);
    const symbols = [...new Set([...ledger.symbols.values()].map(({ symbol }) => symbol))];
    const news = await evidence.readNews(db, source, day, symbols);
    ledger.facts = { ...ledger.facts, figures, losses, news };
  }

  /** Where the processes stopped whose sessions nobody ended. */
  async learnEnds(db: Queryable, market: MarketClock): Promise<void> {
    for (const { holder, toMs } of this.ledger.facts.sessions) {
      if (toMs !== null || this.#lastStored.has(holder)) continue;
      // The last one may be alive: what it stored last is not its end.
      if (this.ledger.facts.sessions.at(-1)?.holder === holder) continue;
      const { trade, book } = await evidence.readLastStored(db, this.ledger.source, holder);
      const at = (ms: number | null) => (ms === null ? null : market(ms));
      this.#lastStored.set(holder, { trade: at(trade), book: at(book) });
    }
  }

  lastStoredMs(holder: string, channel: Channel): number | null {
    return this.#lastStored.get(holder)?.[channel] ?? null;
  }

  /**
   * Whether missing volume has been seen for a while (the first time it is asked, it has not) and is older
   * than what edges may still hold. Where not, the symbol is to be looked at again.
   */
  isDue(symbol: SymbolLedger, missing: Missing, monoMs: number, drainedMs: number): boolean {
    const { kind, chain, seqFrom, seqTo, arrivedMs } = missing;
    const key = [symbol.venue, symbol.symbol, kind, chain, seqFrom, seqTo].join("/");
    const sinceMs = this.#seen.get(key) ?? monoMs;
    if (this.#seen.size > 100_000) this.#seen.clear();
    this.#seen.set(key, sinceMs);
    const isDue = monoMs - sinceMs >= PERSIST_MS && arrivedMs < drainedMs;
    if (!isDue) this.#waiting.add(symbol);
    return isDue;
  }

  /** These were looked at, and what they are is stored. */
  looked(symbols: readonly SymbolLedger[]): void {
    for (const symbol of symbols) this.dirty.delete(symbol);
    for (const symbol of this.#waiting) this.dirty.add(symbol);
    this.#waiting.clear();
  }

  setGap(row: GapRow): void {
    this.ledger.setGap(row);
    const symbol = this.ledger.symbols.get(keyOf(row.venue, row.symbol));
    if (symbol) this.dirty.add(symbol);
  }
}

export function placeKey(channel: string, venue: string, symbol: string): string {
  return `${channel}/${venue}/${symbol}`;
}

function isChannel(channel: string): channel is Channel {
  return channel === "trade" || channel === "book";
}

/** Losses are timed by the edge's clock; in whole seconds, as exchanges count. */
export function inMarketTime(losses: readonly ChannelLoss[], market: MarketClock): ChannelLoss[] {
  return losses.map((loss) => ({
    ...loss,
    fromMs: Math.floor(market(loss.fromMs) / 1_000) * 1_000,
    toMs: Math.floor(market(loss.toMs) / 1_000) * 1_000 + 1_000,
  }));
}
