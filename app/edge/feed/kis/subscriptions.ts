// What is registered in one KIS session, what should be, and which request comes next. Pure: the
// session owns socket and timer, `nowMs` is monotonic. One request is one registration; acks carry no
// request id and are told apart by (tr_id, tr_key).
//   absent --ask--> asked --ok--> held --ask to leave--> asked --ok--> gone
//   asked --"retry"--> resting --> absent; --"drop"--> refused; --"cap"--> absent, and no more room
import type { Registration } from "../feed.ts";
import { isLeaveCode, kisKeyOf } from "./protocol.ts";
import type { KisAction, KisKey } from "./protocol.ts";

type Standing =
  | { name: "absent" }
  | { name: "asked"; join: boolean; deadlineMs: number; sends: number }
  | { name: "resting"; untilMs: number }
  | { name: "held" }
  | { name: "refused" };

interface Entry {
  registration: Registration;
  key: KisKey;
  wanted: boolean;
  retries: number;
  standing: Standing;
}

/** What to do now: send this, wait this long, or give the session up. */
export type Step =
  | { name: "ask"; join: boolean; key: KisKey; registration: Registration }
  | { name: "wait"; delayMs: number }
  | { name: "unanswered"; key: KisKey };

export interface SubscriptionLimits {
  paceMs: number;
  ackTimeoutMs: number;
  retryMs: number;
  sendsMax: number;
  retriesMax: number;
}

export class KisSubscriptions {
  readonly #limits: SubscriptionLimits;
  readonly #entries = new Map<string, Entry>();
  #roomMax: number;
  #isCapMet = false;
  #nextSendMs = -Infinity;

  /** `roomMax`: registrations the broker allows, as far as known. */
  constructor(limits: SubscriptionLimits, roomMax: number) {
    this.#limits = limits;
    this.#roomMax = roomMax;
  }

  /** Sets what should be registered. Returns what KIS has no channel for. */
  plan(registrations: readonly Registration[]): Registration[] {
    for (const entry of this.#entries.values()) entry.wanted = false;
    const unknown: Registration[] = [];
    for (const registration of registrations) {
      const key = kisKeyOf(registration);
      if (!key) {
        unknown.push(registration);
        continue;
      }
      const id = idOf(key);
      const entry = this.#entries.get(id);
      if (entry) entry.wanted = true;
      else {
        const standing: Standing = { name: "absent" };
        this.#entries.set(id, { registration, key, wanted: true, retries: 0, standing });
      }
    }
    this.#sweep();
    return unknown;
  }

  /** The next step. An "ask" counts as sent. */
  next(nowMs: number): Step {
    this.#wake(nowMs);
    const late = this.#find(
      ({ standing }) => standing.name === "asked" && standing.deadlineMs <= nowMs,
    );
    if (late?.standing.name === "asked" && late.standing.sends >= this.#limits.sendsMax) {
      return { name: "unanswered", key: late.key };
    }
    const entry = late ?? this.#leaving() ?? this.#joining();
    if (!entry) return { name: "wait", delayMs: this.#nextDueMs() - nowMs };
    if (nowMs < this.#nextSendMs) return { name: "wait", delayMs: this.#nextSendMs - nowMs };
    this.#nextSendMs = nowMs + this.#limits.paceMs;
    const again = entry.standing.name === "asked" ? entry.standing : undefined;
    const join = again?.join ?? entry.standing.name !== "held";
    const deadlineMs = nowMs + this.#limits.ackTimeoutMs;
    entry.standing = { name: "asked", join, deadlineMs, sends: (again?.sends ?? 0) + 1 };
    return { name: "ask", join, key: entry.key, registration: entry.registration };
  }

  /**
   * An answer came. Returns the registration that is given up because of it, if any; answers to
   * nothing we asked (a late second ack) change nothing.
   */
  acked(key: KisKey, msgCd: string, action: KisAction, nowMs: number): Registration | undefined {
    const entry = this.#entries.get(idOf(key));
    if (entry?.standing.name !== "asked") return undefined;
    const { join } = entry.standing;
    if (action === "ok") {
      if (join === isLeaveCode(msgCd)) return undefined;
      entry.standing = join ? { name: "held" } : { name: "absent" };
    } else if (action === "cap") {
      entry.standing = { name: "absent" };
      this.#isCapMet = true;
      this.#roomMax = this.confirmed;
    } else if (action === "retry" && entry.retries < this.#limits.retriesMax) {
      entry.retries++;
      const untilMs = nowMs + this.#limits.retryMs * entry.retries;
      entry.standing = join ? { name: "resting", untilMs } : { name: "held" };
    } else {
      entry.standing = { name: "refused" };
    }
    this.#sweep();
    // Requests that were under way when the cap was met may still have found room.
    if (this.#isCapMet) this.#roomMax = Math.max(this.#roomMax, this.confirmed);
    return entry.standing.name === "refused" ? entry.registration : undefined;
  }

  /** Registrations the broker has confirmed. */
  get confirmed(): number {
    return this.#count(({ standing }) => standing.name === "held");
  }

  get wanted(): number {
    return this.#count((entry) => entry.wanted);
  }

  /** Nothing is asked, resting, or still to be asked. */
  get settled(): boolean {
    return (
      !this.#find(({ standing }) => standing.name === "asked" || standing.name === "resting") &&
      !this.#leaving() &&
      !this.#joining()
    );
  }

  /** The cap as the broker has just shown it, once it is certain; told once. */
  takeCap(): { cap: number; refused: number } | undefined {
    if (!this.#isCapMet || this.#find(({ standing }) => standing.name === "asked"))
      return undefined;
    this.#isCapMet = false;
    const refused = this.#count((entry) => entry.wanted && entry.standing.name === "absent");
    return { cap: this.#roomMax, refused };
  }

  #leaving(): Entry | undefined {
    return this.#find((entry) => !entry.wanted && entry.standing.name === "held");
  }

  #joining(): Entry | undefined {
    const taken = this.#count(
      ({ standing }) => standing.name === "held" || standing.name === "asked",
    );
    if (taken >= this.#roomMax || this.#isCapMet) return undefined;
    return this.#find(({ wanted, standing }) => wanted && standing.name === "absent");
  }

  /** What has rested long enough is to be asked for again, if there still is room for it. */
  #wake(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      const { standing } = entry;
      const isOver = standing.name === "resting" && standing.untilMs <= nowMs;
      if (isOver) entry.standing = { name: "absent" };
    }
  }

  #nextDueMs(): number {
    let dueMs = Infinity;
    for (const { standing } of this.#entries.values()) {
      if (standing.name === "asked") dueMs = Math.min(dueMs, standing.deadlineMs);
      if (standing.name === "resting") dueMs = Math.min(dueMs, standing.untilMs);
    }
    return dueMs;
  }

  /** Forgets what is neither wanted nor known to the broker. */
  #sweep(): void {
    for (const [id, { wanted, standing }] of this.#entries) {
      const isThere = standing.name === "held" || standing.name === "asked";
      if (!wanted && !isThere) this.#entries.delete(id);
    }
  }

  #find(match: (entry: Entry) => boolean): Entry | undefined {
    for (const entry of this.#entries.values()) if (match(entry)) return entry;
    return undefined;
  }

  #count(match: (entry: Entry) => boolean): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (match(entry)) count++;
    return count;
  }
}

function idOf(key: KisKey): string {
  return `${key.trId} ${key.trKey}`;
}
