// How complete one day is, worked out from the tables alone and from scratch: the same evidence and the same
// pure code as the keeper's, none of its memory. Says what is not proven, and where the ledger that the
// keeper has written says something else. Reads only.
import type pg from "pg";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { isSame } from "./changes.ts";
import type { Channel, DayLedger, SymbolLedger } from "./day-ledger.ts";

import * as evidence from "./evidence.ts";
import { spanOfDay } from "./expected.ts";
import { OpenDay, placeKey } from "./open-day.ts";
import { clip } from "./spans.ts";
import type { CoverageState, Interval } from "./timeline.ts";

/** Milliseconds in each state, over all symbols of a channel; they sum to symbols times the day. */
export type StateSums = Record<CoverageState, number>;

export interface UnprovenSpan {
  source: string;
  venue: string;
  symbol: string;
  channel: Channel;
  fromMs: number;
  toMs: number;
  state: CoverageState;
  reason: string;
  /** Shares; null where nobody knows. */
  missingVolume: number | null;
}

export interface SourceReport {
  source: string;
  trades: number;
  channels: { channel: Channel; symbols: number; sums: StateSums }[];
  unproven: UnprovenSpan[];
  /** `trade KRX/005930` where the stored ledger differs; empty, too, where none was kept. */
  differs: string[];
}

/** What the keeper may not have written yet. */
const SETTLED_MS = 30_000;

/** One source's `day` (YYYYMMDD). Null where nothing is known of it. */
export async function verifySource(
  pool: pg.Pool,
  source: string,
  day: number,
  market: MarketClock,
  nowMs: number,
): Promise<SourceReport | null> {
  const open = await OpenDay.load(pool, source, day);
  const recorded = (await evidence.readRecorded(pool)).get(source) ?? [];
  const sessions = await evidence.readSessions(pool, [source], evidence.widestDay(day));
  open.hear(sessions.get(source) ?? [], recorded);
  open.adopt(await evidence.readAssigned(pool), nowMs);
  await open.refresh(pool, market);
  const symbols = [...open.ledger.symbols.values()];
  if (symbols.length === 0) return null;
  const report: SourceReport = {
    source,
    trades: open.trades,
    channels: [],
    unproven: [],
    differs: [],
  };
  for (const channel of ["trade", "book"] as const) {
    const sums = noTime();
    const those = symbols.filter(({ channels }) => channels.has(channel));
    for (const symbol of those) {
      const intervals = open.ledger.intervals(symbol, channel, nowMs);
      for (const { state, fromMs, toMs } of intervals) sums[state] += toMs - fromMs;
      report.unproven.push(...unprovenOf(open.ledger, symbol, channel, intervals));
      if (differs(open, symbol, channel, intervals, nowMs)) {
        report.differs.push(`${channel} ${symbol.venue}/${symbol.symbol}`);
      }
    }
    report.channels.push({ channel, symbols: those.length, sums });
  }
  return report;
}

/** Of what was expected while somebody collected, the share that is proved; null where nothing was. */
export function provenShare(sums: StateSums): number | null {
  const proven = sums.verified + sums["volume-verified"];
  const due = proven + sums.alive + sums.suspected + sums.gap;
  return due === 0 ? null : proven / due;
}

function noTime(): StateSums {
  return {
    ...{ verified: 0, "volume-verified": 0, alive: 0, suspected: 0, gap: 0 },
    ...{ "not recorded": 0, "not expected": 0 },
  };
}

/** A book is as good as its feed: nothing can prove more. */
function unprovenOf(
  { source }: DayLedger,
  { venue, symbol }: SymbolLedger,
  channel: Channel,
  intervals: readonly Interval[],
): UnprovenSpan[] {
  const bad = ["suspected", "gap", ...(channel === "trade" ? ["alive"] : [])];
  return intervals
    .filter(({ state }) => bad.includes(state))
    .map(({ fromMs, toMs, state, reason, seqFrom, seqTo }) => {
      const missingVolume = seqFrom === null || seqTo === null ? null : seqTo - seqFrom;
      return { source, venue, symbol, channel, fromMs, toMs, state, reason, missingVolume };
    });
}

function differs(
  { ledger, written }: OpenDay,
  { venue, symbol }: SymbolLedger,
  channel: Channel,
  intervals: readonly Interval[],
  nowMs: number,
): boolean {
  const stored = written.get(placeKey(channel, venue, symbol));
  if (!stored) return false;
  const { fromMs, toMs } = spanOfDay(venue, ledger.day);
  const settled = { fromMs, toMs: nowMs < toMs ? nowMs - SETTLED_MS : toMs };
  const [one, other] = [clip(stored, settled), clip(intervals, settled)];
  return one.length !== other.length || one.some((row, index) => !isSame(row, other[index]!));
}
