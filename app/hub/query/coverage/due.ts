// What the watchdog asks of the market's day: how many symbols each account is to bring trades of and how many
// of those a VI or a halt keeps quiet, and which gaps wait for too long. Pure; a view of what the keeper holds.
import type { Venue } from "../../../shared/tick.ts";
import { venueDay } from "../../../shared/market-time.ts";
import { keyOf } from "./day-ledger.ts";
import type { AssignedChannel } from "./evidence.ts";
import { quietSpans } from "./expected.ts";
import { isFinal } from "./gap-row.ts";
import type { OpenDay } from "./open-day.ts";
import { isFinding } from "./summary.ts";

/** By venue. */
export type Places = Record<string, { symbols: number; quiet: number }>;

export interface Due {
  /** By account. */
  places: ReadonlyMap<string, Places>;
  gaps: { open: number; oldestMs: number | null; lost: number };
}

export function dueOf(
  days: ReadonlyMap<string, OpenDay>,
  assigned: readonly AssignedChannel[],
  nowMs: number,
): Due {
  const places = new Map<string, Places>();
  for (const { source, venue, symbol, channel } of assigned) {
    if (channel !== "trade") continue;
    const own = places.get(source) ?? {};
    places.set(source, own);
    const place = (own[venue] ??= { symbols: 0, quiet: 0 });
    place.symbols += 1;
    const open = days.get(`${source}/${venueDay(venue, nowMs)}`);
    if (open && isQuiet(open, venue, symbol, nowMs)) place.quiet += 1;
  }
  return { places, gaps: gapsOf(days.values(), nowMs) };
}

function isQuiet({ ledger }: OpenDay, venue: Venue, symbol: string, nowMs: number): boolean {
  const key = keyOf(venue, symbol);
  const news = ledger.facts.news.get(key) ?? [];
  if (news.length === 0) return false;
  const lastMs = ledger.symbols.get(key)?.lastMs();
  return quietSpans(news, nowMs + 1, lastMs).some(
    ({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs,
  );
}

/** Of trades, of the market's day. What can be asked of nobody (books) is told by the coverage alone. */
function gapsOf(days: Iterable<OpenDay>, nowMs: number): Due["gaps"] {
  const gaps: Due["gaps"] = { open: 0, oldestMs: null, lost: 0 };
  for (const { ledger } of days) {
    for (const symbol of ledger.symbols.values()) {
      if (venueDay(symbol.venue, nowMs) !== ledger.day) continue;
      for (const row of ledger.gapsOf(symbol, "trade").filter(isFinding)) {
        if (row.state === "partial" || row.state === "lost") gaps.lost += 1;
        if (isFinal(row.state)) continue;
        gaps.open += 1;
        gaps.oldestMs = Math.min(gaps.oldestMs ?? Infinity, row.toMs);
      }
    }
  }
  return gaps;
}
