// What more connections bring: commits a second, and how long each takes, with 1 to 16 of them. Closed loop:
// each connection commits again as soon as it was answered, because the question is how much goes through;
// its delays are of a sender that waits, and are not to be compared with those of the open loop.
import type { Clock } from "../shared/clock.ts";
import { DelayHistogram } from "./histogram.ts";

export const POOL_SIZES = [1, 2, 4, 8, 16] as const;
/** Twice the connections have to bring this much more to be worth it. */
const WORTH = 1.25;

export interface PoolStep {
  connections: number;
  commitsPerS: number;
  p50Ms: number | null;
  p99Ms: number | null;
  failed: number;
}

/** One open connection. */
export interface Lane {
  commit: () => Promise<unknown>;
  end: () => void;
}

export interface PoolOptions {
  connect: () => Promise<Lane>;
  sizes?: readonly number[];
  secondsEach: number;
  clock: Clock;
  onStep?: (done: number, of: number) => void;
}

/** One step a size, each on connections that are open before its time begins. */
export async function measurePool(options: PoolOptions): Promise<PoolStep[]> {
  const { connect, sizes = POOL_SIZES, onStep } = options;
  const lanes: Lane[] = [];
  const steps: PoolStep[] = [];
  try {
    for (const size of sizes) {
      while (lanes.length < size) lanes.push(await connect());
      steps.push(await measureStep(lanes.slice(0, size), options));
      onStep?.(steps.length, sizes.length);
    }
  } finally {
    for (const lane of lanes) lane.end();
  }
  return steps;
}

async function measureStep(
  lanes: readonly Lane[],
  { secondsEach, clock }: PoolOptions,
): Promise<PoolStep> {
  const delays = new DelayHistogram();
  const startMs = clock.monoMs();
  const untilMs = startMs + secondsEach * 1_000;
  let failed = 0;
  const work = async ({ commit }: Lane) => {
    while (clock.monoMs() < untilMs) {
      const fromMs = clock.monoMs();
      try {
        await commit();
      } catch {
        // A connection that broke brings no more; what it would have brought is missing from the rate.
        failed++;
        return;
      }
      delays.record(clock.monoMs() - fromMs);
    }
  };
  await Promise.all(lanes.map(work));
  const tookMs = clock.monoMs() - startMs;
  return {
    connections: lanes.length,
    commitsPerS: (delays.samples * 1_000) / tookMs,
    p50Ms: delays.percentile("p50"),
    p99Ms: delays.percentile("p99"),
    failed,
  };
}

/** The number of connections beyond which twice as many bring less than a quarter more; null: none was seen. */
export function kneeOf(steps: readonly PoolStep[]): number | null {
  for (const [i, step] of steps.entries()) {
    const next = steps[i + 1];
    if (next && next.commitsPerS < WORTH * step.commitsPerS) return step.connections;
  }
  return null;
}
