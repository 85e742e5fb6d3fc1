// What a client's own settings are worth on this path, each measured with and without in alternation, so that
// what the network does meanwhile meets both. Promises: a change is called one only where the blocks' medians
// do not overlap; `synchronous_commit` is not among the settings, because acked means on disk.
import type pg from "pg";
import { exchange } from "../store/exchange.ts";
import type { Clock } from "../shared/clock.ts";
import type { LatencyProbe } from "../shared/latency-run.ts";
import { DelayHistogram } from "./histogram.ts";
import { COMMIT } from "./latency-database.ts";
import type { LatencyDatabase } from "./latency-database.ts";
import type { LatencyGateway } from "./latency-gateway.ts";
import type { MeasuredRun } from "./latency.ts";
import { medianOf, runSchedule, sustainableRate } from "./latency-schedule.ts";

export interface Tuning {
  name: string;
  probe: LatencyProbe;
  target: string;
  /** In words: what before and after are. */
  without: string;
  with: string;
  open: () => Promise<OpenTuning>;
}

export interface OpenTuning {
  without: () => Promise<unknown>;
  with: () => Promise<unknown>;
  end: () => Promise<unknown>;
}

export interface TuneResult {
  tuning: Pick<Tuning, "name" | "probe" | "without" | "with">;
  before: MeasuredRun;
  after: MeasuredRun;
  /** The medians of the blocks do not overlap. */
  isClear: boolean;
}

export interface TuneOptions {
  clock: Clock;
  patienceMs: number;
  onProgress?: (what: string, done: number, of: number) => void;
}

/** Blocks of each side, and samples and seconds of a block. */
const BLOCKS = 6;
const BLOCK_SAMPLES = 20;
const BLOCK_SAMPLES_MIN = 5;
const BLOCK_SECONDS = 2;
const RATE_PER_S = 50;
/** About a batch: large enough to be cut into segments, of which Nagle holds the last one back. */
const PAYLOAD = "x".repeat(20_000);

export async function tune(tuning: Tuning, options: TuneOptions): Promise<TuneResult> {
  const { clock, patienceMs, onProgress } = options;
  const opened = await tuning.open();
  try {
    // One each warms up, and tells how slow the slower side is.
    const slowestMs = Math.max(await took(opened.without, clock), await took(opened.with, clock));
    const ratePerS = sustainableRate(RATE_PER_S, 1, slowestMs);
    const count = Math.max(
      BLOCK_SAMPLES_MIN,
      Math.min(BLOCK_SAMPLES, Math.floor(ratePerS * BLOCK_SECONDS)),
    );
    const schedule = { ratePerS, count, patienceMs, clock };
    const sides = { without: new Side(patienceMs), with: new Side(patienceMs) };
    const startedMs = clock.nowMs();
    for (let block = 0; block < 2 * BLOCKS; block++) {
      const name = block % 2 === 0 ? "without" : "with";
      sides[name].beginBlock();
      await runSchedule(schedule, opened[name], (sample) => sides[name].take(sample));
      onProgress?.(tuning.name, block + 1, 2 * BLOCKS);
    }
    const times = { startedMs, endedMs: clock.nowMs(), ratePerS };
    const runOf = (side: Side, label: string): MeasuredRun => ({
      ...{ probe: tuning.probe, target: tuning.target, label, ...times, late: side.late },
      ...{ figures: side.delays.figures(), bins: side.delays.bins(), curve: side.delays.curve() },
      ...{ thresholds: {}, verdict: "unjudged", over: [] },
    });
    return {
      tuning: {
        ...{ name: tuning.name, probe: tuning.probe },
        ...{ without: tuning.without, with: tuning.with },
      },
      before: runOf(sides.without, `before-${tuning.name}`),
      after: runOf(sides.with, `after-${tuning.name}`),
      isClear: areApart(sides.without.medians(), sides.with.medians()),
    };
  } finally {
    await opened.end().catch(() => undefined);
  }
}

class Side {
  readonly delays = new DelayHistogram();
  late = 0;
  readonly #patienceMs: number;
  readonly #blocks: number[][] = [];

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  beginBlock(): void {
    this.#blocks.push([]);
  }

  take({ delayMs, error, isLate }: { delayMs: number; error: unknown; isLate: boolean }): void {
    if (error === null) this.delays.record(delayMs);
    else this.delays.fail(this.#patienceMs);
    if (isLate) this.late++;
    this.#blocks.at(-1)!.push(delayMs);
  }

  medians(): number[] {
    return this.#blocks.map(medianOf);
  }
}

/** Every value of one list is below every value of the other. */
export function areApart(a: readonly number[], b: readonly number[]): boolean {
  return Math.max(...a) < Math.min(...b) || Math.max(...b) < Math.min(...a);
}

/** One after the other, however fast they are asked for: a connection has one transaction at a time. */
function serially(once: () => Promise<unknown>): () => Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    last = last.then(once, once);
    return last;
  };
}

async function took(once: () => Promise<unknown>, clock: Clock): Promise<number> {
  const fromMs = clock.monoMs();
  await once();
  return clock.monoMs() - fromMs;
}

export function databaseTunings(database: LatencyDatabase): Tuning[] {
  const target = database.shown;
  const payload = (client: pg.Client) => client.query("select length($1)", [PAYLOAD]);
  const nodelay: Tuning = {
    ...{ name: "nodelay", probe: "query", target },
    ...{ without: "20 kB in a query, TCP_NODELAY off", with: "TCP_NODELAY on" },
    async open() {
      const [slow, fast] = [await database.connectAlone(true), await database.connectAlone()];
      return {
        without: serially(() => payload(slow)),
        with: serially(() => payload(fast)),
        end: () => Promise.all([slow.end(), fast.end()]),
      };
    },
  };
  const onOne = (
    sides: (client: pg.Client) => Pick<OpenTuning, "without" | "with">,
  ): Tuning["open"] => {
    return async () => {
      const client = await database.connectAlone();
      const { without, with: after } = sides(client);
      return { without: serially(without), with: serially(after), end: () => client.end() };
    };
  };
  return [
    // The socket behind a proxy is the dial's, which sets it by itself.
    ...(database.isProxied ? [] : [nodelay]),
    {
      ...{ name: "reuse", probe: "query", target },
      ...{ without: "a connection for each query", with: "one connection kept" },
      open: onOne((client) => ({
        without: async () => {
          const own = await database.connectAlone();
          await own.query("select 1").finally(() => own.end());
        },
        with: () => client.query("select 1"),
      })),
    },
    {
      ...{ name: "prepared", probe: "commit", target },
      ...{ without: "the insert parsed each time", with: "prepared once" },
      open: onOne((client) => ({
        without: () => database.commit(client),
        with: () =>
          client.query({ name: "latency_commit", text: COMMIT, values: database.commitValues() }),
      })),
    },
    {
      ...{ name: "pipeline", probe: "commit", target },
      ...{ without: "begin, insert, commit: three round trips", with: "all in one exchange" },
      open: onOne((client) => ({
        without: async () => {
          await client.query("begin");
          await database.commit(client);
          await client.query("commit");
        },
        with: () =>
          exchange(client, [
            { text: "begin" },
            { text: COMMIT, values: database.commitValues() },
            { text: "commit" },
          ]),
      })),
    },
  ];
}

export function gatewayTunings(gateway: LatencyGateway): Tuning[] {
  return [
    {
      ...{ name: "link", probe: "ack", target: gateway.shown },
      ...{ without: "a WebSocket for each batch", with: "one link kept" },
      async open() {
        await gateway.link();
        return {
          without: () => gateway.sendAlone(),
          with: async () => (await gateway.send()).acked,
          end: () => Promise.resolve(),
        };
      },
    },
  ];
}
