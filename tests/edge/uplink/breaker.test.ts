// The breaker's promises: it opens, comes back by the clock alone, and never lets two probes through.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Breaker, type BreakerOptions } from "../../../app/edge/uplink/breaker.ts";

const OPTIONS: BreakerOptions = {
  failuresMax: 3,
  cooldownMs: 1000,
  cooldownMaxMs: 30_000,
  probeTimeoutMs: 5000,
  random: () => 0,
};

function opened(options: Partial<BreakerOptions> = {}): Breaker {
  const breaker = new Breaker({ ...OPTIONS, ...options });
  for (let i = 0; i < OPTIONS.failuresMax; i++) breaker.failure(0);
  return breaker;
}

/** Fails every probe, `times` times, and returns the cool-downs that followed. */
function failProbes(breaker: Breaker, times: number): number[] {
  let nowMs = 0;
  return Array.from({ length: times }, () => {
    nowMs += breaker.nextWake(nowMs);
    expect(breaker.allows(nowMs)).toBe(true);
    breaker.failure(nowMs);
    return breaker.nextWake(nowMs);
  });
}

test("only failures in a row open it", () => {
  const breaker = new Breaker(OPTIONS);
  for (let i = 0; i < 100; i++) {
    breaker.failure(i);
    breaker.failure(i);
    breaker.success(i);
    expect(breaker.allows(i)).toBe(true);
  }
  for (let i = 0; i < 3; i++) breaker.failure(200);
  expect(breaker.allows(200)).toBe(false);
});

test("after the cool-down one probe passes, and nothing else until it is answered", () => {
  const breaker = opened();
  expect(breaker.allows(999)).toBe(false);
  expect(breaker.allows(1000)).toBe(true);
  expect(breaker.allows(1001)).toBe(false);
  breaker.success(1002);
  expect(breaker.allows(1003)).toBe(true);
  expect(breaker.allows(1003)).toBe(true);
});

test("the cool-down doubles with each failed probe, up to its ceiling", () => {
  expect(failProbes(opened(), 7)).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("jitter shortens a cool-down by at most half", () => {
  const shortest = opened({ random: () => 1 - 2 ** -53 });
  expect(shortest.nextWake(0)).toBeGreaterThanOrEqual(500);
  expect(shortest.nextWake(0)).toBeLessThan(501);
});

test("a probe that is never answered fails by the clock", () => {
  const breaker = opened();
  expect(breaker.allows(1000)).toBe(true);
  expect(breaker.nextWake(1000)).toBe(5000);
  expect(breaker.allows(5999)).toBe(false);
  // Dead at 6000, cooling down for 2 s from then, however late somebody looks.
  expect(breaker.allows(7999)).toBe(false);
  expect(breaker.allows(8000)).toBe(true);
});

test("an answer that comes while it is open proves nothing", () => {
  const breaker = opened();
  breaker.success(10);
  expect(breaker.allows(10)).toBe(false);
});

test("a closed breaker after an outage starts again with the first cool-down", () => {
  const breaker = opened();
  failProbes(breaker, 4);
  const laterMs = 10 ** 6;
  expect(breaker.allows(laterMs)).toBe(true);
  breaker.success(laterMs);
  for (let i = 0; i < 3; i++) breaker.failure(laterMs);
  expect(breaker.nextWake(laterMs)).toBe(1000);
});

test("in 100,000 random histories it never sticks and never has two probes", () => {
  const step = fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.nat(40_000)),
    does: fc.constantFrom("asks", "succeeds", "fails", "falls silent"),
  });
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const longestMs = OPTIONS.cooldownMaxMs + OPTIONS.probeTimeoutMs;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), chance, (steps, random) => {
      const breaker = new Breaker({ ...OPTIONS, random: () => random });
      let nowMs = 0;
      let probeSinceMs: number | null = null;
      for (const { afterMs, does } of steps) {
        nowMs += afterMs;
        if (does === "succeeds") breaker.success(nowMs);
        if (does === "fails") breaker.failure(nowMs);
        if (does === "succeeds" || does === "fails") probeSinceMs = null;
        if (does !== "asks") continue;
        const wasClosed = breaker.state().name === "closed";
        if (!breaker.allows(nowMs) || wasClosed) continue;
        if (probeSinceMs !== null && nowMs - probeSinceMs < OPTIONS.probeTimeoutMs) {
          throw new Error("a second probe");
        }
        probeSinceMs = nowMs;
      }
      // Whatever happened: the clock alone brings it back, within one cool-down and one probe.
      const wakeMs = breaker.nextWake(nowMs);
      if (!(wakeMs <= longestMs)) throw new Error(`sleeps for ${wakeMs} ms`);
      if (!breaker.allows(nowMs + longestMs)) throw new Error("stuck");
    }),
    { numRuns: 100_000 },
  );
});
