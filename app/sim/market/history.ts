// What was printed today, for the brokers' REST: the market's memory, whoever was connected.
import type { MarketTrade } from "./event.ts";

export class History {
  readonly #trades = new Map<string, MarketTrade[]>();
  readonly #tradesMax: number;

  /** Keeps at least the last `tradesMax` trades of each symbol. */
  constructor(tradesMax: number) {
    this.#tradesMax = tradesMax;
  }

  add(trade: MarketTrade): void {
    const { code } = trade.instrument;
    const trades = this.#trades.get(code);
    if (!trades) {
      this.#trades.set(code, [trade]);
      return;
    }
    trades.push(trade);
    if (trades.length >= 2 * this.#tradesMax) trades.splice(0, this.#tradesMax);
  }

  /** Of all symbols, one after the other. */
  all(): readonly MarketTrade[] {
    return [...this.#trades.values()].flat();
  }

  /** Oldest first. Empty for a symbol that has not traded. */
  of(code: string): readonly MarketTrade[] {
    return this.#trades.get(code) ?? [];
  }
}
