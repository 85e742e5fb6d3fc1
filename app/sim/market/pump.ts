// Lets the market happen in time: takes events from a market when they are due and hands them to the
// brokers. Three paces: the wall clock's, a tape's times a factor, or as fast as the sockets drain.
import { createHistogram } from "node:perf_hooks";
import type { Clock, Timer } from "../../shared/clock.ts";
import type { Market, MarketEvent, RecordedFrame } from "./event.ts";

type Event = MarketEvent | RecordedFrame;

/** How often the pump looks what is due. */
const BEAT_MS = 10;
/** At full speed the loop only has to let sockets breathe. */
const BEAT_FULL_SPEED_MS = 1;
/** Events per beat; what is left over is late, not lost. */
const EVENTS_PER_BEAT_MAX = 4_096;
/** At full speed: what sockets take before they are looked at again. */
const EVENTS_PER_BEAT_AT_FULL_SPEED = 512;

/** Wall-clock milliseconds from due to handed on, over all events so far. */
export interface Lateness {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

export interface PumpOptions {
  clock: Clock;
  market: Market<Event>;
  /** Times the recording's own pace; "max" without pauses. A market on the wall clock ignores it. */
  speed: number | "max";
  /** May the market open? Asked until yes. */
  ready: () => boolean;
  /** Have the sockets taken what they were given? */
  drained: () => boolean;
  emit: (event: Event) => void;
  /** Before each group of events. */
  hold: () => void;
  /** After it. */
  flush: () => void;
}

/**
 *   waiting --(ready or open())--> running --(tape's end, stop())--> done
 */
type State =
  | { name: "waiting" }
  | { name: "running"; events: Generator<Event, void>; startMs: number; startMonoMs: number }
  | { name: "done" };

export class Pump {
  readonly #options: PumpOptions;
  #state: State = { name: "waiting" };
  #next: Event | undefined;
  #firstMs = Number.NaN;
  #lastMs = Number.NaN;
  /** In microseconds, from 1. */
  readonly #lateness = createHistogram();
  #timer: Timer;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#timer = options.clock.after(BEAT_MS, () => this.#beat());
  }

  get done(): boolean {
    return this.#state.name === "done";
  }

  /** Now, as the market tells it, epoch ms; null before a tape begins. */
  marketMs(): number | null {
    const { market, clock, speed } = this.#options;
    if (market.time === "wall") return clock.nowMs();
    if (this.#state.name === "running" && speed !== "max") return this.#dueMs(this.#state);
    return Number.isNaN(this.#lastMs) ? null : this.#lastMs;
  }

  /** Of a tape: market time from the first event to the last one so far; null before the first. */
  played(): { fromMs: number; toMs: number } | null {
    if (this.#options.market.time === "wall" || Number.isNaN(this.#firstMs)) return null;
    return { fromMs: this.#firstMs, toMs: this.#lastMs };
  }

  /** Null before the first event, and at full speed, where nothing is due. */
  lateness(): Lateness | null {
    const late = this.#lateness;
    if (late.count === 0) return null;
    const [p50Ms, p99Ms] = [late.percentile(50) / 1_000, late.percentile(99) / 1_000];
    return { p50Ms, p99Ms, maxMs: late.max / 1_000 };
  }

  /** Opens the market whoever is listening. */
  open(): void {
    if (this.#state.name !== "waiting") return;
    const { clock, market } = this.#options;
    const nowMs = clock.nowMs();
    const events = market.play(nowMs);
    this.#next = events.next().value ?? undefined;
    const startMs = market.time === "wall" ? nowMs : (this.#next?.marketMs ?? nowMs);
    this.#state = { name: "running", events, startMs, startMonoMs: clock.monoMs() };
  }

  /** Ends the market now, after its closing auction if `close`. Nothing is emitted afterwards. */
  stop(close: boolean): void {
    if (this.#state.name === "done") return;
    const wasRunning = this.#state.name === "running";
    this.#state = { name: "done" };
    this.#timer.cancel();
    if (!close || !wasRunning) return;
    for (const event of this.#options.market.closing(this.marketMs()!)) this.#emit(event);
    this.#options.flush();
  }

  #beat(): void {
    if (this.#state.name === "waiting" && this.#options.ready()) this.open();
    if (this.#state.name === "running") this.#run(this.#state);
    if (this.done) return;
    const isBusy = this.#state.name === "running" && this.#options.speed === "max";
    const beatMs = isBusy ? BEAT_FULL_SPEED_MS : BEAT_MS;
    this.#timer = this.#options.clock.after(beatMs, () => this.#beat());
  }

  #run(state: State & { name: "running" }): void {
    const { speed, drained, hold, flush } = this.#options;
    if (speed === "max" && !drained()) return;
    const dueMs = this.#dueMs(state);
    const isTimed = speed !== "max";
    const pace = this.#options.market.time === "wall" || speed === "max" ? 1 : speed;
    let left = isTimed ? EVENTS_PER_BEAT_MAX : EVENTS_PER_BEAT_AT_FULL_SPEED;
    hold();
    while (this.#next && this.#next.marketMs <= dueMs && left > 0) {
      if (isTimed) this.#late((this.#dueMs(state) - this.#next.marketMs) / pace);
      this.#emit(this.#next);
      this.#next = state.events.next().value ?? undefined;
      left -= 1;
    }
    flush();
    if (!this.#next) this.#state = { name: "done" };
  }

  /** Market time up to which events are due. */
  #dueMs(state: State & { name: "running" }): number {
    const { market, clock, speed } = this.#options;
    if (market.time === "wall") return clock.nowMs();
    if (speed === "max") return Infinity;
    return state.startMs + (clock.monoMs() - state.startMonoMs) * speed;
  }

  #late(ms: number): void {
    this.#lateness.record(Math.max(1, Math.round(ms * 1_000)));
  }

  #emit(event: Event): void {
    if (Number.isNaN(this.#firstMs)) this.#firstMs = event.marketMs;
    this.#lastMs = event.marketMs;
    this.#options.emit(event);
  }
}
