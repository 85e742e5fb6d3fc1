// Waits are arithmetic: time and chance are arguments.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backoff } from "../../../app/edge/feed/backoff.ts";
import { KIS_TIMINGS } from "../../../app/edge/feed/kis/protocol.ts";

const WAIT = { floorMs: 1_000, baseMs: 4_000, ceilingMs: 60_000 };
const STABLE_MS = 300_000;

describe("a back-off", () => {
  it("spreads each wait from its floor to base × 2^failures, and never past the ceiling", () => {
    const spread = (random: number) => {
      const backoff = new Backoff(STABLE_MS);
      return Array.from({ length: 6 }, () => backoff.failed(0, random, WAIT));
    };
    expect(spread(0)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_000]);
    expect(spread(0.5)).toEqual([3_000, 5_000, 9_000, 17_000, 30_500, 30_500]);
    expect(spread(1)).toEqual([5_000, 9_000, 17_000, 33_000, 60_000, 60_000]);
  });

  it("counts failures of every kind together", () => {
    const backoff = new Backoff(STABLE_MS);
    backoff.failed(0, 0, WAIT);
    expect(backoff.failed(0, 1, { floorMs: 0, baseMs: 10, ceilingMs: 1_000 })).toBe(20);
    expect(backoff.failures).toBe(2);
  });

  it("forgets failures after a connection that was live long enough, and after no other", () => {
    const backoff = new Backoff(STABLE_MS);
    backoff.failed(0, 0, WAIT);
    backoff.failed(0, 0, WAIT);
    backoff.live(10_000);
    backoff.live(200_000); // Told again and again: it is the first time that counts.
    backoff.failed(10_000 + STABLE_MS - 1, 0, WAIT);
    expect(backoff.failures).toBe(3);
    backoff.failed(10_000 + 9 * STABLE_MS, 0, WAIT); // Never live in between.
    expect(backoff.failures).toBe(4);
    backoff.live(0);
    backoff.failed(STABLE_MS, 0, WAIT);
    expect(backoff.failures).toBe(1);
  });

  it("stays between floor and ceiling whatever happens", () => {
    const kind = fc.constantFrom(...Object.values(KIS_TIMINGS.waits));
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(kind, chance), { maxLength: 2_000 }), (failures) => {
        const backoff = new Backoff(STABLE_MS);
        for (const [wait, random] of failures) {
          const delayMs = backoff.failed(0, random, wait);
          expect(delayMs).toBeGreaterThanOrEqual(wait.floorMs);
          expect(delayMs).toBeLessThanOrEqual(wait.ceilingMs);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("KIS's waits", () => {
  const { waits } = KIS_TIMINGS;

  it("are at least 15 s after a drop and minutes after OPSP8996 or a refused key", () => {
    expect(waits.unclean.floorMs).toBeGreaterThanOrEqual(15_000);
    expect(waits.taken.floorMs).toBeGreaterThanOrEqual(120_000);
    expect(waits.refused.floorMs).toBeGreaterThanOrEqual(120_000);
  });

  it("leave no tight loop: every floor is a second or more, and every wait can grow", () => {
    for (const { floorMs, baseMs, ceilingMs } of Object.values(waits)) {
      expect(floorMs).toBeGreaterThanOrEqual(1_000);
      expect(ceilingMs).toBeGreaterThanOrEqual(floorMs + 4 * baseMs);
    }
  });
});
