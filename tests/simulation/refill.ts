// A refill of the model: the broker's REST is asked for a gap that the hub would declare, and what it lists
// is clipped by the real code, because REST dates some prints to another second and the key of `trade`
// would not know the neighbours again.
import type { Listed, PastTrade } from "../../app/edge/feed/history.ts";
import { clipToGap } from "../../app/edge/refill/clip.ts";
import { NO_PRICE } from "../../app/shared/tick.ts";
import type { Print } from "./market.ts";

export interface Gap {
  account: string;
  symbol: string;
  /** Cumulative volume before and after what is missing. */
  seqFrom: number;
  seqTo: number;
  /** Stamps of the stored trades on both sides. */
  fromMs: number;
  toMs: number;
}

/** A print may stand in REST under the second after its own. */
const SECOND_MS = 1_000;

/** What of `rest` may be sent for the gap; planted: all of it. */
export function tradesFor(gap: Gap, rest: readonly Print[], isUnclipped: boolean): PastTrade[] {
  const listed = rest.map(listedAs);
  if (isUnclipped) return listed.map(({ trade }) => trade);
  const { symbol, seqFrom, seqTo, fromMs, toMs } = gap;
  const asked = { id: 1, kind: "hole", venue: "KRX", day: 0, chain: 0 } as const;
  const refill = { ...asked, symbol, seqFrom, seqTo, fromMs, toMs: toMs + SECOND_MS };
  return clipToGap(refill, { listed, isWhole: false, requests: 1 }).trades;
}

function listedAs({ seq, size, price, restTsMs }: Print): Listed {
  const quote = { side: 0, ask: NO_PRICE, bid: NO_PRICE } as const;
  return { trade: { exchangeMs: restTsMs, seq, size, price, ...quote }, isCut: false };
}
