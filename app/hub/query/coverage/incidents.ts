// One reconnect leaves a gap in every symbol and channel: to a person it is one thing that happened. Pure;
// joins the gaps of a source that share a moment, for the status line, the page and the log.
import type { GapSummary } from "./summary.ts";

export type Outcome = "open" | "refilled" | "partial" | "lost";

export interface Incident {
  source: string;
  fromMs: number;
  toMs: number;
  /** The reason that explains most: an error code before a mere step of the volume. */
  reason: string;
  gaps: number;
  symbols: number;
  /** What became of the trades, and of the books; null where none of these are missing. */
  trades: Outcome | null;
  books: Outcome | null;
}

type Member = Pick<
  GapSummary,
  "source" | "venue" | "symbol" | "channel" | "fromMs" | "toMs" | "reason" | "state"
>;

/** Gaps of one source whose spans touch belong together. Newest first. */
export function incidentsOf(gaps: readonly Member[]): Incident[] {
  const bySource = Map.groupBy(gaps, ({ source }) => source);
  const incidents = [...bySource.values()].flatMap((own) => {
    const groups: { toMs: number; members: Member[] }[] = [];
    for (const gap of [...own].sort((one, other) => one.fromMs - other.fromMs)) {
      const last = groups.at(-1);
      if (last && gap.fromMs <= last.toMs) {
        last.members.push(gap);
        last.toMs = Math.max(last.toMs, gap.toMs);
      } else groups.push({ toMs: gap.toMs, members: [gap] });
    }
    return groups.map(({ members }) => incidentOf(members));
  });
  return incidents.sort((one, other) => other.fromMs - one.fromMs);
}

function incidentOf(members: readonly Member[]): Incident {
  const symbols = new Set(members.map(({ venue, symbol }) => `${venue}/${symbol}`));
  return {
    source: members[0]!.source,
    fromMs: members[0]!.fromMs,
    toMs: Math.max(...members.map(({ toMs }) => toMs)),
    reason: reasonOf(members),
    gaps: members.length,
    symbols: symbols.size,
    trades: worst(members.filter(({ channel }) => channel === "trade")),
    books: worst(members.filter(({ channel }) => channel === "book")),
  };
}

/** What only says that volume is missing, or that nobody knows of a day's end, is the effect, not the cause. */
const EFFECTS = new Set(["VOLUME_STEP", "VOLUME_CONFLICT", "DAY_START", "DAY_END"]);

function reasonOf(members: readonly Member[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of members) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const ranked = [...counts].sort(
    ([one, often], [other, asOften]) =>
      Number(EFFECTS.has(one)) - Number(EFFECTS.has(other)) || asOften - often,
  );
  return ranked[0]![0];
}

const WORST_FIRST = ["open", "lost", "partial", "refilled"] as const;

function worst(members: readonly Member[]): Outcome | null {
  const outcomes = new Set(members.map(({ state }) => outcomeOf(state)));
  return WORST_FIRST.find((outcome) => outcomes.has(outcome)) ?? null;
}

function outcomeOf(state: Member["state"]): Outcome {
  if (state === "suspected" || state === "refilling") return "open";
  return state === "explained" ? "refilled" : state;
}
