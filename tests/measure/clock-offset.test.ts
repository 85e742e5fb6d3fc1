// The offset against simulated paths whose two ways differ, with jitter, drift and a clock that is set.
import fc from "fast-check";
import { expect, test } from "vitest";
import { DRIFT_PPM, estimateOffset, oneWays } from "../../app/measure/clock-offset.ts";
import type { Exchange } from "../../app/measure/clock-offset.ts";

interface World {
  /** Their wall clock minus our monotonic one at our zero. */
  offsetMs: number;
  driftPpm: number;
  upMs: number;
  downMs: number;
  /** Added to each way, one draw each. */
  jitterMs: readonly number[];
  pauseMs: number;
}

const trueOffset = ({ offsetMs, driftPpm }: World, atMs: number) =>
  offsetMs + (atMs * driftPpm) / 1e6;

function exchangesIn(world: World): Exchange[] {
  const exchanges: Exchange[] = [];
  let nowMs = 0;
  for (let i = 0; i + 1 < world.jitterMs.length; i += 2) {
    const sentMs = nowMs;
    const stampMs = sentMs + world.upMs + world.jitterMs[i]!;
    const receivedMs = stampMs + world.downMs + world.jitterMs[i + 1]!;
    exchanges.push({ sentMs, receivedMs, theirMs: stampMs + trueOffset(world, stampMs) });
    nowMs = receivedMs + world.pauseMs;
  }
  return exchanges;
}

const worlds = fc.record<World>({
  offsetMs: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  driftPpm: fc.double({ min: -DRIFT_PPM, max: DRIFT_PPM, noNaN: true }),
  upMs: fc.double({ min: 0, max: 300, noNaN: true }),
  downMs: fc.double({ min: 0, max: 300, noNaN: true }),
  jitterMs: fc.array(fc.double({ min: 0, max: 500, noNaN: true }), {
    minLength: 2,
    maxLength: 200,
  }),
  pauseMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
});
/** Of sums of doubles around 1e6. */
const ROUNDING_MS = 1e-6;

test("the true offset lies within the bound, however unlike the two ways are", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { offsetMs, boundMs, atMs, isStepped } = estimateOffset(exchangesIn(world))!;
      expect(isStepped).toBe(false);
      expect(Math.abs(offsetMs - trueOffset(world, atMs))).toBeLessThanOrEqual(
        boundMs + ROUNDING_MS,
      );
    }),
    { numRuns: 500 },
  );
});

test("the bound is no wider than half of the fastest round trip, and what clocks may drift apart", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const exchanges = exchangesIn(world);
      const { boundMs, delayMinMs, atMs } = estimateOffset(exchanges)!;
      const drift = (atMs * DRIFT_PPM) / 1e6;
      expect(boundMs).toBeLessThanOrEqual(delayMinMs / 2 + drift + 0.001 + ROUNDING_MS);
    }),
  );
});

test("each way's delay is the true one within the bound", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      // No drift: a way is as long as it is at any time.
      const still = { ...world, driftPpm: 0 };
      const estimate = estimateOffset(exchangesIn(still))!;
      const { upMs, downMs } = oneWays(estimate);
      for (const [i, up] of upMs.entries()) {
        expect(Math.abs(up - (world.upMs + world.jitterMs[2 * i]!))).toBeLessThanOrEqual(
          estimate.boundMs + ROUNDING_MS,
        );
        expect(
          Math.abs(downMs[i]! - (world.downMs + world.jitterMs[2 * i + 1]!)),
        ).toBeLessThanOrEqual(estimate.boundMs + ROUNDING_MS);
      }
    }),
  );
});

test("ways that are alike give the offset itself; ways that differ are off by half the difference", () => {
  const world = { offsetMs: 250, driftPpm: 0, jitterMs: Array<number>(40).fill(0), pauseMs: 1 };
  const alike = estimateOffset(exchangesIn({ ...world, upMs: 10, downMs: 10 }), 0)!;
  expect(alike.offsetMs).toBeCloseTo(250, 6);
  const unlike = estimateOffset(exchangesIn({ ...world, upMs: 30, downMs: 10 }), 0)!;
  expect(unlike.offsetMs).toBeCloseTo(260, 6);
  expect(unlike.boundMs).toBeCloseTo(20, 2);
});

test("a clock that is set meanwhile is noticed, and what came after counts", () => {
  const world = {
    ...{ driftPpm: 0, upMs: 5, downMs: 5, pauseMs: 1 },
    jitterMs: Array<number>(40).fill(0),
  };
  const before = exchangesIn({ ...world, offsetMs: 1_000 });
  const endMs = before.at(-1)!.receivedMs;
  const after = exchangesIn({ ...world, offsetMs: 4_000 }).map((one) => ({
    sentMs: one.sentMs + endMs,
    receivedMs: one.receivedMs + endMs,
    theirMs: one.theirMs + endMs,
  }));
  const estimate = estimateOffset([...before, ...after])!;
  expect(estimate.isStepped).toBe(true);
  expect(estimate.exchanges).toHaveLength(after.length);
  expect(Math.abs(estimate.offsetMs - 4_000)).toBeLessThanOrEqual(estimate.boundMs);
});

test("without an exchange there is no estimate", () => {
  expect(estimateOffset([])).toBeNull();
});
