// One place, live: its ladder and its trades as `/api/watch` sends them. Promises: reconnects by itself, and
// keeps no more trades than are shown.
import { batch, signal } from "@preact/signals";
import type { Ladder, Place, TradeLine, TradeList, Watch } from "../../../../shared/web-api.ts";
import { after } from "../clock.ts";
import { ask, search } from "./api.ts";

const TRADES_KEPT = 60;
const RETRY_MS = 2_000;

export const ladder = signal<Ladder | null>(null);
/** Newest first. */
export const trades = signal<readonly TradeLine[]>([]);

/** Starts watching; `heard` gets the trades of each message, oldest first. The returned function ends it. */
export function watch(place: Place, heard: (trades: readonly TradeLine[]) => void): () => void {
  const query = search({ ...place });
  let isOver = false;
  let source: EventSource | null = null;
  let cancel = () => {};
  batch(() => {
    ladder.value = null;
    trades.value = [];
  });
  const open = () => {
    if (isOver) return;
    source = new EventSource(`/api/watch${query}`);
    source.onmessage = ({ data }) => take(JSON.parse(String(data)) as Watch, heard);
    // The browser retries by itself, but not after an HTTP error.
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) cancel = after(RETRY_MS, open);
    };
  };
  void ask<TradeList>(`/api/trades${search({ ...place, limit: TRADES_KEPT })}`).then((answer) => {
    if (isOver) return;
    if (answer.ok) trades.value = answer.value.trades;
    open();
  });
  return () => {
    isOver = true;
    cancel();
    source?.close();
  };
}

function take(message: Watch, heard: (trades: readonly TradeLine[]) => void): void {
  batch(() => {
    if (message.ladder) ladder.value = message.ladder;
    if (message.trades.length > 0) {
      trades.value = [...message.trades.toReversed(), ...trades.peek()].slice(0, TRADES_KEPT);
    }
  });
  if (message.trades.length > 0) heard(message.trades);
}
