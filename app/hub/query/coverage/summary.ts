// The ledger of the market's day in a few figures, for the status line, the page and the log. Pure; a view
// of what the keeper has in memory, which is what the tables say.
import { kstDay, venueDay } from "../../../shared/market-time.ts";
import type { GapRow, SymbolLedger } from "./day-ledger.ts";
import type { GapKind, GapState } from "./gap-row.ts";
import { isFinal, REASON } from "./gap-row.ts";
import { spanOfDay } from "./expected.ts";
import type { Incident } from "./incidents.ts";
import { incidentsOf } from "./incidents.ts";
import type { OpenDay } from "./open-day.ts";
import { placeKey } from "./open-day.ts";
import { sentenceOf } from "./sentence.ts";
import { clip } from "./spans.ts";
import { isProven } from "./timeline.ts";

export interface GapSummary {
  id: number;
  source: string;
  venue: string;
  symbol: string;
  channel: string;
  kind: GapKind;
  fromMs: number;
  toMs: number;
  state: GapState;
  /** VOLUME_STEP, an error code (FEED_CLOSED, …), KILLED, STOPPED, or a loss's reason. */
  reason: string;
  /** Shares; null where nobody knows. */
  missingVolume: number | null;
}

export interface CoverageSummary {
  /** All of this in one sentence: the status line, the page and the log say it in these words. */
  sentence: string;
  /** Korea's, YYYYMMDD, by the market's clock; New York's venues are counted by their own day. */
  day: number;
  /** With a trade channel. */
  symbols: number;
  /**
   * Of the time in which trades were expected so far and somebody collected, over all sources and symbols:
   * what is proved, by volume and by volume and count; what only the feed speaks for. Null while nothing
   * was expected. The rest is suspected or a gap.
   */
  verifiedShare: number | null;
  aliveShare: number | null;
  /** The same of books, which nothing can prove. */
  booksAliveShare: number | null;
  /** Newest first, at most GAPS_MAX. Those that turned out to be none are left out, as all counts do. */
  gaps: GapSummary[];
  /** What happened, however many symbols and channels it touched; newest first, at most INCIDENTS_MAX. */
  incidents: Incident[];
  gapCounts: Record<Exclude<GapState, "explained">, number>;
  /** Rows of the table `gap` that wait for an answer, questions about a day's ends included. */
  openQuestions: number;
  /** When the tables were last read, by the hub's wall clock; null before the first time. */
  checkedMs: number | null;
}

const GAPS_MAX = 100;
const INCIDENTS_MAX = 20;

/** `nowMs` is market time; `wallMs` says whether its day is today. */
export function summaryOf(
  days: readonly OpenDay[],
  nowMs: number,
  wallMs: number,
  checkedMs: number | null,
): CoverageSummary {
  const shares = { trade: { due: 0, proven: 0, alive: 0 }, book: { due: 0, proven: 0, alive: 0 } };
  const names = new Set<string>();
  const rows: (GapRow & { source: string })[] = [];
  for (const open of days) {
    for (const symbol of open.ledger.symbols.values()) {
      if (venueDay(symbol.venue, nowMs) !== open.ledger.day) continue;
      if (symbol.channels.has("trade")) names.add(`${symbol.venue}/${symbol.symbol}`);
      for (const channel of symbol.channels) {
        measure(open, symbol, channel, nowMs, shares[channel]);
        const { source } = open.ledger;
        rows.push(...open.ledger.gapsOf(symbol, channel).map((row) => ({ ...row, source })));
      }
    }
  }
  const shown = rows
    .filter(isFinding)
    .sort((one, other) => other.fromMs - one.fromMs || other.id - one.id);
  const gapCounts = { suspected: 0, refilling: 0, refilled: 0, partial: 0, lost: 0 };
  for (const { state } of shown) if (state !== "explained") gapCounts[state] += 1;
  const incidents = incidentsOf(shown);
  const told = {
    day: kstDay(nowMs),
    symbols: names.size,
    verifiedShare: share(shares.trade.proven, shares.trade.due),
    aliveShare: share(shares.trade.alive, shares.trade.due),
  };
  return {
    sentence: sentenceOf({ ...told, incidents }, kstDay(wallMs)),
    ...told,
    booksAliveShare: share(shares.book.alive, shares.book.due),
    gaps: shown.slice(0, GAPS_MAX).map(gapSummary),
    incidents: incidents.slice(0, INCIDENTS_MAX),
    gapCounts,
    openQuestions: rows.filter(({ state }) => !isFinal(state)).length,
    checkedMs,
  };
}

function measure(
  open: OpenDay,
  { venue, symbol }: SymbolLedger,
  channel: string,
  nowMs: number,
  sum: { due: number; proven: number; alive: number },
): void {
  // A second has passed when the next one begins.
  const soFar = { fromMs: spanOfDay(venue, open.ledger.day).fromMs, toMs: nowMs + 1_000 };
  const intervals = open.written.get(placeKey(channel, venue, symbol)) ?? [];
  for (const { state, fromMs, toMs } of clip(intervals, soFar)) {
    if (state === "not expected" || state === "not recorded") continue;
    sum.due += toMs - fromMs;
    if (isProven({ state })) sum.proven += toMs - fromMs;
    if (state === "alive") sum.alive += toMs - fromMs;
  }
}

/** Not the questions about a day's ends while they are asked, and not what turned out to be nothing. */
export function isFinding({ state, reason }: GapRow): boolean {
  const isQuestion = reason === REASON.dayStart || reason === REASON.dayEnd;
  return state !== "explained" && !(isQuestion && !isFinal(state));
}

function gapSummary(row: GapRow & { source: string }): GapSummary {
  const { id, source, venue, symbol, channel, kind, fromMs, toMs, state, reason } = row;
  const isKnown = row.seqFrom !== null && row.seqTo !== null;
  const missingVolume = isKnown ? row.seqTo! - row.seqFrom! : null;
  return { id, source, venue, symbol, channel, kind, fromMs, toMs, state, reason, missingVolume };
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
