// When an account's feed was alive, as its edge tells the hub: one session from the moment in which all it
// has planned is registered until the first of its sockets is gone. Stands beside the feed, not on the
// tick's path. Pure: market time is an argument. Promises never to claim life where there was none; what it
// cannot tell for want of room it leaves out.
import type { FeedSession } from "../../shared/gateway-protocol.ts";
import type { LineState } from "./feed.ts";

/** What fits into an account's status, beside the session that is open. */
const CLOSED_MAX = 63;

interface Line {
  state: LineState;
  /** The last frame over it. */
  heardMs: number;
}

/**
 *   none --every planned line live--> open --a line gone, or nothing planned, or `end`--> none
 * A broker with two sockets (Kiwoom: domestic, us) is alive while both are: a session cannot say which.
 * A registration that comes or goes on a socket that stays is no end.
 */
export class SessionLog {
  readonly #lines = new Map<string, Line>();
  #open: FeedSession | null = null;
  /** Oldest first; those of which the hub has not confirmed the end. */
  readonly #closed: FeedSession[] = [];
  #lastNo = 0;
  /** Ended from outside although the sockets live: nothing opens before one of them is gone. */
  #isEnded = false;

  /** A line moved. `code` says why a socket is gone. */
  moved(name: string, to: LineState, marketMs: number, code: string | null): void {
    const line = this.#lines.get(name) ?? { state: "unplanned", heardMs: marketMs };
    this.#lines.set(name, line);
    if (to === "live" && line.state !== "live") line.heardMs = marketMs;
    if (to !== "live") this.#isEnded = false;
    line.state = to;
    if (!this.#isAlive()) this.#close(marketMs, code);
    else if (this.#open === null && !this.#isEnded) this.#begin(marketMs);
  }

  /** A frame of any kind came. */
  heard(name: string, marketMs: number): void {
    const line = this.#lines.get(name);
    if (line === undefined) return;
    line.heardMs = Math.max(line.heardMs, marketMs);
    if (this.#open === null) return;
    let allMs = Infinity;
    for (const { state, heardMs } of this.#lines.values()) {
      if (state === "live") allMs = Math.min(allMs, heardMs);
    }
    this.#open.heardMs = Math.max(this.#open.heardMs, allMs);
  }

  /**
   * Whatever the sockets do, what they bring counts no longer; from `sinceMs` on, by default from the last
   * frame on, it has not counted either.
   */
  end(code: string, sinceMs = Infinity): void {
    if (this.#open === null) return;
    const { fromMs, heardMs } = this.#open;
    this.#open.heardMs = Math.max(fromMs, Math.min(heardMs, sinceMs));
    this.#close(this.#open.heardMs, code);
    this.#isEnded = true;
  }

  /** What the hub has to hear, oldest first: what is closed and not confirmed, and what is open. */
  told(): FeedSession[] {
    const open = this.#open === null ? [] : [{ ...this.#open }];
    return [...this.#closed, ...open];
  }

  /** The hub has stored `told`: what was closed in it need not be said again. */
  confirm(told: readonly FeedSession[]): void {
    const ended = new Set(told.filter(({ toMs }) => toMs !== null).map(({ no }) => no));
    const left = this.#closed.filter(({ no }) => !ended.has(no));
    this.#closed.splice(0, Infinity, ...left);
  }

  #begin(fromMs: number): void {
    this.#lastNo += 1;
    this.#open = { no: this.#lastNo, fromMs, heardMs: fromMs, toMs: null, code: null };
  }

  #close(marketMs: number, code: string | null): void {
    if (this.#open === null) return;
    const toMs = Math.max(marketMs, this.#open.heardMs);
    this.#closed.push({ ...this.#open, toMs, code });
    this.#open = null;
    if (this.#closed.length > CLOSED_MAX) this.#closed.splice(shortest(this.#closed), 1);
  }

  #isAlive(): boolean {
    const states = [...this.#lines.values()].map(({ state }) => state);
    return states.includes("live") && !states.includes("away");
  }
}

/** Where the session stands that proves the least. */
function shortest(sessions: readonly FeedSession[]): number {
  const lives = sessions.map(({ fromMs, heardMs }) => heardMs - fromMs);
  return lives.indexOf(Math.min(...lives));
}
