// Percentiles that the samples can support, against the exact ones.
import fc from "fast-check";
import { expect, test } from "vitest";
import { DelayHistogram, samplesFor } from "../../app/measure/histogram.ts";
import { PERCENTILES } from "../../app/shared/latency-run.ts";
import type { PercentileName } from "../../app/shared/latency-run.ts";

const NAMES = Object.keys(PERCENTILES) as PercentileName[];

test("a percentile needs a sample above it, and is null with fewer", () => {
  expect(NAMES.map(samplesFor)).toEqual([2, 10, 100, 1_000, 10_000]);
  const delays = new DelayHistogram();
  for (let i = 0; i < 999; i++) delays.record(1);
  expect(delays.percentile("p99")).not.toBeNull();
  expect(delays.percentile("p99.9")).toBeNull();
  delays.record(1);
  expect(delays.percentile("p99.9")).not.toBeNull();
  expect(delays.figures().percentiles["p99.99"]).toBeNull();
});

test("percentiles are the exact ones to a thousandth, from a microsecond to minutes", () => {
  const delay = fc.double({ min: 0.001, max: 100_000, noNaN: true });
  fc.assert(
    fc.property(fc.array(delay, { minLength: 100, maxLength: 400 }), (values) => {
      const delays = new DelayHistogram();
      for (const value of values) delays.record(value);
      const sorted = [...values].sort((a, b) => a - b);
      for (const name of ["p50", "p90", "p99"] as const) {
        const rank = Math.ceil(values.length * PERCENTILES[name] - 1e-9);
        // Between two samples any value is right. Microseconds inside, and four figures.
        const [low, high] = [sorted[rank - 2] ?? 0, sorted[rank] ?? sorted[rank - 1]!];
        const value = delays.percentile(name)!;
        expect(value).toBeGreaterThanOrEqual(low * 0.999 - 0.001);
        expect(value).toBeLessThanOrEqual(high * 1.001 + 0.001);
      }
    }),
  );
});

test("a sample without an answer is as slow as anybody waited, and counted", () => {
  const delays = new DelayHistogram();
  for (let i = 0; i < 95; i++) delays.record(2);
  for (let i = 0; i < 5; i++) delays.fail(10_000);
  const { samples, failed, percentiles, maxMs } = delays.figures();
  expect([samples, failed]).toEqual([100, 5]);
  expect(percentiles.p50).toBeCloseTo(2, 2);
  expect(percentiles.p99).toBeGreaterThan(9_990);
  expect(maxMs).toBeGreaterThan(9_990);
});

test("the bins hold every sample once, below their bounds", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true })), (values) => {
      const delays = new DelayHistogram();
      for (const value of values) delays.record(value);
      const bins = delays.bins();
      expect(bins.reduce((sum, [, count]) => sum + count, 0)).toBe(values.length);
      let below = 0;
      for (const [upper, count] of bins) {
        below += count;
        const exact = values.filter((value) => value <= upper * 1.0001 + 0.001).length;
        expect(exact).toBeGreaterThanOrEqual(below);
      }
    }),
  );
});

test("without a sample nothing is known", () => {
  const { samples, minMs, maxMs, percentiles } = new DelayHistogram().figures();
  expect({ samples, minMs, maxMs }).toEqual({ samples: 0, minMs: null, maxMs: null });
  expect(Object.values(percentiles)).toEqual([null, null, null, null, null]);
});
