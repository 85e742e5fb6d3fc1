// Whose ticks a hub and its edges carry: real brokers', or the simulator's. The two never meet. Each side of a link
// says which it is and compares, so that one of them is enough to keep them apart; whoever does not say, because
// it is of a release before this, carries real ones.
import { CANARY } from "./canary.ts";

export const BROKER_KINDS = ["real", "simulated"] as const;
export type BrokerKind = (typeof BROKER_KINDS)[number];

/** May `edge` and a hub have to do with each other? The canary carries nothing, and is let in everywhere. */
export function isSameKind(
  edge: string,
  one: BrokerKind | undefined,
  other: BrokerKind | undefined,
): boolean {
  return edge === CANARY || (one ?? "real") === (other ?? "real");
}
