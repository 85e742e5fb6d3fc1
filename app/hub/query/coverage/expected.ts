// When trades are due: the calendar's sessions of a venue's day, less the symbol's own halts and volatility
// interruptions. Pure. Where there is no calendar, nothing is excused: the whole day counts as expected.
import { horizonOf, sessionsOf } from "../../../shared/calendar.ts";
import { addDays, venueMs } from "../../../shared/market-time.ts";
import type { Venue } from "../../../shared/tick.ts";
import type { Span } from "./spans.ts";
import { clip, union } from "./spans.ts";

/** A row of the table `status`, as far as it matters here. */
export interface StatusNews {
  atMs: number;
  what: string;
  code: string;
  detail: Readonly<Record<string, unknown>>;
}

/** Brokers tell of a VI's end late or not at all; the exchange's auction after one takes two minutes. */
const VI_MS_MAX = 120_000 + 30_000;

/** The venue's whole calendar day: 23, 24 or 25 hours. */
export function spanOfDay(venue: Venue, day: number): Span {
  return { fromMs: venueMs(venue, day, 0), toMs: venueMs(venue, addDays(day, 1), 0) };
}

/** Times of `day` (YYYYMMDD) in which `venue` holds any session, auctions included. */
export function expectedSpans(venue: Venue, day: number): Span[] {
  const whole = spanOfDay(venue, day);
  if (horizonOf(venue) === null) return [whole];
  return union(clip(sessionsOf(venue, day), whole));
}

/**
 * Halts and volatility interruptions in `news` (any order), until somebody tells of their end. One of whose
 * end nobody tells lasts until the symbol has traded again (`tradedMs`, its last trade), else to `untilMs`.
 * KIS: field TRHT_YN of a trade or of H0STMKO0, its VI_CLS_CODE; Kiwoom: type 1h, 9068 is 1 set, 2 released.
 */
export function quietSpans(
  news: readonly StatusNews[],
  untilMs: number,
  tradedMs = Number.NEGATIVE_INFINITY,
): Span[] {
  const open: Record<"vi" | "halt", number | null> = { vi: null, halt: null };
  const spans: Span[] = [];
  const end = (kind: "vi" | "halt", atMs: number) => {
    const fromMs = open[kind];
    if (fromMs === null) return;
    spans.push({ fromMs, toMs: kind === "vi" ? Math.min(atMs, fromMs + VI_MS_MAX) : atMs });
    open[kind] = null;
  };
  for (const one of [...news].sort((a, b) => a.atMs - b.atMs)) {
    for (const [kind, isOn] of changesIn(one)) {
      const isOver = kind === "vi" && one.atMs > (open.vi ?? Infinity) + VI_MS_MAX;
      if (!isOn || isOver) end(kind, one.atMs);
      // Trades of the second in which it began may still be due.
      if (isOn) open[kind] ??= one.atMs + 1_000;
    }
  }
  for (const kind of ["vi", "halt"] as const) {
    const fromMs = open[kind] ?? Infinity;
    end(kind, tradedMs >= fromMs ? tradedMs : untilMs);
  }
  return union(spans);
}

function changesIn({ what, code, detail }: StatusNews): ["vi" | "halt", boolean][] {
  const { VI_CLS_CODE: vi, TRHT_YN: halted, ISCD_STAT_CLS_CODE: state } = detail;
  const changes: ["vi" | "halt", boolean][] = [];
  if (what === "vi" && vi === undefined) changes.push(["vi", code !== "2"]);
  if (typeof vi === "string" && vi !== "") changes.push(["vi", vi === "Y"]);
  if (what === "halt" && halted === undefined) changes.push(["halt", code === "Y"]);
  if (typeof halted === "string" && halted !== "")
    changes.push(["halt", halted === "Y" || state === "58"]);
  return changes;
}
