// One measurement of the path to a hub: each probe after the other on a schedule of its own, then the clocks,
// the pool and the way the packets take. Promises: bounded in samples and in time; leaves nothing in the
// tables of ticks; what could not be measured is named, with the reason.
import type { Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import type { LatencyRun, Threshold } from "../shared/latency-run.ts";
import { estimateOffset, oneWays } from "./clock-offset.ts";
import type { Exchange, OffsetEstimate } from "./clock-offset.ts";
import { DelayHistogram } from "./histogram.ts";
import type { Durability, LatencyDatabase } from "./latency-database.ts";
import type { LatencyGateway } from "./latency-gateway.ts";
import { connectProbe, databaseProbes, gatewayProbes, queryableProbe } from "./latency-probes.ts";
import type { ConnectTarget, Probe } from "./latency-probes.ts";
import { medianOf, runSchedule, sustainableRate } from "./latency-schedule.ts";
import { judge } from "./latency-verdict.ts";
import { measurePool } from "./pool.ts";
import type { PoolStep } from "./pool.ts";

export interface LatencyTargets {
  connects: readonly ConnectTarget[];
  database?: LatencyDatabase | undefined;
  gateway?: LatencyGateway | undefined;
}

export interface LatencyLimits {
  /** Of each probe; fewer where the path is too slow for them in `secondsMax`. */
  samples: number;
  secondsMax: number;
  /** After which a sample is given up. */
  patienceMs: number;
  /** Of each number of connections; 0 leaves the pool out. */
  poolSeconds: number;
}

export const LATENCY_LIMITS: LatencyLimits = {
  samples: 1_000,
  secondsMax: 30,
  patienceMs: 10_000,
  poolSeconds: 2,
};

export interface LatencyOptions extends LatencyLimits {
  accept: readonly Threshold[];
  label: string | null;
  clock: Clock;
  onProgress?: (what: string, done: number, of: number) => void;
}

export interface MeasuredRun extends LatencyRun {
  /** For the percentile curve of a report. */
  curve: { share: number; delayMs: number }[];
}

/** What was not measured, and why. */
export interface Skipped {
  probe: string;
  reason: string;
  /** It was asked for and failed, so the verdict cannot be good. */
  isFault: boolean;
}

export interface ClockFigures {
  /** Whose clock. */
  of: string;
  /** Their wall clock minus ours. */
  offsetMs: number;
  boundMs: number;
  delayMinMs: number;
  exchanges: number;
  isStepped: boolean;
  upMs: number;
  downMs: number;
}

export interface Measurement {
  startedMs: number;
  endedMs: number;
  runs: MeasuredRun[];
  skipped: Skipped[];
  clock: ClockFigures | null;
  pool: PoolStep[];
  durability: Durability | null;
  hub: string | null;
}

/** Before the first sample: connections warm up, and the rate is found. */
const WARM_UPS = 10;
/** Exchanges of the clocks, and how long they may take. */
const EXCHANGES = 200;
const EXCHANGES_MS = 5_000;

/** Throws when a target does not answer at all: UPLINK_*, DATABASE_*, EDGE_*, PROXY_*. */
export async function measureLatency(
  targets: LatencyTargets,
  options: LatencyOptions,
): Promise<Measurement> {
  const { clock } = options;
  const { database, gateway } = targets;
  const startedMs = clock.nowMs();
  const durability = (await database?.look()) ?? null;
  const hub = (await gateway?.look()) ?? null;
  const runs: MeasuredRun[] = [];
  const skipped: Skipped[] = skippedOf(targets);
  for (const probe of probesOf(targets, options.patienceMs)) {
    try {
      runs.push(await runProbe(probe, options));
    } catch (error) {
      skipped.push({ probe: probe.name, reason: reasonOf(error), isFault: true });
    }
  }
  const offset = await measureClock(targets, clock);
  const pool = await poolOf(database, options, skipped);
  return { startedMs, endedMs: clock.nowMs(), runs, skipped, clock: offset, pool, durability, hub };
}

function probesOf({ connects, database, gateway }: LatencyTargets, patienceMs: number): Probe[] {
  return [
    ...connects.map(connectProbe),
    ...(database ? databaseProbes(database) : []),
    ...(gateway ? gatewayProbes(gateway) : []),
    ...(database && gateway ? [queryableProbe(gateway, database, patienceMs)] : []),
  ];
}

function skippedOf({ database, gateway }: LatencyTargets): Skipped[] {
  const noDatabase = "needs --to postgres://…, the hub's database";
  const noGateway = "needs --to ws://…, the hub's gateway";
  return [
    ...(database ? [] : ["query", "commit", "pool"].map((probe) => [probe, noDatabase] as const)),
    ...(gateway ? [] : ["ask", "ack"].map((probe) => [probe, noGateway] as const)),
    ...(database && gateway ? [] : [["queryable", "needs both"] as const]),
  ].map(([probe, reason]) => ({ probe, reason, isFault: false }));
}

/** Warms up, finds the rate, runs the schedule. Throws when the first exchange fails. */
export async function runProbe(probe: Probe, options: LatencyOptions): Promise<MeasuredRun> {
  const { samples, secondsMax, patienceMs, clock, accept, label, onProgress } = options;
  const opened = await probe.open();
  try {
    const medianMs = await warmUp(opened.once, clock);
    const ratePerS = sustainableRate(probe.ratePerS, probe.lanes, medianMs);
    const count = Math.max(1, Math.min(samples, Math.floor(ratePerS * secondsMax)));
    const delays = new DelayHistogram();
    const startedMs = clock.nowMs();
    let late = 0;
    await runSchedule({ ratePerS, count, patienceMs, clock }, opened.once, (sample) => {
      if (sample.error === null) delays.record(sample.delayMs);
      else delays.fail(patienceMs);
      if (sample.isLate) late++;
      onProgress?.(probe.name, delays.samples, count);
    });
    const figures = delays.figures();
    return {
      ...{ probe: probe.name, target: probe.target, label },
      ...{ startedMs, endedMs: clock.nowMs(), ratePerS, late, figures },
      ...{ bins: delays.bins(), curve: delays.curve() },
      ...judge(probe.name, figures, accept),
    };
  } finally {
    opened.end();
  }
}

/** Median of a few exchanges one after the other. */
async function warmUp(once: (number: number) => Promise<unknown>, clock: Clock): Promise<number> {
  const tookMs: number[] = [];
  for (let i = 0; i < WARM_UPS; i++) {
    const fromMs = clock.monoMs();
    await once(-1 - i);
    tookMs.push(clock.monoMs() - fromMs);
  }
  return medianOf(tookMs);
}

/** Against the database itself where there is one: the gateway's answer has the same clock, read later. */
async function measureClock(
  { database, gateway }: LatencyTargets,
  clock: Clock,
): Promise<ClockFigures | null> {
  const exchanges: Exchange[] = [];
  const untilMs = clock.monoMs() + EXCHANGES_MS;
  const collect = async (exchange: () => Promise<Exchange>) => {
    while (exchanges.length < EXCHANGES && clock.monoMs() < untilMs)
      exchanges.push(await exchange());
  };
  try {
    if (database) {
      const lanes = await database.openLanes(1);
      await lanes
        .use((client) => collect(() => database.exchange(client)))
        .finally(() => lanes.end());
    } else if (gateway) await collect(() => gateway.ask());
  } catch {
    // What there is by then is used; with nothing there is no figure.
  }
  const estimate = estimateOffset(exchanges);
  return estimate && figuresOf(estimate, clock, database?.shown ?? gateway!.shown);
}

function figuresOf(estimate: OffsetEstimate, clock: Clock, of: string): ClockFigures {
  const { upMs, downMs } = oneWays(estimate);
  const { boundMs, delayMinMs, isStepped, exchanges } = estimate;
  return {
    of,
    offsetMs: estimate.offsetMs + clock.monoMs() - clock.nowMs(),
    ...{ boundMs, delayMinMs, isStepped, exchanges: exchanges.length },
    upMs: medianOf(upMs),
    downMs: medianOf(downMs),
  };
}

async function poolOf(
  database: LatencyDatabase | undefined,
  { poolSeconds, clock, onProgress }: LatencyOptions,
  skipped: Skipped[],
): Promise<PoolStep[]> {
  if (!database || poolSeconds === 0) return [];
  try {
    return await measurePool({
      connect: () => database.lane(),
      secondsEach: poolSeconds,
      clock,
      onStep: (done, of) => onProgress?.("pool", done, of),
    });
  } catch (error) {
    skipped.push({ probe: "pool", reason: reasonOf(error), isFault: false });
    return [];
  }
}

/** Without anything that a URL may hold. */
function reasonOf(error: unknown): string {
  if (error instanceof TickhubError) return error.message;
  const code = codeOf(error);
  return code === "Error" || code === "UNKNOWN" ? (error as Error).message : code;
}
