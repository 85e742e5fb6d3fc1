// What time the market has. Production: the wall clock. A tape or a simulation plays another day, and
// says so with TICKHUB_MARKET_CLOCK; everything that dates a tick asks here.
import type { Clock } from "./clock.ts";
import { TickhubError } from "./errors.ts";

/** Market time in epoch ms, given the wall clock. */
export type MarketClock = (wallMs: number) => number;

/**
 * `wall`, or `fixed:2020-06-04T23:59:59+09:00` (a whole day is replayed at once), or
 * `from:2020-06-04T09:00:00+09:00@1763863200000*2` (that moment was the market's at that epoch ms, and it
 * runs at twice the speed). Throws CONFIG_INVALID.
 */
export function parseMarketClock(text: string): MarketClock {
  if (text === "" || text === "wall") return (wallMs) => wallMs;
  const fixed = /^fixed:(.+)$/.exec(text);
  if (fixed) {
    const marketMs = instant(fixed[1]!, text);
    return () => marketMs;
  }
  const from = /^from:([^@]+)@(\d+)(?:\*(\d+(?:\.\d+)?))?$/.exec(text);
  if (from) {
    const marketMs = instant(from[1]!, text);
    const anchorMs = Number(from[2]);
    const speed = Number(from[3] ?? 1);
    return (wallMs) => marketMs + (wallMs - anchorMs) * speed;
  }
  throw invalid(text);
}

/** The wall clock behind a market clock, as one call. */
export function marketNow(market: MarketClock, clock: Clock): number {
  return market(clock.nowMs());
}

function instant(iso: string, text: string): number {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) throw invalid(text);
  return ms;
}

function invalid(text: string): TickhubError {
  return new TickhubError("CONFIG_INVALID", {
    name: "TICKHUB_MARKET_CLOCK",
    value: text,
    form: "wall | fixed:ISO | from:ISO@epochMs*speed",
  });
}
