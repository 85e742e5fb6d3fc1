// The kinds of runs there are. A run is named `kind:seed`; that name alone plays it again, byte for byte.
import { seeded } from "../../app/sim/market/random.ts";
import { DEAF_FAULTS, RACE_FAULTS, SUSPEND_FAULTS } from "./faults.ts";
import type { RunOptions } from "./run.ts";

type Scenario = (seed: number) => Omit<RunOptions, "scenario" | "seed">;

/** Edges killed in one run of `crash`. */
const CRASHES = 4;
/** Events of a run in which they are killed. */
const CRASH_EVENTS = 9_000;
const RACE_MS = 100_000;

const SCENARIOS = {
  /** Two sites, one account each and one that both may hold; every fault there is. */
  plain: () => ({}),
  /** Three sites want the same accounts; every other run, the processes of one site do. */
  race: (seed) => ({
    sites:
      seed % 2
        ? { a: ["kis:1", "kis:2"], b: ["kis:1", "kis:2"], c: ["kis:1", "kis:2"] }
        : { a: ["kis:1", "kis:2"], b: ["kis:3"] },
    faults: RACE_FAULTS,
    ...{ aimed: 0.8, faultsMin: 24, faultyMs: RACE_MS, killGraceMs: 5_500, framesPerSecond: 4 },
  }),
  /** Edges are killed between any two events. */
  crash: (seed) => {
    const random = seeded(seed);
    const at = Array.from({ length: CRASHES }, () => Math.floor(random() * CRASH_EVENTS));
    return {
      crashAtEvents: at.sort((a, b) => a - b),
      ...{ faultsMin: 4, faultyMs: 60_000, outboxBytes: 10_000_000 },
    };
  },
  /** A process is replaced by order while it collects, and its batches still get through. */
  deaf: () => ({
    sites: { home: ["kis:1"] },
    faults: DEAF_FAULTS,
    ...{ faultsMin: 3, faultyMs: 50_000, quietMs: 500, killGraceMs: 1_500, mayOverlap: true },
  }),
  /** Laptops whose lid is closed and opened. */
  suspend: () => ({ faults: SUSPEND_FAULTS, aimed: 0.8, faultsMin: 5, faultyMs: 100_000 }),
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

export function scenario(name: ScenarioName, seed: number): RunOptions {
  return { ...SCENARIOS[name](seed), scenario: name, seed };
}

/** The run that `kind:seed` names. */
export function namedScenario(text: string): RunOptions {
  const [name, seed] = text.split(":");
  if (!name || !(name in SCENARIOS)) {
    throw new Error(`${text}: ${Object.keys(SCENARIOS).join(", ")}, then a colon and the seed`);
  }
  return scenario(name as ScenarioName, Number(seed));
}
