// One run of `tickhub stress`: simulated brokers play the open on a ground made ready for it, watched once a
// second from outside, and summed up at the end. The brokers keep their due times whatever happens (open
// loop); how late they were is part of the outcome. Leaves nothing behind here, however it ends.
import type { EdgeReport } from "../edge/core.ts";
import type { Conservation, Lateness, Sample } from "../measure/stress.ts";
import { sleep, systemClock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import { sumOf } from "../shared/tick.ts";
import type { MarketState } from "../sim/sim.ts";
import type { DatabaseLook, DatabasePlace } from "../store/database-watch.ts";
import { cpuShare, ownFile, processCpu } from "../store/host.ts";
import { fetchJson } from "./http.ts";
import { BROKERS } from "./stack.ts";
import type { SimCounts, Stack } from "./stack.ts";
import type { Figures, Ground, Play, WithGround } from "./stress-ground.ts";

export interface StressPlan extends Play {
  withGround: WithGround;
  /** The market ends after so long, if it has not ended by itself. */
  lengthMs: number;
  /** Heard once a second. */
  look: (sample: Sample) => void;
  /** Asked once a second: does the operator want it to end? */
  isEnded: () => boolean;
}

export interface StressRun {
  samples: Sample[];
  lateness: Lateness | null;
  sums: Conservation;
  /** Was it cut short, by the operator or by a loss? */
  ended: "length" | "loss" | "operator";
  playedMs: number;
  symbols: number;
  accounts: number;
  place: DatabasePlace;
  /** What could not be had of the database's host, and why. */
  unknown: Record<string, string>;
}

const SECOND_MS = 1_000;
/** How long what is held may take to be stored, once the brokers are silent. */
const DRAIN_MS = 60_000;

/** Throws what the failing process of the stack said, or STRESS_NOT_OPENED. */
export async function runStress(plan: StressPlan): Promise<StressRun> {
  return await plan.withGround(plan, async (ground) => {
    const { stack } = ground;
    const observer = new Observer(ground);
    if (!(await opened(ground, plan))) return await outcome(ground, observer, "operator", 0);
    const startedMs = systemClock.monoMs();
    const ended = await play(plan, stack, observer, startedMs);
    const playedMs = systemClock.monoMs() - startedMs;
    await stack.stopMarket();
    if (ended === "length") await drained(plan, observer, startedMs);
    return await outcome(ground, observer, ended, playedMs);
  });
}

/** Waits for the market to open; false when the operator would not wait. */
async function opened({ stack, openMs }: Ground, { isEnded }: StressPlan): Promise<boolean> {
  const untilMs = systemClock.monoMs() + openMs;
  while (!isEnded()) {
    if ((await marketOf(stack))?.lateness) return true;
    if (systemClock.monoMs() > untilMs) {
      throw new TickhubError("STRESS_NOT_OPENED", { waitedMs: openMs });
    }
    await sleep(systemClock, 50);
  }
  return false;
}

async function play(
  plan: StressPlan,
  stack: Stack,
  observer: Observer,
  startedMs: number,
): Promise<StressRun["ended"]> {
  const endMs = startedMs + plan.lengthMs;
  for (let second = 1; ; second++) {
    const nextMs = Math.min(endMs, startedMs + second * SECOND_MS);
    await sleep(systemClock, Math.max(0, nextMs - systemClock.monoMs()));
    const sample = await observer.look(systemClock.monoMs() - startedMs);
    plan.look(sample);
    if (plan.isEnded()) return "operator";
    if (sample.lost > 0 || sample.quarantined > 0) return "loss";
    if (systemClock.monoMs() >= endMs || (await stack.marketDone())) return "length";
  }
}

/** Looks on until the edges have read and handed over everything, for a while at most. */
async function drained(plan: StressPlan, observer: Observer, startedMs: number): Promise<void> {
  const untilMs = systemClock.monoMs() + DRAIN_MS;
  while (systemClock.monoMs() < untilMs && !plan.isEnded()) {
    const sample = await observer.look(systemClock.monoMs() - startedMs);
    plan.look(sample);
    if (sample.held === 0 && sample.received >= sample.sent) return;
    await sleep(systemClock, SECOND_MS);
  }
}

async function outcome(
  ground: Ground,
  observer: Observer,
  ended: StressRun["ended"],
  playedMs: number,
): Promise<StressRun> {
  const { stack } = ground;
  const [counts, edges, market] = await Promise.all([
    stack.simCounts(),
    edgeReports(stack),
    marketOf(stack),
  ]);
  return {
    samples: observer.samples,
    lateness: market?.lateness ?? null,
    sums: {
      ...sumOf(edges.map(({ live }) => live)),
      sent: counts?.records ?? 0,
      rows: await ground.countRows(edges),
      doubleSockets: counts?.doubleSockets ?? 0,
    },
    ...{ ended, playedMs },
    symbols: stack.places.symbols.length,
    accounts: stack.accounts().length,
    place: ground.place,
    unknown: ground.unknown(),
  };
}

/** Looks at everything at once; shares and rates are of the time since its last look. */
class Observer {
  readonly samples: Sample[] = [];
  readonly #ground: Ground;
  #before: Reading | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async look(atMs: number): Promise<Sample> {
    const { stack, place } = this.#ground;
    const [counts, edges, { hub, database: look }] = await Promise.all([
      stack.simCounts(),
      edgeReports(stack),
      this.#ground.figures(),
    ]);
    const last = this.samples.at(-1);
    const now = { atMs, look, own: this.#ownSeconds() };
    const sample: Sample = {
      atMs,
      ...flowOf(counts, edges, last),
      ...delaysOf(edges, hub),
      ...loadOf(this.#before, now, place.isLocal),
      connections: look.connections,
      locksWaiting: look.locksWaiting,
      commitMs: look.commitMs,
    };
    this.#before = now;
    this.samples.push(sample);
    return sample;
  }

  /** CPU seconds of every process of this run, by pid. */
  #ownSeconds(): Map<number, number> {
    const { stack, place } = this.#ground;
    // Processes on another machine are not ours to count.
    if (!place.isLocal) return new Map();
    const { postmaster } = place;
    const { sim, hub, edges } = stack;
    const ours = [process.pid, sim.pid, hub.pid, ...[...edges.values()].map(({ pid }) => pid)];
    if (postmaster !== null) ours.push(postmaster, ...childrenOf(postmaster));
    return new Map(ours.map((pid) => [pid, processCpu(pid)?.seconds ?? 0]));
  }
}

type Flow = Pick<
  Sample,
  "sent" | "received" | "committed" | "held" | "lost" | "quarantined" | "breakers"
> &
  Pick<Sample, "outboxOldestMs" | "outboxBytes" | "outboxLeftS">;

/** An edge that does not answer is as it was. */
function flowOf(
  counts: SimCounts | null,
  edges: readonly EdgeReport[],
  last: Sample | undefined,
): Flow {
  const sent = counts?.records ?? last?.sent ?? 0;
  if (edges.length < BROKERS.length && last) return { ...last, sent };
  const { received, committed, held, lost, quarantined } = sumOf(edges.map(({ live }) => live));
  const outboxes = edges.map(({ outbox }) => outbox ?? {});
  return {
    ...{ sent, received, committed, held, lost, quarantined },
    outboxOldestMs: Math.max(0, ...outboxes.map(({ oldestMs = 0 }) => oldestMs)),
    outboxBytes: outboxes.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
    outboxLeftS: Math.min(...outboxes.map(({ secondsLeft = Infinity }) => secondsLeft)),
    breakers: edges.map(({ uplink }) => uplink?.breaker ?? "unknown"),
  };
}

function delaysOf(edges: readonly EdgeReport[], hub: Figures["hub"]) {
  const { latency, latencyNow } = hub ?? {};
  return {
    edgeLoopMs: edges.length === 0 ? null : Math.max(...edges.map(({ loop }) => loop.p99Ms)),
    hubLoopMs: hub?.loop.p99Ms ?? null,
    p50NowMs: latencyNow?.p50Ms ?? null,
    p99NowMs: latencyNow?.p99Ms ?? null,
    p50Ms: latency?.p50Ms ?? null,
    p99Ms: latency?.p99Ms ?? null,
    p999Ms: latency?.p999Ms ?? null,
  };
}

interface Reading {
  atMs: number;
  look: DatabaseLook;
  own: ReadonlyMap<number, number>;
}

const TICKS_PER_SECOND = 100;

function loadOf(before: Reading | undefined, now: Reading, isLocal: boolean) {
  const tookMs = now.atMs - (before?.atMs ?? now.atMs);
  const since = (name: keyof DatabaseLook): number | null => {
    const [from, to] = [before?.look[name], now.look[name]];
    return typeof from === "number" && typeof to === "number" ? to - from : null;
  };
  const [from, to] = [before?.look.cpu ?? null, now.look.cpu];
  const cpu = from && to ? cpuShare(from, to) : null;
  const [walBytes, syncs, syncMs] = [since("walBytes"), since("walSyncs"), since("walSyncMs")];
  const stallMs = since("ioStallMs");
  const cores = from && to ? (to.total - from.total) / TICKS_PER_SECOND : 0;
  return {
    cpu: cpu?.busy ?? null,
    ioWait: cpu?.ioWait ?? null,
    ioStall: stallMs === null || tookMs === 0 ? null : Math.min(1, stallMs / tookMs),
    ownCpu: isLocal && before && cores > 0 ? spent(before.own, now.own) / cores : null,
    walBytesPerS: walBytes === null || tookMs === 0 ? null : (walBytes / tookMs) * SECOND_MS,
    walSyncMs: syncMs === null || !syncs ? null : syncMs / syncs,
    checkpointsRequested: since("checkpointsRequested"),
  };
}

/** Seconds spent between two readings; a process that came meanwhile counts whole. */
function spent(before: ReadonlyMap<number, number>, now: ReadonlyMap<number, number>): number {
  let seconds = 0;
  for (const [pid, used] of now) seconds += Math.max(0, used - (before.get(pid) ?? 0));
  return seconds;
}

function childrenOf(pid: number): number[] {
  const text = ownFile(`/proc/${pid}/task/${pid}/children`) ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

async function marketOf(stack: Stack): Promise<MarketState | null> {
  return await fetchJson<MarketState>(`${stack.places.control}/market`);
}

async function edgeReports(stack: Stack): Promise<EdgeReport[]> {
  const reports = await Promise.all(BROKERS.map((broker) => stack.edgeStatus(broker)));
  return reports.filter((report) => report !== null);
}
