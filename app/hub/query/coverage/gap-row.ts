// A row of the table `gap`, and the words in it.
import type { Span } from "./spans.ts";

export type GapKind = "hole" | "head" | "tail" | "time";
export type GapState = "suspected" | "refilling" | "refilled" | "explained" | "partial" | "lost";
export type GapOutcome = "filled" | "explained" | "partial" | "missing" | "failed";

/** What is known of a gap, whoever asks. */
export interface Gap extends Span {
  kind: GapKind;
  chain: number | null;
  /** Cumulative volume before and after what is missing; null where nobody knows. */
  seqFrom: number | null;
  seqTo: number | null;
  state: GapState;
  /** What the broker's REST was found to show; null where nobody was asked. */
  outcome: GapOutcome | null;
  reason: string;
}

/** Why there is a gap; else an error code, a loss's reason, or one of feed-life.ts. */
export const REASON = {
  /** The cumulative volume does not go on. */
  volume: "VOLUME_STEP",
  /** The first trade is not the day's first by itself. */
  dayStart: "DAY_START",
  /** The last trade is not the day's last by itself. */
  dayEnd: "DAY_END",
  conflict: "VOLUME_CONFLICT",
} as const;

/** For good: nobody will be asked again. */
export function isFinal(state: GapState): boolean {
  return state !== "suspected" && state !== "refilling";
}
