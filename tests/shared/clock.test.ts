// The machine's own clock, against a host whose time is set or stands still.
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";

afterEach(() => vi.restoreAllMocks());

describe("the system's clock", () => {
  it("tells the host's time to the microsecond, and never runs backwards by itself", () => {
    let before = systemClock.nowMs();
    expect(Math.abs(before - Date.now())).toBeLessThan(10);
    for (let i = 0; i < 10_000; i++) {
      const now = systemClock.nowMs();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
    const readings = Array.from({ length: 100 }, () => systemClock.nowMs() % 1);
    expect(new Set(readings).size).toBeGreaterThan(10);
  });

  it("follows a host that slept or whose clock was set, while durations do not notice", () => {
    const real = Date.now;
    for (const jumpMs of [3_600_000, -3_600_000]) {
      vi.spyOn(Date, "now").mockImplementation(() => real() + jumpMs);
      const monoMs = systemClock.monoMs();
      expect(Math.abs(systemClock.nowMs() - real() - jumpMs)).toBeLessThan(10);
      expect(systemClock.monoMs() - monoMs).toBeLessThan(1_000);
    }
  });
});
