// Bugs that would be easy to make, each planted in the model around the real code, and the kind of run in
// which a law finds it out. The same runs without the bug are the control.
import type { Plant } from "./world.ts";
import type { ScenarioName } from "./scenarios.ts";

export interface Planted {
  /** What is done wrong. */
  name: string;
  plant: Plant;
  scenario: ScenarioName;
  /** The law that says so. */
  breach: RegExp;
}

/** Runs within which a law has to find it. */
export const SEEDS_MAX = 20;

export const PLANTED: readonly Planted[] = [
  {
    name: "ack before commit",
    plant: { acksEarly: true },
    scenario: "plain",
    breach: /was acked/,
  },
  {
    name: "epoch read without the account's lock",
    plant: { unlockedEpoch: true },
    scenario: "deaf",
    breach: /had ended before its stamp/,
  },
  {
    name: "numbers reused after a restart",
    plant: { reusesNumbers: true },
    scenario: "plain",
    breach: /is a number of a process before/,
  },
  {
    name: "a refill not clipped to its gap",
    plant: { unclippedRefill: true },
    scenario: "plain",
    breach: /stored twice/,
  },
  {
    name: "a batch in flight that is trimmed",
    plant: { trimsInFlight: true },
    scenario: "plain",
    breach: /holds less than it has sent|records are missing|other counts|and the database/,
  },
  {
    name: "a content hash as the book's key",
    plant: { contentKey: true },
    scenario: "plain",
    breach: /records are missing/,
  },
  {
    name: "COUNT ignored in a frame of several records",
    plant: { ignoresCount: true },
    scenario: "plain",
    breach: /records of a frame/,
  },
  {
    name: "a lease kept over a suspend",
    plant: { keepsLeaseOverSuspend: true },
    scenario: "suspend",
    breach: /two sockets|captured outside/,
  },
];

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
