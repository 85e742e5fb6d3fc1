import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { cpuShare, readCpuTicks, readIoStallMs } from "../../app/store/host.ts";
import { BOUNDS, nextSpeed, standing } from "../../app/measure/stress-limit.ts";
import type { Try } from "../../app/measure/stress-limit.ts";
import { stressReport } from "../../app/measure/stress-report.ts";
import { judge, LIMITS, unreadSeconds } from "../../app/measure/stress.ts";
import type { Conservation, Sample } from "../../app/measure/stress.ts";

const KEPT: Conservation = {
  ...{ sent: 900, received: 900, committed: 900, rows: 900 },
  ...{ duplicate: 0, held: 0, quarantined: 0, lost: 0, doubleSockets: 0 },
};
const ON_TIME = { p50Ms: 5, p99Ms: 20, maxMs: 40 };

function sample(atMs: number, changes: Partial<Sample> = {}): Sample {
  const n = atMs / 10;
  return {
    ...{ atMs, sent: n, received: n, committed: n, held: 0, lost: 0, quarantined: 0 },
    ...{ outboxOldestMs: 100, outboxBytes: 0, outboxLeftS: 1_000, breakers: ["closed", "closed"] },
    ...{ edgeLoopMs: 2, hubLoopMs: 3, p50NowMs: 40, p99NowMs: 90, p50Ms: 40, p99Ms: 90 },
    ...{ p999Ms: 120, cpu: 0.5, ioWait: 0.01, ioStall: 0.1, ownCpu: null, walBytesPerS: 1e6 },
    ...{ walSyncMs: 1, checkpointsRequested: 0, commitMs: 2, connections: 9, locksWaiting: 0 },
    ...changes,
  };
}

const CALM = Array.from({ length: 9 }, (_, i) => sample((i + 1) * 1_000));
const overOf = (samples: readonly Sample[], sums = KEPT, lateness = ON_TIME) =>
  judge(samples, lateness, sums, LIMITS);

describe("the verdict", () => {
  test("is good when everything was kept and nothing is over its limit", () => {
    const verdict = overOf(CALM);
    expect(verdict).toMatchObject({ ok: true, valid: true, losses: [] });
    expect(verdict.summary).toBe("nothing lost, nothing over its limit");
  });

  test("names what was over which limit", () => {
    const samples = [...CALM, sample(10_000, { p99Ms: 5_210, outboxOldestMs: 7_300 })];
    const { ok, valid, summary } = overOf(samples);
    expect({ ok, valid }).toEqual({ ok: false, valid: true });
    expect(summary).toBe(
      "receive to commit, p99 of the worst minute 5,210 ms, limit 3,000 ms; oldest record in an outbox 7.3 s, limit 5 s",
    );
  });

  test("is none when the generator was late, however good the rest looks", () => {
    const verdict = overOf(CALM, KEPT, { ...ON_TIME, p99Ms: 4_000 });
    expect(verdict).toMatchObject({ ok: false, valid: false });
    expect(verdict.summary).toContain("no verdict on the rest");
    expect(judge(CALM, null, KEPT, LIMITS)).toMatchObject({ ok: false, valid: false });
  });

  test("fails on any single record that is not where it should be", () => {
    fc.assert(
      fc.property(fc.constantFrom(...(Object.keys(KEPT) as (keyof Conservation)[])), (name) => {
        const { ok, losses } = overOf(CALM, { ...KEPT, [name]: KEPT[name] + 1 });
        return !ok && losses.length > 0;
      }),
    );
  });

  test("takes what could not be had for neither good nor bad, and says it is unknown", () => {
    const blind = { cpu: null, ioWait: null, ioStall: null, walSyncMs: null, commitMs: null };
    const { ok, checks } = overOf(CALM.map((one) => ({ ...one, ...blind })));
    expect(ok).toBe(true);
    const unknown = checks.filter(({ value }) => value === null).map(({ name }) => name);
    expect(unknown).toEqual(["cpu", "io-wait", "io-stall", "wal-sync", "commit-probe"]);
  });

  test("counts only the run's own processes where all of it shares one machine", () => {
    const busy = CALM.map((one) => ({ ...one, cpu: 1 }));
    expect(overOf(busy).ok).toBe(false);
    expect(overOf(busy.map((one) => ({ ...one, ownCpu: 0.6 }))).ok).toBe(true);
  });
});

test("unread is how long ago the brokers had sent what is read by now", () => {
  const sent = (atMs: number, received: number) => sample(atMs, { sent: atMs, received });
  expect(unreadSeconds([sent(1_000, 1_000), sent(2_000, 1_500), sent(3_000, 1_000)])).toEqual([
    0, 0.5, 2,
  ]);
  expect(unreadSeconds([sent(1_000, 250)])).toEqual([0.75]);
});

describe("the search for the highest speed", () => {
  /** A hub that holds up to `limit`. */
  function found(
    limit: number,
    first = 1,
  ): { tries: Try[]; standing: ReturnType<typeof standing> } {
    const tries: Try[] = [];
    for (;;) {
      const speed = nextSpeed(tries, { ...BOUNDS, first });
      if (speed === null) return { tries, standing: standing(tries) };
      tries.push({ speed, passed: speed <= limit });
    }
  }

  test("ends close below the limit, within ten runs, wherever that is", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 60, noNaN: true }), (limit) => {
        const { tries, standing: at } = found(limit);
        expect(tries.length).toBeLessThanOrEqual(BOUNDS.triesMax);
        expect(at.passed).not.toBeNull();
        expect(at.passed!).toBeLessThanOrEqual(limit);
        expect(at.broke!).toBeGreaterThan(limit);
        expect(at.broke! / at.passed!).toBeLessThanOrEqual(BOUNDS.ratio * 1.05);
      }),
    );
  });

  test("gives up below a tenth of the rate, and stops at the top", () => {
    expect(found(0.01).standing).toEqual({ passed: null, broke: 0.1 });
    expect(found(1_000).standing).toEqual({ passed: BOUNDS.speedMax, broke: null });
  });

  test("takes a run without a verdict for too much", () => {
    const tries: Try[] = [
      { speed: 4, passed: true },
      { speed: 8, passed: null },
    ];
    expect(nextSpeed(tries, BOUNDS)).toBe(5.7);
    expect(standing(tries)).toEqual({ passed: 4, broke: 8 });
  });
});

describe("the host's files", () => {
  test("give shares of the processor and of waiting for I/O", () => {
    const before = readCpuTicks("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n");
    const after = readCpuTicks("cpu  150 0 70 820 60 0 0 0 0 0\n");
    expect(before).toEqual({ total: 1_000, idle: 800, ioWait: 50 });
    const share = cpuShare(before!, after!)!;
    expect(share.busy).toBeCloseTo(0.7, 9);
    expect(share.ioWait).toBeCloseTo(0.1, 9);
    expect(cpuShare(before!, before!)).toBeNull();
    expect(readCpuTicks("intr 5")).toBeNull();
  });

  test("give the time in which somebody waited for I/O, or nothing", () => {
    const text = "some avg10=0.00 avg60=1.04 avg300=1.02 total=10685340\nfull avg10=0.05 total=7\n";
    expect(readIoStallMs(text)).toBe(10_685.34);
    expect(readIoStallMs("")).toBeNull();
  });
});

test("the report shows each threshold and a plot of each kind", () => {
  const { ok, summary, checks } = overOf(CALM);
  const html = stressReport({
    ...{ ok, summary, checks, profile: "krx-open", speed: 10, seconds: 9, symbols: 100 },
    ...{ accounts: 6, target: null, local: true, records: KEPT, samples: CALM, madeMs: 0 },
  });
  expect(html.match(/<svg/g)).toHaveLength(9);
  for (const { says } of checks) expect(html).toContain(says.replaceAll("'", "&#39;"));
});
