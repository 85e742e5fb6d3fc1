// How long a lease may be trusted without seeing the hub: both modes, every kind of lost time.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseClock } from "../../app/edge/lease-clock.ts";
import type { Moment, Terms } from "../../app/edge/lease-clock.ts";

const FAILOVER: Terms = { mode: "failover", silenceMs: 60_000, validMs: 60_000 };
const EXCLUSIVE: Terms = { mode: "exclusive", silenceMs: 110_000, validMs: Infinity };
const WALL_MS = Date.parse("2026-11-23T09:00:00+09:00");

/** Both clocks `ms` after the start; the wall clock `sleptMs` further. */
const at = (ms: number, sleptMs = 0): Moment => ({ monoMs: ms, wallMs: WALL_MS + ms + sleptMs });

/** Looks every 250 ms from `fromMs` to `toMs`; the first doubt, or null. */
function look(lease: LeaseClock, fromMs: number, toMs: number) {
  for (let ms = fromMs; ms <= toMs; ms += 250) {
    const doubt = lease.observe(at(ms));
    if (doubt) return { doubt, ms };
  }
  return null;
}

describe("a lease in failover mode", () => {
  it("ends its time after the question was sent, not after the answer came", () => {
    const lease = new LeaseClock(at(1_000), FAILOVER);
    expect(lease.observe(at(4_900))).toBeNull();
    expect(look(lease, 5_000, 70_000)).toEqual({ doubt: "expired", ms: 61_000 });
  });

  it("goes on for as long as it is renewed, each time from its question", () => {
    const lease = new LeaseClock(at(0), FAILOVER);
    for (let ms = 1_000; ms < 300_000; ms += 1_000) {
      expect(lease.observe(at(ms))).toBeNull();
      lease.renew(at(ms - 400), FAILOVER);
    }
    expect(lease.validUntilMs()).toBe(298_600 + 60_000);
  });

  it("is lost when the clocks part by more than 2 s, in either direction", () => {
    expect(new LeaseClock(at(0), FAILOVER).observe(at(100, 2_001))).toBe("suspended");
    expect(new LeaseClock(at(0), FAILOVER).observe(at(100, -2_001))).toBe("suspended");
    expect(new LeaseClock(at(0), FAILOVER).observe(at(100, 1_999))).toBeNull();
  });

  it("is never trusted at or after its end, whatever was looked at and renewed before", () => {
    const step = fc.record({ ms: fc.nat(20_000), renewed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const lease = new LeaseClock(at(0), FAILOVER);
        let [nowMs, askedMs] = [0, 0];
        for (const { ms, renewed } of steps) {
          const beforeMs = nowMs;
          nowMs += ms;
          const doubt = lease.observe(at(nowMs));
          expect(doubt !== null).toBe(nowMs >= askedMs + FAILOVER.validMs);
          if (doubt) return;
          if (renewed) lease.renew(at((askedMs = beforeMs)), FAILOVER);
        }
      }),
    );
  });
});

describe("an exclusive lease", () => {
  it("outlives an hour without a hub while the process runs", () => {
    expect(look(new LeaseClock(at(0), EXCLUSIVE), 0, 3_600_000)).toBeNull();
  });

  it("is in doubt after a stop as long as the silence after which it passes on", () => {
    const lease = new LeaseClock(at(0), EXCLUSIVE);
    expect(look(lease, 0, 600_000)).toBeNull();
    expect(lease.observe(at(600_000 + 109_999))).toBeNull();
    expect(lease.observe(at(600_000 + 109_999 + 110_000))).toBe("stalled");
  });

  it("is in doubt after a shorter stop that began in a silence and ended beyond it", () => {
    const lease = new LeaseClock(at(0), EXCLUSIVE);
    expect(look(lease, 0, 100_000)).toBeNull();
    expect(lease.observe(at(109_999))).toBeNull();
    const late = new LeaseClock(at(0), EXCLUSIVE);
    expect(look(late, 0, 100_000)).toBeNull();
    expect(late.observe(at(110_000))).toBe("stalled");
  });

  it("counts sleep, which the monotonic clock does not see, and several sleeps together", () => {
    expect(new LeaseClock(at(0), EXCLUSIVE).observe(at(10, 110_000))).toBe("suspended");
    const lease = new LeaseClock(at(0), EXCLUSIVE);
    expect(lease.observe(at(10, 60_000))).toBeNull();
    expect(lease.observe(at(20, 60_000))).toBeNull();
    expect(lease.observe(at(30, 115_000))).toBe("suspended");
  });

  it("is not in doubt for a clock that is set back", () => {
    expect(new LeaseClock(at(0), EXCLUSIVE).observe(at(250, -3_600_000))).toBeNull();
  });

  it("is in doubt exactly when a stop reached a moment at which the hub could pass it on", () => {
    const stop = fc.record({
      runMs: fc.nat(150_000),
      stopMs: fc.integer({ min: 0, max: 200_000 }),
    });
    fc.assert(
      fc.property(stop, fc.boolean(), ({ runMs, stopMs }, slept) => {
        const lease = new LeaseClock(at(0), EXCLUSIVE);
        expect(look(lease, 0, runMs)).toBeNull();
        const startMs = Math.floor(runMs / 250) * 250;
        const doubt = slept
          ? lease.observe(at(startMs + 1, stopMs))
          : lease.observe(at(startMs + stopMs));
        const goneMs = slept ? (stopMs > 2_000 ? stopMs + 1 : 1) : stopMs;
        const reachesIt = startMs < EXCLUSIVE.silenceMs && startMs + goneMs >= EXCLUSIVE.silenceMs;
        const expected = goneMs >= 2_000 && (reachesIt || goneMs >= EXCLUSIVE.silenceMs);
        expect(doubt !== null).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});
