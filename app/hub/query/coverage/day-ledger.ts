// One source's trading day in memory: the runs of each symbol, and everything else that is known of the day.
// Stands between the tables and the timeline; the keeper and `tickhub verify` fill it from SQL and read the
// same intervals out of it. Pure.
import { venueDay } from "../../../shared/market-time.ts";
import type { Venue } from "../../../shared/tick.ts";
import type { StatusNews } from "./expected.ts";
import { expectedSpans, quietSpans, spanOfDay } from "./expected.ts";
import type { FeedLife, Outage, SessionLife } from "./feed-life.ts";
import { lifeOf } from "./feed-life.ts";
import type { Gap } from "./gap-row.ts";
import type { RunTrade } from "./runs.ts";
import { Runs } from "./runs.ts";
import type { Span } from "./spans.ts";
import { clip, union } from "./spans.ts";
import type { ChannelEvidence, Figure, Interval, Loss, TradeEvidence } from "./timeline.ts";
import { bookTimeline, tradeTimeline } from "./timeline.ts";

export type Channel = "trade" | "book";

/** A row of the table. */
export interface GapRow extends Gap {
  id: number;
  venue: Venue;
  symbol: string;
  channel: Channel;
  refilledRows: number;
}

export interface ChannelLoss extends Loss {
  channel: Channel;
}

/** What is known of a source's day beside its trades. */
export interface DayFacts {
  sessions: readonly SessionLife[];
  recorded: readonly Span[];
  losses: readonly ChannelLoss[];
  /** By `venue/symbol`. */
  figures: ReadonlyMap<string, Figure>;
  news: ReadonlyMap<string, readonly StatusNews[]>;
}

export interface LedgerTrade extends RunTrade {
  venue: Venue;
  symbol: string;
  chain: number;
}

/** One symbol of the day. */
export class SymbolLedger {
  readonly venue: Venue;
  readonly symbol: string;
  readonly channels = new Set<Channel>();
  readonly #chains: Runs[] = [];

  constructor(venue: Venue, symbol: string) {
    this.venue = venue;
    this.symbol = symbol;
  }

  add(trade: LedgerTrade): void {
    this.channels.add("trade");
    (this.#chains[trade.chain] ??= new Runs()).add(trade);
  }

  chains(): TradeEvidence["chains"] {
    return [...this.#chains.entries()].flatMap(([chain, runs]) =>
      (runs as Runs | undefined)?.runs.length
        ? [{ chain, runs: runs.runs, holes: runs.holes(), conflicts: runs.conflicts() }]
        : [],
    );
  }

  /** Whether a run reaches into this time. */
  tradedIn(fromMs: number, toMs: number): boolean {
    return this.#chains.some(({ runs }) =>
      runs.some((run) => run.firstMs <= toMs && run.lastMs >= fromMs),
    );
  }

  /** Exchange time of its last trade; before every time without one. */
  lastMs(): number {
    return this.#chains.at(-1)?.runs.at(-1)?.lastMs ?? Number.NEGATIVE_INFINITY;
  }
}

/** Trades this short before an outage say that the market was on, whatever the calendar says. */
const LIVELY_MS = 60_000;

export class DayLedger {
  readonly source: string;
  /** YYYYMMDD. */
  readonly day: number;
  readonly symbols = new Map<string, SymbolLedger>();
  readonly #gaps = new Map<string, Map<number, GapRow>>();
  readonly #expected = new Map<Venue, Span[]>();
  facts: DayFacts = {
    sessions: [],
    recorded: [],
    losses: [],
    figures: new Map(),
    news: new Map(),
  };
  #last: SymbolLedger | undefined;

  constructor(source: string, day: number) {
    this.source = source;
    this.day = day;
  }

  symbol(venue: Venue, symbol: string): SymbolLedger {
    if (this.#last?.symbol === symbol && this.#last.venue === venue) return this.#last;
    const key = keyOf(venue, symbol);
    let ledger = this.symbols.get(key);
    if (!ledger) this.symbols.set(key, (ledger = new SymbolLedger(venue, symbol)));
    this.#last = ledger;
    return ledger;
  }

  add(trade: LedgerTrade): SymbolLedger {
    const ledger = this.symbol(trade.venue, trade.symbol);
    ledger.add(trade);
    return ledger;
  }

  /** The life of the source's feed, as far as it touches the venue's day. */
  life(venue: Venue, nowMs: number): FeedLife {
    const day = spanOfDay(venue, this.day);
    const life = lifeOf(this.facts.sessions, nowMs, (ms) => venueDay(venue, ms));
    return {
      alive: clip(union([...life.alive, ...this.facts.recorded]), day),
      outages: clip(life.outages, day),
    };
  }

  /** Whether anybody collected on this day, so that what was assigned should be in it. */
  isCollected(venue: Venue, nowMs: number): boolean {
    const { alive, outages } = this.life(venue, nowMs);
    return alive.length + outages.length > 0;
  }

  /** Whether trades of any symbol came shortly before the outage. */
  isLively({ fromMs }: Outage): boolean {
    for (const ledger of this.symbols.values()) {
      if (ledger.tradedIn(fromMs - LIVELY_MS, fromMs)) return true;
    }
    return false;
  }

  setGap(row: GapRow): void {
    const key = `${row.channel}/${keyOf(row.venue, row.symbol)}`;
    const rows = this.#gaps.get(key) ?? new Map<number, GapRow>();
    this.#gaps.set(key, rows.set(row.id, row));
  }

  /** Removes it and returns what it was. */
  takeGap(id: number): GapRow | undefined {
    const row = this.gap(id);
    if (row) this.#gaps.get(`${row.channel}/${keyOf(row.venue, row.symbol)}`)?.delete(id);
    return row;
  }

  /** In the order in which they were declared. */
  gapsOf({ venue, symbol }: SymbolLedger, channel: Channel): GapRow[] {
    return [...(this.#gaps.get(`${channel}/${keyOf(venue, symbol)}`)?.values() ?? [])];
  }

  gap(id: number): GapRow | undefined {
    return this.gaps().find((row) => row.id === id);
  }

  gaps(): GapRow[] {
    return [...this.#gaps.values()].flatMap((rows) => [...rows.values()]);
  }

  expected(venue: Venue): Span[] {
    let spans = this.#expected.get(venue);
    if (!spans) this.#expected.set(venue, (spans = expectedSpans(venue, this.day)));
    return spans;
  }

  tradeEvidence(ledger: SymbolLedger, nowMs: number, life?: FeedLife): TradeEvidence {
    const { venue, symbol } = ledger;
    const key = keyOf(venue, symbol);
    const channel = this.#channelEvidence(ledger, "trade", nowMs, life);
    const news = this.facts.news.get(key) ?? [];
    return {
      ...channel,
      chains: ledger.chains(),
      figure: this.facts.figures.get(key) ?? null,
      recorded: this.facts.recorded,
      quiet: quietSpans(news, channel.day.toMs, ledger.lastMs()),
    };
  }

  bookEvidence(ledger: SymbolLedger, nowMs: number, life?: FeedLife): ChannelEvidence {
    return this.#channelEvidence(ledger, "book", nowMs, life);
  }

  intervals(ledger: SymbolLedger, channel: Channel, nowMs: number, life?: FeedLife): Interval[] {
    return channel === "trade"
      ? tradeTimeline(this.tradeEvidence(ledger, nowMs, life))
      : bookTimeline(this.bookEvidence(ledger, nowMs, life));
  }

  #channelEvidence(
    ledger: SymbolLedger,
    channel: Channel,
    nowMs: number,
    life = this.life(ledger.venue, nowMs),
  ): ChannelEvidence {
    const day = spanOfDay(ledger.venue, this.day);
    const losses = this.facts.losses.filter((loss) => loss.channel === channel);
    return {
      day,
      expected: this.expected(ledger.venue),
      ...life,
      losses: clip(losses, day),
      gaps: this.gapsOf(ledger, channel),
    };
  }
}

export function keyOf(venue: Venue, symbol: string): string {
  return `${venue}/${symbol}`;
}
