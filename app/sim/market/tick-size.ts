// The price grid. KRX's steps since 2023-01-25 (KOSPI, KOSDAQ and KONEX alike; KRX Business Regulation
// enforcement rules, article 33), ETFs since 2023-12-11, and the US cent.
import type { Instrument } from "./event.ts";

/** From `fromPrice` (KRW) upwards the price moves by `tick`. Highest first. */
const STOCK: readonly { fromPrice: number; tick: number }[] = [
  { fromPrice: 500_000, tick: 1000 },
  { fromPrice: 200_000, tick: 500 },
  { fromPrice: 50_000, tick: 100 },
  { fromPrice: 20_000, tick: 50 },
  { fromPrice: 5000, tick: 10 },
  { fromPrice: 2000, tick: 5 },
  { fromPrice: 0, tick: 1 },
];
const ETF: readonly { fromPrice: number; tick: number }[] = [
  { fromPrice: 2000, tick: 5 },
  { fromPrice: 0, tick: 1 },
];

/** The step from `price` to the next price above it. */
export function tickSize(grid: Instrument["grid"], price: number): number {
  if (grid === "usd") return 0.01;
  const steps = grid === "etf" ? ETF : STOCK;
  return steps.find((step) => price >= step.fromPrice)!.tick;
}

/** The next price above. */
export function above(grid: Instrument["grid"], price: number): number {
  return exact(price + tickSize(grid, price));
}

/** The next price below; never under one tick. */
export function below(grid: Instrument["grid"], price: number): number {
  const smallest = grid === "usd" ? 0.01 : 1;
  const tick = tickSize(grid, price - smallest);
  return Math.max(tick, exact(price - tick));
}

/** Cents do not add up in binary; won do. */
function exact(price: number): number {
  return Math.round(price * 10_000) / 10_000;
}
