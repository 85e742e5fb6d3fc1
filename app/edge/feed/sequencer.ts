// Between decoder and outbox: gives every record of an account its place in capture order, every trade
// its chain, and takes out what must not be stored as today's market: a broker's last word of an
// earlier day, stamps from the future, symbols this account was not assigned. Pure: no clock, no I/O;
// the time is in the record. One instance per account and process, fed in the order of the socket.
import type { MarketClock } from "../../shared/market-clock.ts";
import { venueDay } from "../../shared/market-time.ts";
import type { Reject, RejectCode, Session, Tick, Trade, Venue } from "../../shared/tick.ts";
import type { Registration } from "./feed.ts";

/** The last stored trade of one symbol, as the lease's grant tells it. */
export interface Position {
  symbol: string;
  venue: Venue;
  day: number;
  chain: number;
  seq: number;
  price: number;
  exchangeMs: number;
  /** Where they are known. */
  size?: number;
  session?: Session;
}

export interface SequencerOptions {
  market: MarketClock;
  /** How far a stamp may lie ahead of the market clock. */
  aheadMsMax?: number;
  /** How far a stamp's day may lag at midnight. */
  midnightMsMax?: number;
}

/**
 * A stamp further ahead than this is an earlier day's: the brokers send times without a date, and
 * 15:30:00 read at 09:00 was yesterday's. Wide on purpose. Exchange and edge differ by up to 5 s, an edge
 * whose clock has slipped by a minute must not put a whole day into quarantine, and a stale frame that
 * falls into the two minutes is still caught by being equal to the last word of the day before.
 */
const AHEAD_MS_MAX = 120_000;
/** A trade of 23:59:59 may be read after midnight. */
const MIDNIGHT_MS_MAX = 300_000;

/** The last trade of a symbol. What a stored position does not tell is undefined. */
interface Last {
  day: number;
  chain: number;
  seq: number;
  price: number;
  size: number | undefined;
  exchangeMs: number;
  session: Session;
  /** Where the chain before stood, as long as nothing has borne out the reset that began this one. */
  before: { chain: number; seq: number } | undefined;
}

interface Slot {
  isTradeAssigned: boolean;
  isBookAssigned: boolean;
  /** Nothing has come since the trades of this symbol were registered. */
  isFresh: boolean;
  last: Last | undefined;
}

export class Sequencer {
  readonly #market: MarketClock;
  readonly #aheadMsMax: number;
  readonly #midnightMsMax: number;
  readonly #venues = new Map<Venue, Map<string, Slot>>();
  #capture = 0;

  constructor(options: SequencerOptions) {
    this.#market = options.market;
    this.#aheadMsMax = options.aheadMsMax ?? AHEAD_MS_MAX;
    this.#midnightMsMax = options.midnightMsMax ?? MIDNIGHT_MS_MAX;
  }

  /**
   * Sets what the account may deliver. `positions` count where nothing newer was seen here. Memory is
   * bounded by the symbols ever assigned to this process.
   */
  assign(registrations: readonly Registration[], positions: readonly Position[] = []): void {
    for (const slots of this.#venues.values()) {
      for (const slot of slots.values()) slot.isTradeAssigned = slot.isBookAssigned = false;
    }
    for (const { venue, symbol, channel } of registrations) {
      const slot = this.#slot(venue, symbol);
      if (channel === "trade") slot.isTradeAssigned = true;
      if (channel === "book") slot.isBookAssigned = true;
    }
    for (const position of positions) {
      const slot = this.#venues.get(position.venue)?.get(position.symbol);
      if (slot && isNewer(position, slot.last)) slot.last = lastOf(position);
    }
  }

  /** A registration goes out: its first trade may be a repetition of an earlier day's last. */
  registering({ venue, symbol, channel }: Registration): void {
    const slot = this.#venues.get(venue)?.get(symbol);
    if (slot && channel === "trade") slot.isFresh = true;
  }

  /** Stamps `tick` in place and returns it, or the reject it becomes. */
  accept(tick: Tick): Tick | Reject {
    tick.capture = ++this.#capture;
    const marketMs = this.#market(tick.edgeRecvMs);
    if (tick.exchangeMs > marketMs + this.#aheadMsMax) {
      const aheadMs = Math.round(tick.exchangeMs - marketMs);
      return rejectOf(tick, "STALE_DAY", `stamped ${aheadMs} ms ahead of the market clock`);
    }
    // VI and market clock come for the whole market, whatever was assigned.
    if (tick.kind === "status") return tick;
    const slot = this.#venues.get(tick.venue)?.get(tick.symbol);
    const isAssigned = tick.kind === "trade" ? slot?.isTradeAssigned : slot?.isBookAssigned;
    if (!slot || !isAssigned) {
      const reason = `${tick.venue} ${tick.symbol} ${tick.kind} is not this account's`;
      return rejectOf(tick, "OUTSIDE_ASSIGNMENT", reason);
    }
    return tick.kind === "trade" ? this.#acceptTrade(tick, slot, marketMs) : tick;
  }

  /** The reject that a record becomes which was read without the lease: kept, but not as the market's. */
  outsideLease(tick: Tick, reason: string): Reject {
    tick.capture = ++this.#capture;
    return rejectOf(tick, "OUTSIDE_LEASE", reason);
  }

  /** Gives a decoder's reject its place in the order. */
  stamp(reject: Reject): Reject {
    reject.capture = ++this.#capture;
    return reject;
  }

  #acceptTrade(trade: Trade, slot: Slot, marketMs: number): Tick | Reject {
    const { isFresh, last } = slot;
    const { venue, day } = trade;
    if (!this.#isToday(venue, day, marketMs)) {
      return rejectOf(trade, "STALE_DAY", `day ${day} is not the market's`);
    }
    if (isFresh && last && isRepeatOfEarlierDay(trade, last)) {
      return rejectOf(trade, "STALE_DAY", `repeats the last trade of ${last.day}`);
    }
    slot.isFresh = false;
    // A straggler of the evening does not set back a symbol whose next day has begun.
    if (last && day < last.day && this.#isToday(venue, last.day, marketMs)) return trade;
    slot.last = follow(trade, last);
    trade.chain = slot.last.chain;
    return trade;
  }

  #isToday(venue: Venue, day: number, marketMs: number): boolean {
    return (
      day === venueDay(venue, marketMs) ||
      day === venueDay(venue, marketMs - this.#midnightMsMax) ||
      day === venueDay(venue, marketMs + this.#aheadMsMax)
    );
  }

  #slot(venue: Venue, symbol: string): Slot {
    let slots = this.#venues.get(venue);
    if (!slots) {
      slots = new Map<string, Slot>();
      this.#venues.set(venue, slots);
    }
    let slot = slots.get(symbol);
    if (!slot) {
      slot = { isTradeAssigned: false, isBookAssigned: false, isFresh: true, last: undefined };
      slots.set(symbol, slot);
    }
    return slot;
  }
}

/** The state after `trade`. Its chain is the trade's chain. */
function follow(trade: Trade, last: Last | undefined): Last {
  const { day, seq, price, size, exchangeMs, session } = trade;
  const now = { day, seq, price, size, exchangeMs, session, chain: 0, before: undefined };
  if (last?.day !== day) return now;
  if (last.before && continues(trade, last.before.seq) && !continues(trade, last.seq)) {
    // The old count goes on: what looked like a reset was an old record, sent again.
    return { ...now, chain: last.before.chain };
  }
  if (isReset(trade, last)) {
    return { ...now, chain: last.chain + 1, before: { chain: last.chain, seq: last.seq } };
  }
  const before = continues(trade, last.seq) ? undefined : last.before;
  // A late or repeated record does not set the count back.
  if (seq < last.seq) return { ...last, before };
  return { ...now, chain: last.chain, before };
}

/**
 * A mere fall is a repetition, and so is a fall with an older stamp, whatever it counts from; it takes a
 * count from zero, or the next session, to make it a reset.
 */
function isReset(trade: Trade, last: Last): boolean {
  if (trade.seq >= last.seq || trade.exchangeMs < last.exchangeMs) return false;
  return trade.seq === trade.size || isLaterSession(trade.session, last.session);
}

function continues(trade: Trade, seq: number): boolean {
  return trade.seq - trade.size === seq;
}

/** Place in the day of sessions 0–5 (tick.ts): closing price (5) comes before the after-market (3). */
const SESSION_ORDER = [0, 1, 2, 4, 0, 3];

function isLaterSession(session: Session, before: Session): boolean {
  const order = SESSION_ORDER[before] ?? 0;
  return order > 0 && (SESSION_ORDER[session] ?? 0) > order;
}

/** Brokers whose records have no date stamp an old one with today's: then seq, price and size give it away. */
function isRepeatOfEarlierDay(trade: Trade, last: Last): boolean {
  return (
    last.day < trade.day &&
    last.seq === trade.seq &&
    last.price === trade.price &&
    (last.size === undefined || last.size === trade.size)
  );
}

function isNewer(position: Position, last: Last | undefined): boolean {
  if (!last || position.day !== last.day) return !last || position.day > last.day;
  if (position.chain !== last.chain) return position.chain > last.chain;
  return position.seq > last.seq;
}

function lastOf({ day, chain, seq, price, exchangeMs, size, session = 0 }: Position): Last {
  return { day, chain, seq, price, size, exchangeMs, session, before: undefined };
}

/** The record as JSON bytes: what it was read from is not at hand here. */
function rejectOf(tick: Tick, code: RejectCode, reason: string): Reject {
  const plain = tick.kind === "book" ? { ...tick, levels: [...tick.levels] } : tick;
  const bytes = Buffer.from(JSON.stringify(plain));
  return {
    kind: "reject",
    code,
    reason,
    bytes,
    edgeRecvMs: tick.edgeRecvMs,
    capture: tick.capture,
  };
}
