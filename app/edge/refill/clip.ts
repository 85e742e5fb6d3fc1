// What a broker's listing says about a gap: the trades of it that lie in the gap's open interval of
// cumulative volume, and whether they are all. Pure, and the only judge of it: a trade outside the interval
// is never sent, and nothing counts as "no trade here" unless the listing shows both neighbours side by side.
import type { Refill, RefillAnswer } from "../../shared/gateway-protocol.ts";
import type { Listed, Past, PastTrade } from "../feed/history.ts";

export interface Clipped extends Pick<RefillAnswer, "outcome" | "seqFirst" | "seqFinal"> {
  /** To be sent, oldest first. */
  trades: PastTrade[];
  /** Shares of the interval of which the listing says nothing. */
  unknownShares: number;
}

/** Whole seconds: a trade of the second of `toMs` may belong to the gap. */
const SECOND_MS = 1_000;

/**
 * Clips `past` to the gap. filled: what is missing is there, or some of it and the listing proves that the
 * rest is no trade. explained: the listing proves that there is no trade. partial, missing: it does not
 * show a part of it, or all. failed: it ends before what is known, so the broker has to be asked again.
 */
export function clipToGap(gap: Refill, past: Past): Clipped {
  const listed = inTime(gap, past.listed);
  const ends = endsOf(gap, past, listed);
  const nothing = { trades: [], seqFirst: null, seqFinal: null };
  if (ends.isBehind) return { outcome: "failed", unknownShares: 0, ...nothing };
  const lower = ends.lower ?? -Infinity;
  const upper = ends.upper ?? Infinity;
  const inside = listed.filter(({ trade }) => startOf(trade) >= lower && trade.seq <= upper);
  // Of a listing that does not meet what is stored nothing is believed, its figures least of all.
  if (!isAnchored(listed, gap)) {
    return { outcome: "missing", unknownShares: upper - lower, ...nothing };
  }
  const { seqFirst, seqFinal } = ends;
  const unknownShares = unknownIn(listed, inside, lower, upper);
  const trades = inside.map(({ trade }) => trade);
  const isAll = unknownShares === 0;
  const outcome =
    trades.length > 0 ? (isAll ? "filled" : "partial") : isAll ? "explained" : "missing";
  return { outcome, trades, seqFirst, seqFinal, unknownShares };
}

function startOf({ seq, size }: PastTrade): number {
  return seq - size;
}

/** The part of the listing in the gap's time; of a tail, only as long as the volume rises. */
function inTime({ kind, fromMs, toMs }: Refill, listed: readonly Listed[]): readonly Listed[] {
  const untilMs = toMs === null ? Infinity : toMs + SECOND_MS;
  const part = listed.filter(({ trade: { exchangeMs } }) => {
    return (kind === "head" || exchangeMs + SECOND_MS > fromMs) && exchangeMs < untilMs;
  });
  const fall = part.findIndex(({ trade }, i) => i > 0 && trade.seq <= part[i - 1]!.trade.seq);
  return kind === "tail" && fall >= 0 ? part.slice(0, fall) : part;
}

interface Ends {
  /** Of the open interval; null where nobody knows. */
  lower: number | null;
  upper: number | null;
  seqFirst: number | null;
  seqFinal: number | null;
  /** The newest trade that the broker shows is older than one that is stored. */
  isBehind: boolean;
}

function endsOf(gap: Refill, past: Past, listed: readonly Listed[]): Ends {
  const { kind, seqFrom, seqTo, chain, toMs } = gap;
  const first = listed[0];
  const last = listed.at(-1)?.trade;
  const none = { seqFirst: null, seqFinal: null, isBehind: false };
  if (kind === "hole") return { lower: seqFrom, upper: seqTo, ...none };
  if (kind === "head") {
    // A listing does not tell chains apart: only the day's first has a beginning that it shows.
    const isKnown = past.isWhole && chain === 0 && first !== undefined && !first.isCut;
    const seqFirst = isKnown ? startOf(first.trade) : null;
    return { lower: seqFirst, upper: seqTo ?? last?.seq ?? seqFirst, ...none, seqFirst };
  }
  const seqFinal = last?.seq ?? null;
  const isBehind = seqFinal !== null && seqFrom !== null && seqFinal < seqFrom;
  const isFinal = toMs === null && !isBehind;
  return {
    lower: seqFrom,
    upper: seqFinal,
    ...none,
    seqFinal: isFinal ? seqFinal : null,
    isBehind,
  };
}

/**
 * The listing meets what is stored: some trade of it ends or begins exactly where a stored one does. Without
 * it a listing of another day would look like the missing part.
 */
function isAnchored(listed: readonly Listed[], { seqFrom, seqTo }: Refill): boolean {
  return listed.some(({ trade }) => {
    const edges = [trade.seq, startOf(trade)];
    return edges.some((edge) => edge === seqFrom || edge === seqTo);
  });
}

/** Shares between `lower` and `upper` that are neither a trade of the listing nor proved to be none. */
function unknownIn(
  listed: readonly Listed[],
  inside: readonly Listed[],
  lower: number,
  upper: number,
): number {
  let unknown = 0;
  let reached = lower;
  for (const one of inside) {
    const start = startOf(one.trade);
    if (start > reached && !isProved(listed, one, reached)) unknown += start - reached;
    reached = Math.max(reached, one.trade.seq);
  }
  if (reached >= upper) return unknown;
  const after = listed.find(({ trade }) => startOf(trade) === upper);
  return after && isProved(listed, after, reached) ? unknown : unknown + (upper - reached);
}

/** The listing shows `one` right behind the trade that ends at `reached`, and nothing between them. */
function isProved(listed: readonly Listed[], one: Listed, reached: number): boolean {
  return !one.isCut && listed[listed.indexOf(one) - 1]?.trade.seq === reached;
}
