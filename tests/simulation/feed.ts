// A feed on the model's broker: the real keeper, decoder and delivery around a socket of virtual time.
// KIS's registration dialogue is left out; everything is registered once the socket is open.
import type { Clock } from "../../app/shared/clock.ts";
import type { Emit } from "../../app/shared/events.ts";
import { deliver } from "../../app/edge/feed/delivery.ts";
import type { Feed, FeedSink, Registration } from "../../app/edge/feed/feed.ts";
import { Keeper } from "../../app/edge/feed/keeper.ts";
import type { Ending, Progress, Session } from "../../app/edge/feed/keeper.ts";
import { KisDecoder } from "../../app/edge/feed/kis/decode.ts";
import type { Connection, End } from "./wire.ts";

/** Clean: the slot is free at once. Unclean: the broker may hold it a while. */
const WAITS = {
  clean: { floorMs: 500, baseMs: 500, ceilingMs: 2_000 },
  unclean: { floorMs: 1_000, baseMs: 500, ceilingMs: 3_000 },
  taken: { floorMs: 3_000, baseMs: 1_000, ceilingMs: 6_000 },
  refused: { floorMs: 3_000, baseMs: 1_000, ceilingMs: 6_000 },
};
const GOODBYE_MS = 1_000;

export interface VirtualFeedOptions {
  source: string;
  clock: Clock;
  emit: Emit;
  sink: FeedSink;
  /** Opens a socket to the broker; told once it is accepted. */
  dial: () => Connection;
  /** What the broker put into the frame that `take` hands on. */
  took: (bytes: Uint8Array, take: () => void) => void;
  /** Planted: only the first record of a frame is read. */
  ignoresCount: boolean;
}

export function createVirtualFeed(options: VirtualFeedOptions): Feed {
  const decoder = new KisDecoder();
  const keeper = new Keeper({
    source: options.source,
    url: "ws://broker.sim",
    line: "domestic",
    clock: options.clock,
    emit: options.emit,
    market: (wallMs) => wallMs,
    sink: options.sink,
    waits: WAITS,
    stableMs: 5_000,
    session: (plan, progress) => new VirtualSession(options, decoder, plan, progress),
  });
  return {
    source: options.source,
    start: (plan) => keeper.start(plan),
    replan: (plan) => keeper.replan(plan),
    stop: () => keeper.stop(),
    destroy: () => keeper.destroy(),
    state: () => keeper.state(),
    lastFrameMs: () => keeper.lastFrameMs(),
  };
}

class VirtualSession implements Session {
  readonly #options: VirtualFeedOptions;
  readonly #decoder: KisDecoder;
  readonly #progress: Progress;
  readonly #plan: readonly Registration[];
  readonly #ended = Promise.withResolvers<Ending>();
  #end: End | null = null;
  #isLeaving = false;

  constructor(
    options: VirtualFeedOptions,
    decoder: KisDecoder,
    plan: readonly Registration[],
    progress: Progress,
  ) {
    this.#options = options;
    this.#decoder = decoder;
    this.#plan = plan;
    this.#progress = progress;
  }

  run(): Promise<Ending> {
    for (const registration of this.#plan) this.#options.sink.registering?.(registration);
    const end = this.#options.dial().ends[0];
    this.#end = end;
    end.listen({
      message: ({ kind, data }) => {
        if (kind !== "text") return;
        if (typeof data === "string") this.#opened();
        else this.#frame(data);
      },
      closed: () => this.#over("unclean"),
    });
    return this.#ended.promise;
  }

  replan(): void {
    this.#opened();
  }

  leave(): void {
    if (this.#isLeaving || !this.#end) return;
    this.#isLeaving = true;
    // A goodbye takes a moment; the broker's answer is not waited for any longer than that.
    this.#options.clock.after(this.#options.clock.random() * GOODBYE_MS, () => this.destroy());
  }

  end(ending: Ending): void {
    this.#end?.close(1000);
    this.#ended.resolve(ending);
  }

  destroy(): void {
    this.#end?.close(1000);
    this.#over("clean");
  }

  #opened(): void {
    this.#progress.opened();
    this.#progress.registered(this.#plan.length, this.#plan.length, true);
  }

  #frame(bytes: Uint8Array): void {
    this.#options.took(bytes, () => this.#read(bytes));
  }

  #read(bytes: Uint8Array): void {
    const { clock, sink, ignoresCount } = this.#options;
    const at = { edgeRecvMs: clock.nowMs(), marketMs: clock.nowMs() };
    this.#progress.heard(at.edgeRecvMs);
    const frame = this.#decoder.decode(bytes, at);
    if (frame.kind !== "data" && frame.kind !== "reject") return;
    const read =
      frame.kind === "data" && ignoresCount ? { ...frame, ticks: frame.ticks.slice(0, 1) } : frame;
    deliver(sink, read, bytes, at);
  }

  #over(wait: "clean" | "unclean"): void {
    this.#ended.resolve({ code: "FEED_CLOSED", reason: "the socket is gone", wait });
  }
}
