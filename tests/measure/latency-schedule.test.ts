// The open loop under a clock that only the test moves.
import { describe, expect, test } from "vitest";
import {
  medianOf,
  runSchedule,
  sustainableRate,
  TIMER_SLACK_MS,
} from "../../app/measure/latency-schedule.ts";
import type { Clock } from "../../app/shared/clock.ts";
import type { Sample } from "../../app/measure/latency-schedule.ts";
import { DelayHistogram } from "../../app/measure/histogram.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A server that answers after `delayMs`, and not at all while it stands still. */
function serverOn(clock: FakeClock, delayMs: number, stalled: { fromMs: number; toMs: number }) {
  return async () => {
    const nowMs = clock.monoMs();
    const isStalled = nowMs + delayMs >= stalled.fromMs && nowMs < stalled.toMs;
    const answerMs = isStalled ? stalled.toMs + delayMs - nowMs : delayMs;
    await new Promise<void>((resolve) => void clock.after(answerMs, resolve));
  };
}

const NEVER = { fromMs: Infinity, toMs: Infinity };

async function run(
  clock: FakeClock,
  once: (number: number) => Promise<unknown>,
  { ratePerS = 100, count = 1_000, patienceMs = 10_000 } = {},
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const done = runSchedule({ ratePerS, count, patienceMs, clock }, once, (one) => {
    samples.push(one);
  });
  await clock.advanceSlowly((count * 1_000) / ratePerS + patienceMs, 1);
  await done;
  return samples;
}

describe("a sample", () => {
  test("counts from when it was due, and there are as many as were asked for", async () => {
    const clock = new FakeClock();
    const samples = await run(clock, serverOn(clock, 5, NEVER));
    expect(samples).toHaveLength(1_000);
    expect(new Set(samples.map(({ number }) => number)).size).toBe(1_000);
    for (const { delayMs } of samples) expect(delayMs).toBeCloseTo(5, 6);
  });

  test("is begun while those before it are not answered: a stall is many slow samples, not a gap", async () => {
    const clock = new FakeClock();
    const stall = { fromMs: 4_000, toMs: 7_000 };
    const samples = await run(clock, serverOn(clock, 5, stall));
    expect(samples).toHaveLength(1_000);
    // Three seconds at 100 a second; who waits for an answer before asking again has one slow sample.
    const slow = samples.filter(({ delayMs }) => delayMs > 10);
    expect(slow.length).toBeGreaterThanOrEqual(299);
    expect(slow.length).toBeLessThanOrEqual(301);
    // Their delays go down evenly from three seconds to none.
    expect(medianOf(slow.map(({ delayMs }) => delayMs))).toBeCloseTo(1_510, -1);
    const delays = new DelayHistogram();
    for (const { delayMs } of samples) delays.record(delayMs);
    expect(delays.percentile("p50")).toBeCloseTo(5, 1);
    expect(delays.percentile("p99.9")).toBeGreaterThan(2_900);
  });

  test("without an answer ends with the patience, and counts as the whole of it", async () => {
    const clock = new FakeClock();
    const silent = () => new Promise<never>(() => undefined);
    const samples = await run(clock, silent, { count: 20, patienceMs: 500 });
    expect(samples.map(({ delayMs }) => delayMs)).toEqual(Array<number>(20).fill(500));
    for (const { error } of samples) expect(error).toBeInstanceOf(Error);
  });

  test("that fails at once counts as the whole patience too: a refusal is not a fast answer", async () => {
    const clock = new FakeClock();
    const refused = () => Promise.reject(new Error("refused"));
    const samples = await run(clock, refused, { count: 5, patienceMs: 700 });
    expect(samples.map(({ delayMs }) => delayMs)).toEqual([700, 700, 700, 700, 700]);
  });

  describe("that this machine begins after its time", () => {
    /** Timers that fire later than they should, as on a machine that has no time for them. */
    async function runLate(lagMs: number): Promise<Sample[]> {
      const clock = new FakeClock();
      const busy: Clock = {
        nowMs: () => clock.nowMs(),
        monoMs: () => clock.monoMs(),
        random: () => 0,
        after: (delayMs, run) => clock.after(delayMs + lagMs, run),
      };
      const samples: Sample[] = [];
      const schedule = { ratePerS: 10, count: 4, patienceMs: 5_000, clock: busy };
      const done = runSchedule(schedule, serverOn(clock, 5, NEVER), (one) => samples.push(one));
      await clock.advanceSlowly(2_000, 1);
      await done;
      return samples;
    }

    test("counts from when it was due, and is told", async () => {
      const samples = await runLate(30);
      expect(samples.map(({ delayMs, isLate }) => [delayMs, isLate])).toEqual([
        [5, false],
        [35, true],
        [35, true],
        [35, true],
      ]);
    });

    test("counts from when it began, where that is within a timer's slack", async () => {
      for (const { delayMs, isLate } of await runLate(TIMER_SLACK_MS)) {
        expect([delayMs, isLate]).toEqual([5, false]);
      }
    });
  });
});

test("the rate keeps the lanes busy half of the time at most", () => {
  expect(sustainableRate(100, 8, 5)).toBe(100);
  expect(sustainableRate(100, 8, 150)).toBeCloseTo(26.67, 1);
  expect(sustainableRate(100, Infinity, 150)).toBe(100);
  expect(sustainableRate(50, 1, 0)).toBe(50);
});
