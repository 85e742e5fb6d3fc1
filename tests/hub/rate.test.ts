import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GATEWAY_LIMITS } from "../../app/hub/ingest/gateway.ts";
import { EdgeRate, Guesses, TokenBucket } from "../../app/hub/ingest/rate.ts";

describe("a token bucket", () => {
  test("lets a burst through, then makes the debt wait at its rate", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 1_000);
    for (let i = 0; i < 5; i++) bucket.take(1, 1_000);
    expect(bucket.waitMs(1_000)).toBe(0);
    bucket.take(1, 1_000);
    expect(bucket.waitMs(1_000)).toBe(100);
    expect(bucket.waitMs(1_060)).toBe(40);
    expect(bucket.waitMs(1_100)).toBe(0);
  });

  test("saves up no more than its burst", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 0);
    bucket.take(6, 3_600_000);
    expect(bucket.waitMs(3_600_000)).toBe(100);
  });

  test("whoever waits as told never takes more than the burst, one piece and the rate's share", () => {
    const rate = { perSecond: 50, burst: 20 };
    const steps = fc.array(fc.record({ amount: fc.nat(30), idleMs: fc.nat(2_000) }));
    fc.assert(
      fc.property(steps, (pieces) => {
        const bucket = new TokenBucket(rate, 0);
        let [nowMs, taken] = [0, 0];
        for (const { amount, idleMs } of pieces) {
          nowMs += idleMs + bucket.waitMs(nowMs + idleMs);
          taken += amount;
          bucket.take(amount, nowMs);
          expect(taken).toBeLessThanOrEqual(rate.burst + 30 + (rate.perSecond * nowMs) / 1_000);
        }
      }),
    );
  });
});

describe("an edge's rate", () => {
  const limits = {
    asks: { perSecond: 1, burst: 1 },
    batches: { perSecond: 10, burst: 2 },
    bytes: { perSecond: 1_000, burst: 1_000 },
  };

  test("is over when any of its three is, by the longest wait", () => {
    const rate = new EdgeRate(limits, 0);
    rate.took("batches", 100, 0);
    rate.took("asks", 100, 0);
    expect(rate.waitMs(0)).toBe(0);
    rate.took("batches", 1_000, 0);
    expect(rate.waitMs(0)).toBe(200);
    rate.took("asks", 0, 0);
    expect(rate.waitMs(0)).toBe(1_000);
  });

  test("as the hub has it lets twenty times a tenfold open through without a wait", () => {
    // 20,000 trades a second of six accounts: a batch of at most 100 ms a table and account, 25 B a trade.
    const batchesPerSecond = 20 * 6 * (10 + 1);
    const bytesPerSecond = 20 * (20_000 * 25 + 4_700_000);
    const rate = new EdgeRate(GATEWAY_LIMITS.rate, 0);
    for (let second = 0; second < 60; second++) {
      for (let batch = 0; batch < batchesPerSecond; batch++) {
        rate.took("batches", bytesPerSecond / batchesPerSecond, second * 1_000);
      }
      for (let ask = 0; ask < 20 * 6; ask++) rate.took("asks", 0, second * 1_000);
      expect(rate.waitMs(second * 1_000)).toBe(0);
    }
  });
});

describe("an address that shows wrong tokens", () => {
  const limits = {
    wrong: { perSecond: 1, burst: 3 },
    waitMaxMs: 5_000,
    waitingMax: 2,
    addressesMax: 3,
  };
  const wrong = (guesses: Guesses, address: string, times: number) => {
    for (let i = 0; i < times; i++) guesses.wrong(address, 0);
  };

  test("waits after its burst, longer each time, up to a limit; another address never waits", () => {
    const guesses = new Guesses(limits);
    wrong(guesses, "a", 3);
    expect(guesses.waitMs("a", 0)).toBe(0);
    wrong(guesses, "a", 2);
    expect(guesses.waitMs("a", 0)).toBe(2_000);
    wrong(guesses, "a", 100);
    expect(guesses.waitMs("a", 0)).toBe(5_000);
    expect(guesses.waitMs("b", 0)).toBe(0);
  });

  test("is forgiven with time", () => {
    const guesses = new Guesses(limits);
    wrong(guesses, "a", 5);
    expect(guesses.waitMs("a", 2_000)).toBe(0);
  });

  test("is turned away unseen while as many of its attempts wait as may", () => {
    const guesses = new Guesses(limits);
    wrong(guesses, "a", 5);
    guesses.waits("a", 1);
    guesses.waits("a", 1);
    expect(guesses.waitMs("a", 0)).toBeNull();
    guesses.waits("a", -1);
    expect(guesses.waitMs("a", 0)).toBe(2_000);
  });

  test("is remembered beside a bounded number of others; the oldest is forgotten", () => {
    const guesses = new Guesses(limits);
    for (const address of ["a", "b", "c"]) wrong(guesses, address, 5);
    wrong(guesses, "a", 1);
    wrong(guesses, "d", 5);
    expect(guesses.size).toBe(3);
    expect(guesses.waitMs("b", 0)).toBe(0);
    expect(guesses.waitMs("a", 0)).toBe(3_000);
  });
});
