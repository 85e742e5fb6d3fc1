// Edges, wire, hub and database under virtual time: the laws hold under random faults, a run repeats itself
// to the byte, and each planted bug is found out. tests/faults/simulation.test.ts plays many more seeds.
import { describe, expect, it, vi } from "vitest";
import { PLANTED, SEEDS_MAX, sentenceOf } from "./planted.ts";
import { runSeed } from "./run.ts";
import { scenario } from "./scenarios.ts";
import { addUp, totalsLine } from "./totals.ts";

vi.mock("ws", () => import("./sockets.ts"));

const SEEDS = 30;
/** Of each test: they take seconds on two cores that have nothing else to do. */
vi.setConfig({ testTimeout: 300_000 });

it(`${SEEDS} seeds with every fault there is: nothing lost, nothing twice, one socket an account`, async () => {
  const results = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await runSeed(scenario("plain", seed));
    expect(result.events).toBeGreaterThanOrEqual(10_000);
    expect(result.faults).toBeGreaterThanOrEqual(20);
    results.push(result);
  }
  const totals = addUp(results);
  console.log(totalsLine(`${SEEDS} seeds`, totals));
  expect(totals).toMatchObject({ overlaps: 0, twice: 0 });
  expect(totals.rows).toBeGreaterThan(1_000 * SEEDS);
});

it.each(["plain", "race", "crash", "suspend"] as const)(
  "a run of kind %s is the same to the byte when it is played again",
  async (kind) => {
    const [first, again, other] = [7, 7, 8].map((seed) => scenario(kind, seed));
    const result = await runSeed(first!);
    expect(await runSeed(again!)).toEqual(result);
    expect((await runSeed(other!)).digest).not.toBe(result.digest);
  },
);

describe.each(PLANTED)("planted: $name", ({ plant, scenario: kind, breach }) => {
  it("is found out", async () => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const failure = await runSeed({ ...scenario(kind, seed), plant }).then(
        () => null,
        sentenceOf,
      );
      if (failure === null) continue;
      expect(failure).toMatch(breach);
      // The same run without the bug.
      await runSeed(scenario(kind, seed));
      return;
    }
    expect.fail(`not found in ${SEEDS_MAX} seeds`);
  });
});
