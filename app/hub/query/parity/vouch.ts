// When a side answers for a symbol: what should have come then and did not is its loss, anything else only
// lowers what is known. Pure; the feeds' sessions, declared losses and gaps come from the ledger of coverage.
import type { ChannelLoss, GapRow } from "../coverage/day-ledger.ts";
import type { SessionLife } from "../coverage/feed-life.ts";
import { lifeOf } from "../coverage/feed-life.ts";
import { REASON } from "../coverage/gap-row.ts";
import type { Span } from "../coverage/spans.ts";
import { clip, union, without } from "../coverage/spans.ts";

/** What is known of one account's day. */
export interface AccountLife {
  source: string;
  sessions: readonly SessionLife[];
  recorded: readonly Span[];
  losses: readonly ChannelLoss[];
  gaps: readonly GapRow[];
}

/** Which account had a symbol from its first live trade to its last; several where it moved. */
export interface Tenure extends Span {
  source: string;
}

/** A trade of a second reaches an edge later, and clocks differ: at a session's ends nobody can say. */
const EDGE_MS = 2_000;
const SECOND_MS = 1_000;

/** Gaps that say of themselves that only the volume shows them: the feed was alive. */
const UNDER_A_LIVING_FEED: ReadonlySet<string> = new Set(Object.values(REASON));

/** Times in which the account's feed answers for `venue`/`symbol`; sorted, apart. */
export function answeredSpans(
  { sessions, recorded, losses, gaps }: AccountLife,
  place: { venue: string; symbol: string },
  nowMs: number,
  dayOf: (ms: number) => number,
): Span[] {
  const { alive } = lifeOf(sessions, nowMs, dayOf);
  const inner = alive.map(({ fromMs, toMs }) => ({
    fromMs: fromMs + EDGE_MS,
    toMs: toMs - EDGE_MS,
  }));
  const away = [
    ...losses
      .filter(({ channel }) => channel === "trade")
      .map(({ fromMs, toMs }) => ({ fromMs: fromMs - EDGE_MS, toMs: toMs + EDGE_MS })),
    ...gaps
      .filter(
        ({ channel, venue, symbol, reason }) =>
          channel === "trade" &&
          venue === place.venue &&
          symbol === place.symbol &&
          !UNDER_A_LIVING_FEED.has(reason),
      )
      .map(({ fromMs, toMs }) => ({ fromMs, toMs: toMs + SECOND_MS })),
  ];
  const declared = union(away);
  return union([...inner, ...recorded]).flatMap((span) => without(span, declared));
}

/**
 * Whether a side answers for the second that begins at `ms`. A symbol lives at one account at a time: inside
 * an account's tenure that account answers, before the first and after the last the nearest, and between two
 * nobody does.
 */
export function answers(
  tenures: readonly Tenure[],
  spans: ReadonlyMap<string, readonly Span[]>,
  ms: number,
): boolean {
  const second = { fromMs: ms, toMs: ms + SECOND_MS };
  const isAlive = (source: string) => {
    const [inside] = clip(spans.get(source) ?? [], second);
    return inside?.fromMs === second.fromMs && inside.toMs === second.toMs;
  };
  // Of a symbol that has never come, any of the accounts may have it.
  if (tenures.length === 0) return [...spans.keys()].some(isAlive);
  const within = tenures.filter(({ fromMs, toMs }) => fromMs <= ms && ms <= toMs);
  if (within.length > 0) return within.every(({ source }) => isAlive(source));
  const before = tenures.filter(({ toMs }) => toMs < ms).sort((a, b) => b.toMs - a.toMs)[0];
  const after = tenures.filter(({ fromMs }) => fromMs > ms).sort((a, b) => a.fromMs - b.fromMs)[0];
  if (before && after && before.source !== after.source) return false;
  return isAlive((before ?? after)!.source);
}
