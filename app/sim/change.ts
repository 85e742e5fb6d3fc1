// What can be done to a single trade on its way to a broker's clients, in words: the same at the command
// line and at the control door. Pure. A broker that says a print wrongly says nothing else wrongly: the
// day's totals around it go on as the market's.
//
//   lose         is not said; the broker's REST shows it
//   lose:lacks   is not said, and REST does not show it either
//   merge:3      is said as one print with the next two: their sum, and the rest as the last of them has it
//   price:-2     two price steps lower than it was
//   side         buyer for seller
//   size:+5      five shares more than its volume moves on by
//   delay:3      with a stamp three seconds late
import type { BrokerName, MarketTrade } from "./market/event.ts";
import { above, below } from "./market/tick-size.ts";

export type Change =
  | { what: "lose"; rest: "has" | "lacks" }
  | { what: "merge"; prints: number }
  | { what: "price"; steps: number }
  | { what: "side" }
  | { what: "size"; shares: number }
  | { what: "delay"; seconds: number };

/** A change that leaves one print one print. */
export type Alteration = Exclude<Change, { what: "lose" | "merge" }>;

/** For error messages. */
export const CHANGE_FORM = "lose, lose:lacks, merge:3, price:-2, side, size:+5 or delay:3";

const CHANGE =
  /^(lose(:lacks)?|merge:([2-9]|[1-9]\d{1,2})|(price|size):[+-][1-9]\d{0,3}|side|delay:[1-9]\d{0,3})$/;

/** Undefined when `text` says none. */
export function readChange(text: string): Change | undefined {
  if (!CHANGE.test(text)) return undefined;
  const [what, by] = text.split(":");
  switch (what) {
    case "lose":
      return { what, rest: by === "lacks" ? by : "has" };
    case "merge":
      return { what, prints: Number(by) };
    case "price":
      return { what, steps: Number(by) };
    case "size":
      return { what, shares: Number(by) };
    case "delay":
      return { what, seconds: Number(by) };
    default:
      return { what: "side" };
  }
}

/** A trade that one broker tampers with; of a merge its first. */
export interface Tampering {
  broker: BrokerName;
  symbol: string;
  /** The market's, after the trade. */
  cumVolume: number;
  change: Change;
}

/** `kis:005930:1216812:price:+1`; undefined when it is none. */
export function readTampering(text: string): Tampering | undefined {
  const [, broker, symbol, cumVolume, said] =
    /^(kis|kiwoom):([^:]+):([1-9]\d{0,14}):(.+)$/.exec(text) ?? [];
  const change = readChange(said ?? "");
  if (!change) return undefined;
  return {
    broker: broker as BrokerName,
    symbol: symbol!,
    cumVolume: Number(cumVolume),
    change,
  };
}

/** What is said instead of `trade`; undefined where there is no such print: of no shares, or of no side. */
export function altered(trade: MarketTrade, change: Alteration): MarketTrade | undefined {
  switch (change.what) {
    case "price": {
      const price = stepped(trade, change.steps);
      return price === trade.price ? undefined : { ...trade, price };
    }
    case "side":
      return trade.side === 0 ? undefined : { ...trade, side: trade.side === 1 ? -1 : 1 };
    case "size": {
      const size = trade.size + change.shares;
      return size > 0 && size <= trade.cumVolume ? { ...trade, size } : undefined;
    }
    case "delay":
      return { ...trade, marketMs: trade.marketMs + 1_000 * change.seconds };
  }
}

/** One print for all of `parts`, as a vendor's conflation has it. */
export function merged(parts: readonly MarketTrade[]): MarketTrade {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return { ...parts.at(-1)!, size };
}

function stepped({ instrument: { grid }, price }: MarketTrade, steps: number): number {
  const next = steps > 0 ? above : below;
  let moved = price;
  for (let i = 0; i < Math.abs(steps); i++) moved = next(grid, moved);
  return moved;
}
