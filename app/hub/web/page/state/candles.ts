// Bars of a place, and the last one carried on by the trades that come. Pure but for the asking.
import type { Bars, Place, TradeLine } from "../../../../shared/web-api.ts";
import type { Answer } from "./api.ts";
import { ask, search } from "./api.ts";

export interface Candle {
  timeMs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

const BARS_SHOWN = 500;

export async function readCandles(
  place: Place,
  stepMs: number,
  nowMs: number,
): Promise<Answer<Candle[]>> {
  const [fromMs, toMs] = [nowMs - stepMs * BARS_SHOWN, nowMs + stepMs];
  const answer = await ask<Bars>(`/api/bars${search({ ...place, fromMs, toMs, stepMs })}`);
  if (!answer.ok) return answer;
  const { timesMs, open, high, low, close, volume } = answer.value;
  const value = timesMs.map((timeMs, at) => ({
    ...{ timeMs, open: open[at]!, high: high[at]! },
    ...{ low: low[at]!, close: close[at]!, volume: volume[at]! },
  }));
  return { ok: true, value };
}

/** The candle that `trade` belongs to: `last` carried on, or a new one; null for one of the past. */
export function carriedOn(
  last: Candle | null,
  { exchangeMs, price, size, origin }: TradeLine,
  stepMs: number,
): Candle | null {
  const timeMs = Math.floor(exchangeMs / stepMs) * stepMs;
  if (origin !== "live" || (last && timeMs < last.timeMs)) return null;
  if (last?.timeMs !== timeMs) {
    return { timeMs, open: price, high: price, low: price, close: price, volume: size };
  }
  return {
    ...last,
    high: Math.max(last.high, price),
    low: Math.min(last.low, price),
    close: price,
    volume: last.volume + size,
  };
}
