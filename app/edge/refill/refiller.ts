// Asks the broker's REST for what the socket did not bring: takes the gaps that the hub hands to this
// account, one at a time, sends what the broker shows of each through the outbox's lane for it, and tells
// the hub what was found once those rows are settled. Promises: asks only while the lease is held; sends no
// trade outside its gap; ends with every gap in bounded time. Remembers nothing: what is not answered is
// handed out again.
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import type { Refill, RefillAnswer } from "../../shared/gateway-protocol.ts";
import { marketNow } from "../../shared/market-clock.ts";
import type { MarketClock } from "../../shared/market-clock.ts";
import { NO_COUNT } from "../../shared/tick.ts";
import type { Ledger, Trade } from "../../shared/tick.ts";
import type { History, Past, PastTrade } from "../feed/history.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { clipToGap } from "./clip.ts";

export interface RefillerOptions {
  account: string;
  history: History;
  outbox: Outbox;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
  /** For asking about one gap; the hub hands a gap out again after a minute. */
  askMsMax?: number;
  /** For its rows to be settled. */
  settleMsMax?: number;
}

const ASK_MS_MAX = 40_000;
const SETTLE_MS_MAX = 60_000;
const SETTLE_LOOK_MS = 50;
/** Of one answer: what a gap has beyond is asked for again. */
const TRADES_MAX = 20_000;
/** Gaps waiting, and answers the hub has not confirmed: what one status may carry. */
const WAITING_MAX = 64;

/** What is known of a gap after asking, before its rows are settled. */
interface Found extends Omit<RefillAnswer, "id" | "rows"> {
  trades: readonly PastTrade[];
  requests: number;
}

export class Refiller {
  readonly #options: RefillerOptions;
  /** Of the lease; null while it is not held. */
  #epoch: number | null = null;
  #waiting: Refill[] = [];
  #current: Refill | null = null;
  #answers: RefillAnswer[] = [];
  #capture = 0;

  constructor(options: RefillerOptions) {
    this.#options = options;
  }

  /** The lease is held under `epoch`, or not any more: then whatever is under way is dropped. */
  hold(epoch: number | null): void {
    this.#epoch = epoch;
    if (epoch === null) this.#waiting = [];
  }

  /** Takes gaps that the hub hands out. Those it has already, it has once. */
  take(gaps: readonly Refill[]): void {
    for (const gap of gaps) {
      const isKnown = [this.#current, ...this.#waiting, ...this.#answers].some(
        (one) => one?.id === gap.id,
      );
      if (!isKnown && this.#waiting.length < WAITING_MAX) this.#waiting.push(gap);
    }
    void this.#work();
  }

  /** Answers that the hub has not confirmed. */
  get answers(): readonly RefillAnswer[] {
    return this.#answers;
  }

  /** The hub has taken these. */
  confirmed(answers: readonly RefillAnswer[]): void {
    this.#answers = this.#answers.filter((answer) => !answers.includes(answer));
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#current) return;
    while (this.#epoch !== null && this.#answers.length < WAITING_MAX) {
      const gap = this.#waiting.shift();
      if (!gap) return;
      this.#current = gap;
      const answer = await this.#refill(gap);
      this.#current = null;
      if (answer) this.#answers = [...this.#answers, answer];
    }
  }

  /** Null when the lease went meanwhile. */
  async #refill(gap: Refill): Promise<RefillAnswer | null> {
    const { account, clock, emit } = this.#options;
    const startMs = clock.monoMs();
    const { trades, requests, ...found } = await this.#find(gap);
    const epoch = this.#epoch;
    if (epoch === null) return null;
    const before = this.#ledger();
    for (const trade of trades) this.#push(gap, trade, epoch);
    const outcome = await this.#settled(found.outcome, before, trades.length);
    if (this.#isLost()) return null;
    const { kind, symbol } = gap;
    const tookMs = Math.round(clock.monoMs() - startMs);
    const rows = trades.length;
    emit({ event: "gap_answered", source: account, kind, symbol, outcome, rows, requests, tookMs });
    return { id: gap.id, ...found, outcome, rows };
  }

  async #find(gap: Refill): Promise<Found> {
    const { history, clock, market, askMsMax = ASK_MS_MAX } = this.#options;
    const { venue, symbol, day, kind, fromMs, toMs, seqFrom } = gap;
    const askedMs = marketNow(market, clock);
    const overMs = clock.monoMs() + askMsMax;
    const isLate = (trades: number) => clock.monoMs() >= overMs || trades >= TRADES_MAX;
    const nothing = { trades: [], requests: 0, seqFirst: null, seqFinal: null, askedMs };
    let past: Past | null;
    const limit = { isMet: false };
    try {
      const wanted = { venue, symbol, day, untilMs: toMs, fromMs: kind === "head" ? null : fromMs };
      past = await history.past({ ...wanted, seqFrom }, (trades) => {
        limit.isMet ||= isLate(trades);
        return limit.isMet || this.#isLost();
      });
    } catch (error) {
      if (!(error instanceof TickhubError)) throw error;
      return { ...nothing, outcome: "failed", detail: codeOf(error) };
    }
    if (!past) {
      return { ...nothing, outcome: "missing", detail: "the broker keeps no list of that day" };
    }
    const { unknownShares, ...clipped } = clipToGap(gap, past);
    const found = { ...clipped, requests: past.requests, askedMs };
    if (limit.isMet && clipped.outcome !== "filled") {
      return { ...found, outcome: "failed", detail: "asking took too long" };
    }
    const detail = unknownShares > 0 ? `shares not shown: ${unknownShares}` : null;
    return { ...found, detail };
  }

  #push({ venue, symbol, day, chain }: Refill, past: PastTrade, epoch: number): void {
    const { account, outbox, clock } = this.#options;
    const trade: Trade = {
      kind: "trade",
      ...{ symbol, venue, day, chain, ...past },
      edgeRecvMs: clock.nowMs(),
      capture: ++this.#capture,
      extra: null,
      session: 0,
      sellCount: NO_COUNT,
      buyCount: NO_COUNT,
    };
    outbox.pushBackfill(account, epoch, trade, clock.monoMs());
  }

  /** Waits for the hub's verdict on `rows` rows; what it makes of the outcome. */
  async #settled(
    outcome: RefillAnswer["outcome"],
    before: Ledger,
    rows: number,
  ): Promise<RefillAnswer["outcome"]> {
    const { clock, settleMsMax = SETTLE_MS_MAX } = this.#options;
    const overMs = clock.monoMs() + settleMsMax;
    const settledOf = ({ received, held }: Ledger) => received - held;
    // What an earlier gap left unsettled goes first and counts as well: the wait is longer, never shorter.
    const wanted = settledOf(before) + before.held + rows;
    while (settledOf(this.#ledger()) < wanted) {
      if (this.#isLost() || clock.monoMs() >= overMs) return "failed";
      await sleep(clock, SETTLE_LOOK_MS);
    }
    const now = this.#ledger();
    if (now.lost > before.lost) return "failed";
    return now.quarantined > before.quarantined && outcome === "filled" ? "partial" : outcome;
  }

  #isLost(): boolean {
    return this.#epoch === null;
  }

  #ledger(): Ledger {
    return this.#options.outbox.ledgerOf(this.#options.account, "backfill");
  }
}
