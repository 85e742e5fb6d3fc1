// Which instrument a Kiwoom row is about. `item` echoes what was registered: `005930` is KRX,
// `005930_NX` NXT, `005930_AL` both together; test systems send `A005930`. US rows name the exchange
// beside a bare symbol.
import type { Venue } from "../../../shared/tick.ts";

export interface Item {
  symbol: string;
  venue: Venue;
  /** No suffix: FID 9081 may name the venue. */
  isPlain: boolean;
}

const PRINTABLE = /^[\x21-\x7e]+$/;

/** A domestic `item` or FID 9001; undefined when it is no code. */
export function domesticItem(text: string): Item | undefined {
  if (!PRINTABLE.test(text)) return undefined;
  const suffix = text.slice(-3);
  const isPlain = suffix !== "_NX" && suffix !== "_AL";
  const code = isPlain ? text : text.slice(0, -3);
  if (code === "") return undefined;
  const symbol = /^A[0-9A-Z]{6}$/.test(code) ? code.slice(1) : code;
  return { symbol, venue: isPlain ? "KRX" : suffix === "_NX" ? "NXT" : "UN", isPlain };
}

/** A US `item` at an exchange by Kiwoom's name for it; an unknown exchange keeps that name. */
export function usItem(symbol: string, exchange: string): Item | undefined {
  if (!PRINTABLE.test(symbol) || !PRINTABLE.test(exchange)) return undefined;
  return { symbol, venue: US_VENUES.get(exchange) ?? exchange, isPlain: false };
}

const US_VENUES = new Map<string, Venue>([
  ["ND", "NAS"],
  ["NY", "NYS"],
  ["NA", "AMS"],
  ["AM", "AMS"],
]);

/** The whole market, for rows about no symbol. */
export function marketItem(phase: string): Item {
  // 215 names NXT's phases P to W and KRX's by digits and small letters.
  return { symbol: "", venue: /^[P-W]$/.test(phase) ? "NXT" : "KRX", isPlain: false };
}
