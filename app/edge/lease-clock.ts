// How far this process may trust the lease it was granted, although it cannot see the hub just now. Pure:
// the moments are arguments. Stands between feed and outbox: asked before every record that is taken.
// Promises: in failover mode the lease is never trusted longer than it was granted for; in either mode a
// process that was stopped long enough for somebody else to collect meanwhile notices before it takes a
// record, and one that was only slow goes on.

/** The two clocks read together. */
export interface Moment {
  monoMs: number;
  wallMs: number;
}

export interface Terms {
  mode: "exclusive" | "failover";
  /** Silence of ours after which the hub may grant the account to another, quiet time aside. */
  silenceMs: number;
  /** Failover: how long a grant is good. Infinity in exclusive mode. */
  validMs: number;
}

/**
 *   expired    failover: no answer for as long as the grant was good
 *   suspended  the host slept: the wall clock ran on and the monotonic clock did not
 *   stalled    exclusive: the process did not run while the lease could pass on
 */
export type Doubt = "expired" | "suspended" | "stalled";

/** Between two looks of a process that runs; a garbage collection or a busy core is far below. */
const STALL_MS = 2_000;
/** The clocks may part so far between two looks; beyond, the host slept or its clock was set. */
const JUMP_MS = 2_000;

export class LeaseClock {
  /** When the question was sent whose answer granted the lease: the hub heard of us then, or later. */
  #asked: Moment;
  #terms: Terms;
  /** The last look. */
  #before: Moment;

  constructor(asked: Moment, terms: Terms) {
    this.#asked = asked;
    this.#terms = terms;
    this.#before = asked;
  }

  /** The hub granted it again, in answer to a question sent at `asked`. Observe first: the answer may be old. */
  renew(asked: Moment, terms: Terms): void {
    this.#asked = asked;
    this.#terms = terms;
  }

  /** Monotonic end of what was granted; Infinity in exclusive mode. */
  validUntilMs(): number {
    return this.#asked.monoMs + this.#terms.validMs;
  }

  /** Looks at the clocks. Once it answers with a doubt, the socket goes before anything is read from it. */
  observe(now: Moment): Doubt | null {
    const before = this.#before;
    this.#before = now;
    if (this.#terms.mode === "exclusive") return this.#missed(before, now);
    if (now.monoMs >= this.validUntilMs()) return "expired";
    return Math.abs(jumpMs(before, now)) > JUMP_MS ? "suspended" : null;
  }

  /**
   * An exclusive lease outlives any silence of the hub while this process runs: then the outbox is the
   * limit. Only a stretch in which it did not run, and in which the lease could pass on, is a doubt.
   */
  #missed(before: Moment, now: Moment): Doubt | null {
    const { silenceMs } = this.#terms;
    const goneMs = elapsedMs(before, now);
    if (goneMs < STALL_MS) return null;
    const silentMs = elapsedMs(this.#asked, before);
    const couldPass = silentMs < silenceMs && silentMs + goneMs >= silenceMs;
    if (!couldPass && goneMs < silenceMs) return null;
    return jumpMs(before, now) > JUMP_MS ? "suspended" : "stalled";
  }
}

/** How much further the wall clock ran than the monotonic one. */
function jumpMs(from: Moment, to: Moment): number {
  return to.wallMs - from.wallMs - (to.monoMs - from.monoMs);
}

/** Time that really passed: sleep does not show on the monotonic clock. */
function elapsedMs(from: Moment, to: Moment): number {
  const jump = jumpMs(from, to);
  return to.monoMs - from.monoMs + (jump > JUMP_MS ? jump : 0);
}
