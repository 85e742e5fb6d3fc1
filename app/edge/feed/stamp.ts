// Both brokers write a moment as Korean wall time in one word.
import { kstMs } from "../../shared/market-time.ts";

/** `20241107083713` as epoch ms; null when it is no such stamp. */
export function kstStampMs(stamp: string): number | null {
  if (!/^\d{14}$/.test(stamp)) return null;
  const ms = kstMs(Number(stamp.slice(0, 8)), Number(stamp.slice(8)));
  return Number.isNaN(ms) ? null : ms;
}
