// One way out to people: a bounded queue in front of a messenger. Promises: messages leave in their order, at most
// one a second; what a messenger did not take is kept and tried again, as late as it asks for; a message that it
// will never take is given up and told; nothing here throws.
import type { Clock, Timer } from "../shared/clock.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import { pieces } from "./message.ts";
import type { Failing } from "./observation.ts";

/**
 * sent: taken. later: not now. refused: token, chat or webhook are wrong, which a person may mend meanwhile.
 * never: this one message is not wanted, whoever sends it. `reason` has no secret in it.
 */
export type Outcome =
  | { name: "sent" }
  | { name: "later"; code: ErrorCode; reason: string; afterMs: number | null }
  | { name: "refused"; code: ErrorCode; reason: string }
  | { name: "never"; code: ErrorCode; reason: string };

/** Speaks one messenger's API. */
export interface Messenger {
  readonly name: string;
  /** Of one message, in UTF-16 units. */
  readonly charsMax: number;
  send(text: string): Promise<Outcome>;
}

const QUEUE_MAX = 200;
/** Of the line that says how many were dropped. */
const LOST_CHARS_MAX = 64;
/** Both messengers take about one a second. */
const PACE_MS = 1_000;
const RETRY_MS = { first: 2_000, max: 300_000 };
/** A messenger may ask for patience, not for ever. */
const AFTER_MS_MAX = 3_600_000;

interface Waiting {
  text: string;
  tries: number;
  taken: () => void;
}

export class Channel {
  readonly #messenger: Messenger;
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #queue: Waiting[] = [];
  #state: "idle" | "sending" | "waiting" = "idle";
  #failing: { sinceMs: number; code: string } | null = null;
  #timer: Timer | null = null;
  #dropped = 0;
  #settled: (() => void)[] = [];

  constructor(messenger: Messenger, clock: Clock, emit: Emit) {
    this.#messenger = messenger;
    this.#clock = clock;
    this.#emit = emit;
  }

  get name(): string {
    return this.#messenger.name;
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** How long it has not taken messages; null while it does. */
  failing(): Failing | null {
    if (this.#failing === null) return null;
    const { sinceMs, code } = this.#failing;
    return { forMs: this.#clock.monoMs() - sinceMs, code };
  }

  /** Queues it, in pieces where it is long; `taken` is called when the messenger has all of it. */
  push(text: string, taken: () => void = () => undefined): void {
    const parts = pieces(text, this.#messenger.charsMax - LOST_CHARS_MAX);
    for (const [index, part] of parts.entries()) {
      this.#add(part, index === parts.length - 1 ? taken : () => undefined);
    }
  }

  /** The oldest goes when there is no room. */
  #add(text: string, taken: () => void): void {
    if (this.#queue.length >= QUEUE_MAX) {
      // Not the one that is just being sent.
      this.#queue.splice(1, 1);
      this.#dropped += 1;
      this.#emit({ event: "message_dropped", channel: this.name, code: "CHANNEL_BUSY" });
    }
    this.#queue.push({ text, tries: 0, taken });
    if (this.#state === "idle") void this.#send();
  }

  /** Resolves when nothing is under way: all is sent, or it waits for its next try. */
  async settled(): Promise<void> {
    if (this.#state !== "sending") return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  /** Tries what waits once more, at most for `ms`, and ends. */
  async stop(ms: number): Promise<void> {
    this.#timer?.cancel();
    if (this.#state === "waiting" && this.#queue.length > 0) void this.#send();
    await Promise.race([
      this.settled(),
      new Promise<void>((resolve) => this.#clock.after(ms, resolve)),
    ]);
    this.#timer?.cancel();
  }

  async #send(): Promise<void> {
    const first = this.#queue[0];
    if (!first) {
      this.#rest("idle");
      return;
    }
    this.#state = "sending";
    first.tries += 1;
    const lost = this.#dropped > 0 ? `(${this.#dropped} older messages were dropped)\n` : "";
    const outcome = await this.#messenger.send(lost + first.text);
    const delayMs = this.#judge(first, outcome);
    if (outcome.name === "sent") this.#dropped = 0;
    if (delayMs === 0 && this.#queue.length === 0) {
      this.#rest("idle");
      return;
    }
    this.#rest("waiting");
    this.#timer = this.#clock.after(Math.max(delayMs, PACE_MS), () => void this.#send());
  }

  #rest(state: "idle" | "waiting"): void {
    this.#state = state;
    const settled = this.#settled;
    this.#settled = [];
    for (const resolve of settled) resolve();
  }

  /** How long to wait before the next try. */
  #judge(first: Waiting, outcome: Outcome): number {
    const channel = this.name;
    if (outcome.name === "sent") {
      this.#queue.shift();
      this.#failing = null;
      this.#emit({ event: "message_sent", channel, tries: first.tries });
      first.taken();
      return 0;
    }
    const { code, reason } = outcome;
    if (outcome.name === "never") {
      this.#queue.shift();
      this.#emit({ event: "message_dropped", channel, code });
      return 0;
    }
    this.#failing ??= { sinceMs: this.#clock.monoMs(), code };
    this.#failing.code = code;
    const waiting = this.#queue.length;
    this.#emit({ event: "message_failed", channel, code, reason, waiting });
    if (outcome.name === "refused") return RETRY_MS.max;
    const backoffMs = Math.min(RETRY_MS.first * 2 ** (first.tries - 1), RETRY_MS.max);
    const jitteredMs = backoffMs * (0.75 + this.#clock.random() / 2);
    return Math.min(Math.max(outcome.afterMs ?? 0, jitteredMs), AFTER_MS_MAX);
  }
}
