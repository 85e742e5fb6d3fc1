// A feed without a broker: the simulator's market straight to the edge's collector, at the pace of the
// edge's clock. Keeps its own count of what it handed on, which is what SQL has to find.
import { setImmediate as turn } from "node:timers/promises";
import { venueDay } from "../../../app/shared/market-time.ts";
import type { Book, Trade } from "../../../app/shared/tick.ts";
import type { Feed, FeedSink, FeedState, Registration } from "../../../app/edge/feed/feed.ts";
import type { MarketBook, MarketEvent, MarketTrade } from "../../../app/sim/market/event.ts";
import { generateMarket } from "../../../app/sim/market/generator.ts";
import type { SkippingClock } from "./skipping-clock.ts";

/** Of one symbol; each figure is a count or a sum that SQL can make too. */
export interface Made {
  trades: number;
  /** Sum of the trades' sizes. */
  size: number;
  seqMax: number;
  books: number;
  /** Sum of both sides' totals over all books. */
  totals: number;
}

/** The name of its one socket. */
const LINE = "market";
const BEAT_MS = 20;
/** How long fast-forwarding keeps the process to itself before sockets and timers have their turn. */
const TURN_MS = 10;
const SECOND_MS = 1_000;

export interface MarketFeedOptions {
  source: string;
  seed: number;
  updatesPerSecond: number;
  symbols: number;
  clock: SkippingClock;
  sink: FeedSink;
}

export class MarketFeed implements Feed {
  readonly source: string;
  readonly made = new Map<string, Made>();
  readonly #options: MarketFeedOptions;
  readonly #events: Generator<MarketEvent, void>;
  #next: MarketEvent | undefined;
  #state: FeedState = { name: "idle" };
  #beat: NodeJS.Timeout | undefined;
  #isSkipping = false;
  #lastFrameMs = 0;

  constructor(options: MarketFeedOptions) {
    const { source, seed, updatesPerSecond, symbols, clock } = options;
    this.source = source;
    this.#options = options;
    this.#events = generateMarket({
      ...{ seed, ratePerSecond: updatesPerSecond, symbols, us: false, openingMs: 0 },
    }).play(clock.nowMs());
  }

  /** What happened while nobody listened is not told afterwards. */
  start(plan: readonly Registration[]): void {
    const sinceMs = this.#options.clock.nowMs();
    this.#skipTo(sinceMs);
    this.#state = { name: "live", sinceMs, registrations: plan.length };
    this.#options.sink.moved?.(LINE, "live", null);
    this.#beat = setInterval(() => {
      if (!this.#isSkipping) this.#pump();
    }, BEAT_MS);
  }

  replan(plan: readonly Registration[]): void {
    if (this.#state.name === "live") this.#state = { ...this.#state, registrations: plan.length };
  }

  stop(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  destroy(): void {
    clearInterval(this.#beat);
    this.#state = { name: "idle" };
    this.#options.sink.moved?.(LINE, "unplanned", null);
  }

  state(): FeedState {
    return this.#state;
  }

  lastFrameMs(): number {
    return this.#lastFrameMs;
  }

  /** Lets `ms` of market pass as fast as the edge takes it. */
  async fastForward(ms: number): Promise<void> {
    const { clock } = this.#options;
    this.#isSkipping = true;
    let turnMs = performance.now();
    for (let passedMs = 0; passedMs < ms; passedMs += BEAT_MS) {
      clock.skip(BEAT_MS);
      this.#pump();
      if (performance.now() - turnMs < TURN_MS) continue;
      await turn();
      turnMs = performance.now();
    }
    this.#isSkipping = false;
  }

  /** Hands on what is due. */
  #pump(): void {
    if (this.#state.name !== "live") return;
    const nowMs = this.#options.clock.nowMs();
    const ticks: (Trade | Book)[] = [];
    for (;;) {
      this.#next ??= this.#events.next().value ?? undefined;
      if (!this.#next || this.#next.marketMs > nowMs) break;
      if (this.#next.kind === "trade") ticks.push(tradeOf(this.#next, nowMs));
      if (this.#next.kind === "book") ticks.push(bookOf(this.#next, nowMs));
      this.#next = undefined;
    }
    for (const tick of ticks) this.#count(tick);
    this.#lastFrameMs = nowMs;
    this.#options.sink.ticks(ticks);
    this.#options.sink.heard?.(LINE, nowMs);
  }

  #skipTo(nowMs: number): void {
    for (;;) {
      this.#next ??= this.#events.next().value ?? undefined;
      if (!this.#next || this.#next.marketMs >= nowMs) return;
      this.#next = undefined;
    }
  }

  #count(tick: Trade | Book): void {
    let made = this.made.get(tick.symbol);
    if (!made) {
      made = { trades: 0, size: 0, seqMax: 0, books: 0, totals: 0 };
      this.made.set(tick.symbol, made);
    }
    if (tick.kind === "trade") {
      made.trades++;
      made.size += tick.size;
      made.seqMax = Math.max(made.seqMax, tick.seq);
    } else {
      made.books++;
      made.totals += tick.askTotal + tick.bidTotal;
    }
  }
}

function stampOf(event: MarketTrade | MarketBook, edgeRecvMs: number) {
  return {
    symbol: event.instrument.code,
    venue: "KRX",
    exchangeMs: Math.floor(event.marketMs / SECOND_MS) * SECOND_MS,
    day: venueDay("KRX", event.marketMs),
    edgeRecvMs,
    capture: 0,
    extra: null,
  };
}

function tradeOf(event: MarketTrade, edgeRecvMs: number): Trade {
  const { price, size, side, ask, bid, cumVolume, sellCount, buyCount } = event;
  return {
    kind: "trade",
    ...stampOf(event, edgeRecvMs),
    ...{ chain: 0, seq: cumVolume, price, size, side, session: 2, ask, bid, sellCount, buyCount },
  };
}

function bookOf(event: MarketBook, edgeRecvMs: number): Book {
  const { asks, bids, askTotal, bidTotal, expectedPrice, expectedSize, phase, cumVolume } = event;
  const levels = new Float64Array(40);
  for (let i = 0; i < 10; i++) {
    levels[i] = asks[i]?.price ?? 0;
    levels[10 + i] = asks[i]?.size ?? 0;
    levels[20 + i] = bids[i]?.price ?? 0;
    levels[30 + i] = bids[i]?.size ?? 0;
  }
  return {
    kind: "book",
    ...stampOf(event, edgeRecvMs),
    ...{ levels, askTotal, bidTotal, expectedPrice, expectedSize, phase, seq: cumVolume },
  };
}
