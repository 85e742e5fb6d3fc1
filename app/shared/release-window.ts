// When a hub or a collector may be restarted: not in continuous trading of a market that is collected, nor
// shortly before it. Pure. The calendar's other sessions are left out on purpose: with them, New York's
// early and late trade and Korea's evening, no weekday would have an hour left.
import { sessionsBetween } from "./calendar.ts";
import type { TradingSession } from "./calendar.ts";
import type { Venue } from "./tick.ts";

export interface ReleaseWindow {
  /** A restart may begin now. */
  open: boolean;
  /** What forbids it; its times as ISO. */
  session: { venue: string; kind: string; from: string; to: string } | null;
  /** When it may begin; null when it may now. ISO. */
  nextQuietAt: string | null;
}

/** KRX 09:00 to 15:30; New York 09:30 to 16:00, which is 22:30 or 23:30 in Korea. */
const KINDS = new Set(["regular", "closing_auction"]);
/** A roll-out, its check and the way back have to be over when the market opens. */
const LEAD_MS = 10 * 60_000;
/** Longer than any session with what follows it at once. */
const REACH_MS = 24 * 3_600_000;

/** The window at `nowMs` (market time) for these venues. A weekday that no table knows counts as trading. */
export function releaseWindow(venues: readonly Venue[], nowMs: number): ReleaseWindow {
  const sessions = venues
    .flatMap((venue) => sessionsBetween(venue, nowMs, nowMs + REACH_MS))
    .filter(({ kind }) => KINDS.has(kind))
    .sort((one, other) => one.fromMs - other.fromMs);
  const first = sessions.find((session) => forbids(session, nowMs));
  if (!first) return { open: true, session: null, nextQuietAt: null };
  let quietMs = first.toMs;
  for (const session of sessions) {
    if (forbids(session, quietMs)) quietMs = session.toMs;
  }
  const { venue, kind, fromMs, toMs } = first;
  return {
    open: false,
    session: { venue, kind, from: iso(fromMs), to: iso(toMs) },
    nextQuietAt: iso(quietMs),
  };
}

function forbids({ fromMs, toMs }: TradingSession, ms: number): boolean {
  return fromMs - LEAD_MS <= ms && ms < toMs;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
