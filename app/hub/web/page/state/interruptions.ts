// What is missing right now and no gap yet, because the hub declares one only when it is over: accounts whose
// edge is not there, or whose feed is not live. Pure.
import type { LastTrade } from "../../../query/live.ts";
import type { Picture } from "../../../query/picture.ts";

export interface Interruption {
  account: string;
  edge: string;
  /** What a person would call it: the edge is down, or this is the feed's state. */
  cause: { is: "edge" } | { is: "feed"; feed: string };
  /** The exchange's time of the account's last trade; null where there was none. */
  fromMs: number | null;
  forMs: number;
  symbols: number;
}

/** A feed that reconnects within this is not worth a line. */
const BRIEF_MS = 2_000;

export function interruptionsOf(
  { edges, accounts }: Pick<Picture, "edges" | "accounts">,
  trades: Iterable<LastTrade>,
): Interruption[] {
  const bySource = Map.groupBy(trades, ({ source }) => source);
  return accounts.flatMap(({ account, lease }): Interruption[] => {
    if (!lease?.holder) return [];
    const by = edges.find(({ edge }) => edge === lease.edge);
    const said = by?.status.accounts?.[account];
    if (!by || !said) return [];
    const isDown = by.health.state === "down";
    const forMs = (said.tickAgeMs ?? 0) + by.seenAgeMs;
    if (!isDown && (said.feed === "live" || forMs < BRIEF_MS)) return [];
    const own = bySource.get(account) ?? [];
    return [
      {
        ...{ account, edge: by.edge, forMs },
        cause: isDown ? { is: "edge" } : { is: "feed", feed: said.code ?? said.feed },
        fromMs: own.length === 0 ? null : Math.max(...own.map(({ exchangeMs }) => exchangeMs)),
        symbols: new Set(own.map(({ venue, symbol }) => `${venue}/${symbol}`)).size,
      },
    ];
  });
}
