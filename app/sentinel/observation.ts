// What one look saw, as the rules read it. Between the watcher, which asks, and the rules, which judge.
import type { EdgeStatus } from "../shared/gateway-protocol.ts";
import type { HubWatch } from "../shared/watch.ts";

/** seen: it answered `/watch`. unready: it answers, and says why it does not do its work. away: no answer. */
export type HubSight =
  | { name: "seen"; watch: HubWatch; offset: ClockOffset }
  | { name: "unready"; reason: string }
  | { name: "away"; reason: string };

/** The other clock less ours, known to within `errorMs`. */
export interface ClockOffset {
  offsetMs: number;
  errorMs: number;
}

/**
 * `status` only where it was asked for: an edge pays for what it sends. `wasSeen`: it has answered this process
 * before; one that never did may not be deployed yet.
 */
export type EdgeSight =
  { name: "seen"; status: EdgeStatus | null } | { name: "away"; reason: string; wasSeen: boolean };

/** Something that fails for so long, and how. */
export interface Failing {
  forMs: number;
  code: string;
}

export interface Observation {
  nowMs: number;
  hub: HubSight;
  /** Every edge that is watched. */
  edges: ReadonlyMap<string, EdgeSight>;
  /** By account: how often its lease's epoch rose lately. */
  epochRises: ReadonlyMap<string, number>;
  /** By channel: null while it takes messages. */
  channels: ReadonlyMap<string, Failing | null>;
  /** The hub's door for what the Sentinel tells. */
  door: Failing | null;
  /** Keys and certificates with an end, known here: by the settings, or seen in a TLS handshake. */
  expiries: readonly { subject: string; atMs: number }[];
}
