// What a day's figures are worth: the same judgement for the command, the daily job and the gate, in whole
// numbers. Pure.
import { zoneOf } from "../../../shared/market-time.ts";
import type { Venue } from "../../../shared/tick.ts";
import type { DayParity } from "./day.ts";
import type { Tally, Volumes } from "./tally.ts";
import { LEAST, percent, reaches, shareOf, sumOf, volumesOf } from "./tally.ts";

/** Figures of one market's day, as they are stored and judged. */
export interface DayFigures extends Pick<Volumes, "matched" | "joint" | "answered" | "total"> {
  /** Symbols whose last volume nobody knows. */
  unclosed: number;
}

/** Why the day does not count; empty where it does. */
export function refusals({ matched, joint, answered, total, unclosed }: DayFigures): string[] {
  const reasons: string[] = [];
  if (total === 0) return ["nothing to compare"];
  if (!reaches(joint, total, LEAST.coverage)) {
    reasons.push(`joint coverage ${percent(shareOf(joint, total))} is below 95 %`);
  }
  if (!reaches(matched, answered, LEAST.share)) {
    reasons.push(`${percent(shareOf(matched, answered))} matched is below 99.9 %`);
  }
  if (unclosed > 0) reasons.push(`the last volume of ${unclosed} symbols is not known`);
  return reasons;
}

/** Korea's venues are one market, New York's another. */
export type Market = "KRX" | "US" | "other";

export function marketOf(venue: Venue): Market {
  const zone = zoneOf(venue);
  if (zone === "Asia/Seoul") return "KRX";
  return zone === "America/New_York" ? "US" : "other";
}

export interface MarketVerdict extends DayFigures {
  market: Market;
  share: number | null;
  coverage: number;
  refusals: string[];
  symbols: number;
  isFinal: boolean;
  volumes: Volumes;
  tally: Tally;
}

/** The day market by market, Korea's first. */
export function verdictsOf({ symbols }: Pick<DayParity, "symbols">): MarketVerdict[] {
  const byMarket = Map.groupBy(symbols, ({ venue }) => marketOf(venue));
  return (["KRX", "US", "other"] as const).flatMap((market) => {
    const own = byMarket.get(market);
    if (!own) return [];
    const tally = sumOf(own.map((one) => one.tally));
    const volumes = volumesOf(tally);
    const unclosed = own.filter(({ isClosed }) => !isClosed).length;
    const figures = { ...volumes, unclosed };
    return [
      {
        ...{ market, tally, volumes, unclosed, symbols: own.length },
        ...{ matched: volumes.matched, joint: volumes.joint },
        ...{ answered: volumes.answered, total: volumes.total },
        share: shareOf(volumes.matched, volumes.answered),
        coverage: shareOf(volumes.joint, volumes.total) ?? 0,
        refusals: refusals(figures),
        isFinal: own.every((one) => one.isFinal),
      },
    ];
  });
}
