// When an account's feed was alive and when it was away, from its broker sockets' sessions as the edges told
// of them. Pure. Promises: alive is only what a session heard frames in; away is only what lies behind a
// session, so that times before anybody collected, or after somebody chose to stop, are neither.
import type { Span } from "./spans.ts";
import { union } from "./spans.ts";

/** One row of `feed_session`; market time. */
export interface SessionLife {
  /** The process that had it. */
  holder: string;
  fromMs: number;
  heardMs: number;
  /** Null while nobody has told of its end. */
  toMs: number | null;
  /** Why it ended; null where it was meant to. */
  code: string | null;
}

/** Nothing was heard: whatever happened then has not been captured. */
export interface Outage extends Span {
  /** The error code of the session's end; `KILLED` when its process vanished, `STOPPED` when it was meant. */
  reason: string;
  /** A new session has begun. */
  isOver: boolean;
  /** The process whose session it was, and when that had begun. */
  holder: string;
  sessionMs: number;
}

export interface FeedLife {
  alive: Span[];
  outages: Outage[];
}

/** An open session that was not heard of for so long may be away, or only the link to its edge. */
const SILENCE_MS = 30_000;
/** After so long an account that ended badly is one that nobody runs any more. */
const OUTAGE_MS_MAX = 7 * 86_400_000;

/**
 * The life of one account's feed up to `nowMs` (market time). A pause after an end that was meant is an
 * outage only if the feed comes back on the same day; `dayOf` says which day that is.
 */
export function lifeOf(
  sessions: readonly SessionLife[],
  nowMs: number,
  dayOf: (ms: number) => number,
): FeedLife {
  const sorted = [...sessions].sort((one, other) => one.fromMs - other.fromMs);
  const outages: Outage[] = [];
  for (const [index, session] of sorted.entries()) {
    const outage = after(session, sorted.slice(0, index), sorted[index + 1], nowMs, dayOf);
    if (outage && outage.fromMs < outage.toMs) outages.push(outage);
  }
  const alive = sorted.map(({ fromMs, heardMs }) => ({ fromMs: up(fromMs), toMs: down(heardMs) }));
  return { alive: union(alive), outages };
}

function after(
  { holder, fromMs, heardMs, toMs, code }: SessionLife,
  before: readonly SessionLife[],
  next: SessionLife | undefined,
  nowMs: number,
  dayOf: (ms: number) => number,
): Outage | null {
  // Another one was heard longer: what comes after is told of that one.
  if (before.some((other) => other.heardMs > heardMs)) return null;
  const isMeant = toMs !== null && code === null;
  const reason = isMeant ? "STOPPED" : (code ?? (next ? "KILLED" : "SILENT"));
  const from = down(heardMs);
  const whose = { holder, sessionMs: down(fromMs) };
  if (next) {
    const isAway = isMeant
      ? dayOf(heardMs) === dayOf(next.fromMs)
      : next.fromMs - heardMs < OUTAGE_MS_MAX;
    return isAway ? { fromMs: from, toMs: up(next.fromMs), reason, isOver: true, ...whose } : null;
  }
  // Of a session that heard nothing yet, or of a market that stands still, there is nothing to miss.
  if (isMeant || heardMs <= fromMs) return null;
  if (toMs === null && nowMs - heardMs < SILENCE_MS) return null;
  const endMs = Math.min(nowMs, heardMs + OUTAGE_MS_MAX);
  return { fromMs: from, toMs: up(endMs), reason, isOver: false, ...whose };
}

// Exchange times are whole seconds: so is what is said of them.
function up(ms: number): number {
  return Math.ceil(ms / 1_000) * 1_000;
}

function down(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}
