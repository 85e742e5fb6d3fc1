// Keeps one broker socket where it belongs: open while there is a plan, closed while there is none, and
// after every loss a wait that no lock-out can come from. The only writer of a feed's state. One session
// runs at a time, and the next one starts only after the socket of the last is gone.
import assert from "node:assert/strict";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { marketNow } from "../../shared/market-clock.ts";
import type { MarketClock } from "../../shared/market-clock.ts";
import type { Tick } from "../../shared/tick.ts";
import { Backoff } from "./backoff.ts";
import type { Wait } from "./backoff.ts";
import { registrationKey } from "./feed.ts";
import type { FeedSink, FeedState, Registration } from "./feed.ts";
import { SilenceWatch } from "./silence-watch.ts";
import type { Silence } from "./silence-watch.ts";

/**
 * The wait that follows an ending: after a goodbye, after a drop (the broker may hold the slot a while),
 * after learning that another program uses the account, after the broker refused key or address.
 */
export type Waits = Record<"clean" | "unclean" | "taken" | "refused", Wait>;

/** Why a session ended, and what follows. */
export interface Ending {
  code: ErrorCode;
  /** One sentence for a person. Never a secret. */
  reason: string;
  wait: keyof Waits;
  /** A person has to do something. */
  alarm?: boolean;
  /** Connecting again would only do harm: the feed stops. */
  final?: boolean;
}

/** One connection's life: log in, register, read until the socket is gone. */
export interface Session {
  /** Called once. Resolves when the socket is gone, or was never opened; never rejects. */
  run(): Promise<Ending>;
  replan(plan: readonly Registration[]): void;
  /** Unregister and say goodbye; `run` then resolves. */
  leave(): void;
  /** Close it for this reason; `run` then resolves with it. */
  end(ending: Ending): void;
  /** Drop the socket now and hand on nothing more; `run` then resolves. */
  destroy(): void;
}

/** What a session tells its keeper. */
export interface Progress {
  opened(): void;
  heard(edgeRecvMs: number): void;
  /** The records of a frame. */
  brought(ticks: readonly Tick[], marketMs: number): void;
  /** Called at every step; `settled` once nothing is left to ask or to wait for. */
  registered(confirmed: number, wanted: number, settled: boolean): void;
}

/** The ending of a session that did not get as far as a socket. Errors that are no refusal are ours. */
export function endingOf(error: unknown): Ending {
  if (!(error instanceof TickhubError)) throw error;
  const { code, message: reason } = error;
  if (code === "FEED_AUTH" || code === "FEED_ADDRESS_REFUSED") {
    return { code, reason, wait: "refused", alarm: true };
  }
  return { code, reason, wait: code === "FEED_RATE_LIMITED" ? "unclean" : "clean" };
}

/** The ending of a session that was stopped before it had a socket. */
export const NEVER_OPENED: Ending = {
  code: "FEED_CLOSED",
  reason: "stopped before it connected",
  wait: "clean",
};

export interface KeeperOptions {
  source: string;
  /** What the sink calls this socket. */
  line: string;
  sink: FeedSink;
  url: string;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
  waits: Waits;
  stableMs: number;
  session: (plan: readonly Registration[], progress: Progress) => Session;
}

/** How often silence is looked at. */
const LOOK_MS = 1_000;

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #backoff: Backoff;
  readonly #watch = new SilenceWatch();
  #plan: readonly Registration[] = [];
  #state: FeedState = { name: "idle" };
  #lastFrameMs = 0;
  /** Since when the registrations have not been what the plan says. Monotonic. */
  #unsettledMs = 0;
  #session: Session | undefined;
  #running: Promise<void> | undefined;
  #isLeaving = false;
  /** What was forgotten by the broker is deregistered, to be registered again. */
  #isRenewing = false;
  /** Ends the present pause; a wait after a failure ends early only to stop. */
  #resume: (() => void) | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.stableMs);
  }

  state(): FeedState {
    return this.#state;
  }

  lastFrameMs(): number {
    return this.#lastFrameMs;
  }

  start(plan: readonly Registration[]): void {
    assert(!this.#running, "the feed runs already");
    this.#plan = plan;
    this.#isLeaving = false;
    this.#running = this.#keep().finally(() => (this.#running = undefined));
  }

  replan(plan: readonly Registration[]): void {
    this.#plan = plan;
    this.#isRenewing = false;
    if (plan.length === 0) this.#session?.leave();
    else this.#session?.replan(plan);
    if (!this.#session) this.#tellAway(null);
    if (this.#state.name === "idle") this.#resume?.();
  }

  async stop(): Promise<void> {
    this.#isLeaving = true;
    this.#session?.leave();
    this.#resume?.();
    await this.#running;
  }

  destroy(): void {
    this.#isLeaving = true;
    this.#session?.destroy();
    this.#resume?.();
  }

  async #keep(): Promise<void> {
    while (!this.#isLeaving) {
      if (this.#plan.length === 0) {
        this.#state = { name: "idle" };
        this.#tellAway(null);
        await this.#pause();
        continue;
      }
      const ending = await this.#connect();
      if (this.#isLeft()) break;
      if (ending.final) {
        this.#state = { name: "stopped", code: ending.code };
        return;
      }
      await this.#wait(ending);
    }
    this.#state = { name: "stopped" };
  }

  /** Read anew after every await: `stop` and `destroy` set it meanwhile. */
  #isLeft(): boolean {
    return this.#isLeaving;
  }

  async #connect(): Promise<Ending> {
    const { source, line, sink, url, clock, emit } = this.#options;
    this.#unsettledMs = clock.monoMs();
    this.#tellAway(null);
    let openedMs: number | undefined;
    this.#state = { name: "connecting", attempt: this.#backoff.failures + 1 };
    const session = this.#options.session(this.#plan, {
      opened: () => {
        openedMs = clock.monoMs();
        emit({ event: "feed_opened", source, url });
      },
      heard: (edgeRecvMs) => {
        this.#lastFrameMs = edgeRecvMs;
        sink.heard?.(line, edgeRecvMs);
      },
      brought: (ticks, marketMs) => this.#watch.take(ticks, marketMs),
      registered: (confirmed, wanted, settled) => {
        this.#registered(confirmed, wanted, settled);
      },
    });
    this.#session = session;
    const looking = every(clock, LOOK_MS, () => this.#look());
    const ending = await session.run();
    looking.cancel();
    this.#session = undefined;
    this.#isRenewing = false;
    this.#watch.forget();
    const { code, reason } = ending;
    const isMeant = this.#isLeft() || this.#plan.length === 0;
    this.#tellAway(isMeant ? null : code);
    if (openedMs !== undefined) {
      emit({ event: "feed_closed", source, code, reason, openMs: clock.monoMs() - openedMs });
    }
    if (ending.alarm) emit({ event: "feed_alarmed", source, code, reason });
    return ending;
  }

  /** There is no socket, or none that is registered yet. */
  #tellAway(code: ErrorCode | null): void {
    const { line, sink } = this.#options;
    sink.moved?.(line, this.#plan.length === 0 ? "unplanned" : "away", code);
  }

  #registered(confirmed: number, wanted: number, settled: boolean): void {
    const { source, line, sink, clock, emit } = this.#options;
    if (settled && this.#isRenewing) {
      this.#isRenewing = false;
      this.#session?.replan(this.#plan);
      return;
    }
    if (!settled) {
      if (this.#state.name === "live") this.#unsettledMs = clock.monoMs();
      this.#state = { name: "subscribing", confirmed, wanted };
      return;
    }
    if (this.#state.name !== "live") {
      const tookMs = clock.monoMs() - this.#unsettledMs;
      emit({ event: "feed_subscribed", source, registrations: confirmed, tookMs });
      this.#state = { name: "live", sinceMs: clock.nowMs(), registrations: confirmed };
      sink.moved?.(line, "live", null);
    }
    this.#backoff.live(clock.monoMs());
    this.#watch.plan(this.#plan);
  }

  #look(): void {
    const { clock, market } = this.#options;
    if (this.#state.name !== "live") return;
    const silence = this.#watch.look(clock.monoMs(), marketNow(market, clock));
    if (silence !== null) this.#mend(silence);
  }

  /** A silent socket goes; a registration that was forgotten is made again, and the others stay. */
  #mend(silence: Silence): void {
    const { source, line, sink, emit } = this.#options;
    const { name: scope, silentS, sinceMs } = silence;
    const lost = scope === "registrations" ? silence.lost.map(registrationKey) : [];
    const silentMs = silentS * 1_000;
    emit({ event: "feed_silent", source, line, scope, lost: lost.join(" "), silentMs });
    if (scope === "socket") {
      sink.silent?.(line, sinceMs);
      const reason = `no record of symbols in session for ${silentS} s`;
      this.#session?.end({ code: "FEED_SILENT", reason, wait: "clean" });
      return;
    }
    this.#isRenewing = true;
    this.#session?.replan(this.#plan.filter((one) => !lost.includes(registrationKey(one))));
  }

  async #wait({ code, wait }: Ending): Promise<void> {
    const { source, clock, emit, waits } = this.#options;
    const delayMs = this.#backoff.failed(clock.monoMs(), clock.random(), waits[wait]);
    this.#state = { name: "waiting", untilMs: clock.nowMs() + delayMs, code };
    emit({ event: "feed_retrying", source, code, delayMs, attempt: this.#backoff.failures });
    await this.#pause(delayMs);
  }

  #pause(delayMs?: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      this.#resume = () => {
        timer?.cancel();
        this.#resume = undefined;
        resolve();
      };
      if (delayMs !== undefined) timer = this.#options.clock.after(delayMs, this.#resume);
    });
  }
}
