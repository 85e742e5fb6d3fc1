import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CAPACITY_LIMITS, outcomeOf, untilCapacity } from "../../scripts/until-capacity.ts";
import type { CapacityLimits } from "../../scripts/until-capacity.ts";

const NO_CAPACITY = { code: 255, output: "error: 500-InternalError, Out of host capacity." };

/** Under a clock that only sleeping moves. */
async function run(
  limits: Partial<CapacityLimits>,
  upAt: number,
  attemptMs = 30_000,
  random = 0.5,
) {
  let nowMs = 0;
  const machines: string[] = [];
  const waits: number[] = [];
  const ended = await untilCapacity(
    { ...CAPACITY_LIMITS, ...limits },
    {
      up(machine) {
        machines.push(machine);
        nowMs += attemptMs;
        return Promise.resolve(machines.length >= upAt ? { code: 0, output: "" } : NO_CAPACITY);
      },
      sleep(ms) {
        waits.push(ms);
        nowMs += ms;
        return Promise.resolve();
      },
      nowMs: () => nowMs,
      random: () => random,
      say: () => undefined,
    },
  );
  return { ended, machines, waits, nowMs };
}

describe("the loop until Oracle has capacity", () => {
  it("ends with the first attempt that is up", async () => {
    const { ended, machines } = await run({}, 7);
    expect(ended).toEqual({ then: "done" });
    expect(machines).toHaveLength(7);
  });

  it("is bounded in attempts and in hours, whatever the limits and the luck", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 24 }),
        fc.integer({ min: 1_000, max: 600_000 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        async (attemptsMax, hoursMax, attemptMs, random) => {
          const { ended, machines, waits, nowMs } = await run(
            { attemptsMax, hoursMax },
            Number.POSITIVE_INFINITY,
            attemptMs,
            random,
          );
          expect(ended).toMatchObject({ then: "give-up" });
          expect(machines.length).toBeLessThanOrEqual(attemptsMax);
          // The last attempt may begin just within the hours.
          expect(nowMs).toBeLessThanOrEqual(hoursMax * 3_600_000 + attemptMs);
          for (const ms of waits) {
            expect(ms).toBeGreaterThanOrEqual(CAPACITY_LIMITS.waitMinMs);
            expect(ms).toBeLessThanOrEqual(CAPACITY_LIMITS.waitMaxMs);
          }
        },
      ),
    );
  });

  it("does not try again after any other failure", async () => {
    expect(outcomeOf(255, "error: 404-NotAuthorizedOrNotFound")).toBe("failed");
    expect(outcomeOf(255, "error: QuotaExceeded")).toBe("failed");
    expect(outcomeOf(255, NO_CAPACITY.output)).toBe("no-capacity");
    const ended = await untilCapacity(CAPACITY_LIMITS, {
      up: () => Promise.resolve({ code: 255, output: "QuotaExceeded" }),
      sleep: () => expect.fail(),
      nowMs: () => 0,
      random: () => 0,
      say: () => undefined,
    });
    expect(ended).toEqual({ then: "give-up", why: "failed" });
  });

  it("asks for half the machine once it was told to", async () => {
    const { machines } = await run({ halfAfter: 3 }, 5);
    expect(machines).toEqual(["whole", "whole", "whole", "half", "half"]);
  });
});
