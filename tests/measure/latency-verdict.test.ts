// Thresholds against figures, and the knee of a pool.
import { describe, expect, test } from "vitest";
import { DelayHistogram } from "../../app/measure/histogram.ts";
import { areApart } from "../../app/measure/latency-tune.ts";
import { inMs, judge, verdictOn } from "../../app/measure/latency-verdict.ts";
import { kneeOf, measurePool } from "../../app/measure/pool.ts";
import { readSettings } from "../../app/shared/config.ts";
import { parseThresholds } from "../../app/shared/latency-run.ts";
import type { LatencyProbe } from "../../app/shared/latency-run.ts";
import { FakeClock } from "../support/fake-clock.ts";

function figuresOf(samples: number, delayMs: number) {
  const delays = new DelayHistogram();
  for (let i = 0; i < samples; i++) delays.record(delayMs);
  return delays.figures();
}
const judged = (probe: LatencyProbe, samples: number, delayMs: number, accept: string) => {
  const figures = figuresOf(samples, delayMs);
  return { probe, figures, ...judge(probe, figures, parseThresholds(accept)!) };
};

describe("a threshold", () => {
  test("is a probe, a percentile or max, and milliseconds", () => {
    expect(parseThresholds("ack.p99=250, commit.max=1000.5")).toEqual([
      { probe: "ack", percentile: "p99", limitMs: 250 },
      { probe: "commit", percentile: "max", limitMs: 1_000.5 },
    ]);
    for (const wrong of [
      "",
      "ack",
      "ack.p99",
      "ack.p98=1",
      "pong.p99=1",
      "ack.p99=-1",
      "ack.p99=0",
    ]) {
      expect(parseThresholds(wrong), wrong).toBeNull();
    }
  });

  test("of the settings has a default for every probe, and a wrong one is refused", () => {
    const accept = readSettings({}).TICKHUB_LATENCY_ACCEPT;
    expect(accept.map(({ probe }) => probe)).toEqual([
      ...["connect", "query", "commit", "ask", "ack", "queryable"],
    ]);
    expect(() => readSettings({ TICKHUB_LATENCY_ACCEPT: "ack=250" })).toThrow(/CONFIG_INVALID/);
  });

  test("holds up to its limit, and says by how much it does not", () => {
    expect(judged("ack", 100, 250, "ack.p99=251").verdict).toBe("accepted");
    expect(judged("ack", 100, 260, "ack.p50=300,ack.p99=251")).toMatchObject({
      verdict: "over",
      over: [expect.stringMatching(/^ack\.p99 is 260 ms, over 251 ms$/)],
      thresholds: { p50: 300, p99: 251 },
    });
    expect(judged("ack", 100, 260, "commit.p99=1").verdict).toBe("unjudged");
  });

  test("of a percentile that the samples cannot support does not hold", () => {
    expect(judged("ack", 500, 1, "ack.p99.9=250").over).toEqual([
      "ack.p99.9 needs 1000 samples and has 500",
    ]);
  });
});

describe("the verdict", () => {
  test("is good when every threshold of what was measured holds", () => {
    const runs = [judged("ack", 100, 12, "ack.p99=250"), judged("query", 100, 3, "ack.p99=250")];
    expect(verdictOn(runs, [])).toEqual({
      ok: true,
      reasons: [],
      text: "accepted: ack p50 12.0 ms, p99 12.0 ms",
    });
  });

  test("is bad for a fault, and when nothing was judged", () => {
    const good = judged("ack", 100, 12, "ack.p99=250");
    expect(verdictOn([good], ["fsync is off"]).text).toBe("not accepted: fsync is off");
    expect(verdictOn([judged("ack", 100, 12, "commit.p99=1")], []).ok).toBe(false);
    expect(verdictOn([], []).ok).toBe(false);
  });
});

test("milliseconds are written with three figures that count", () => {
  expect([0.2134, 1.239, 12.44, 1_204.2, null].map(inMs)).toEqual([
    ...["0.213 ms", "1.24 ms", "12.4 ms", "1,204 ms", "–"],
  ]);
});

describe("the pool", () => {
  const steps = (rates: number[]) =>
    rates.map((commitsPerS, i) => ({
      ...{ connections: 2 ** i, commitsPerS, p50Ms: 1, p99Ms: 2, failed: 0 },
    }));

  test("has its knee where twice the connections bring less than a quarter more", () => {
    expect(kneeOf(steps([100, 190, 350, 400, 390]))).toBe(4);
    expect(kneeOf(steps([100, 100]))).toBe(1);
    expect(kneeOf(steps([100, 200, 400, 800, 1_600]))).toBeNull();
    expect(kneeOf([])).toBeNull();
  });

  test("is measured on as many connections as said, each committing again when it was answered", async () => {
    const clock = new FakeClock();
    // A server that commits one after the other: more connections bring nothing.
    let freeMs = 0;
    const open = { now: 0, most: 0 };
    const measuring = measurePool({
      connect: () =>
        Promise.resolve({
          commit: async () => {
            open.most = Math.max(open.most, ++open.now);
            freeMs = Math.max(freeMs, clock.monoMs()) + 10;
            await new Promise<void>((done) => void clock.after(freeMs - clock.monoMs(), done));
            open.now--;
          },
          end: () => undefined,
        }),
      sizes: [1, 2, 4],
      secondsEach: 1,
      clock,
    });
    await clock.advanceSlowly(4_000, 1);
    const measured = await measuring;
    expect(measured.map(({ connections }) => connections)).toEqual([1, 2, 4]);
    expect(open.most).toBe(4);
    for (const { commitsPerS } of measured) expect(commitsPerS).toBeGreaterThan(85);
    for (const { commitsPerS } of measured) expect(commitsPerS).toBeLessThan(115);
    expect(kneeOf(measured)).toBe(1);
    expect(measured[2]!.p50Ms!).toBeGreaterThan(3 * measured[0]!.p50Ms!);
  });
});

test("a tuning changed something where no block of one side reaches into the other's", () => {
  expect(areApart([1, 2, 3], [4, 5])).toBe(true);
  expect(areApart([4, 5], [1, 2, 3])).toBe(true);
  expect(areApart([1, 2, 4], [3, 5])).toBe(false);
  expect(areApart([1, 2], [2, 3])).toBe(false);
});
