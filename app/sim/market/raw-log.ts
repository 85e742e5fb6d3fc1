// The websocket log of a coin exchange, `<receive ns> <json>`, as trades and books of a US symbol: the
// shape of real bursts, not a Korean market. Its trades, books and their times are the log's own.
import { TickhubError } from "../../shared/errors.ts";
import { Depth } from "./depth.ts";
import type { DepthDiff, DepthSnapshot } from "./depth.ts";
import type { Level, MarketEvent } from "./event.ts";
import { seeded } from "./random.ts";
import { Security } from "./security.ts";

/** The brokers have whole shares, and coins trade in ten-thousandths; a rest counts as one share. */
const SHARES_PER_COIN = 10_000;
const DEPTH = 10;
/** What nanoseconds have beyond milliseconds. Cut off as text: a number cannot hold them. */
const NS_DIGITS = 6;

/** An aggressor that sells meets a buyer who made the market (`m`). */
interface LoggedTrade {
  e: "trade";
  s: string;
  p: string;
  q: string;
  m: boolean;
}

/** Best quotes (`bookTicker`) and answers to requests are not played: the books have the one. */
type Message =
  | DepthSnapshot
  | { data?: LoggedTrade | ({ e: "depthUpdate" } & DepthDiff) | { e?: "bookTicker" } };

/** Market time of a line: when it was received. */
export function logTime(line: string): number {
  return Number(line.slice(0, line.indexOf(" ") - NS_DIGITS));
}

/** Adds the log's one symbol to `securities`, and returns its events. Throws TAPE_UNREADABLE. */
export function rawLog(
  lines: readonly string[],
  path: string,
  securities: Map<string, Security>,
): Generator<MarketEvent, void> {
  const broken = lines.findIndex((line) => !/^\d{19} \{.*\}$/.test(line));
  if (broken >= 0) throw unreadable(path, `line ${broken + 1} is no message`);
  const first = lines.find((line) => line.includes('"e":"trade"'));
  if (first === undefined) throw unreadable(path, "there is no trade in it");
  const { s: code, p } = (messageOf(first) as { data: LoggedTrade }).data;
  const isOther = (line: string) => line.includes('"s":"') && !line.includes(`"s":"${code}"`);
  if (lines.some(isOther)) throw unreadable(path, "it has more than one symbol");
  const instrument = { code, name: code, market: "US", grid: "usd", basePrice: Number(p) } as const;
  const security = securities.get(code) ?? new Security(instrument, seeded(1));
  securities.set(code, security);
  return play(lines, security);
}

function* play(lines: readonly string[], security: Security): Generator<MarketEvent, void> {
  const depth = new Depth();
  for (const line of lines) {
    const marketMs = logTime(line);
    const message = messageOf(line);
    if ("lastUpdateId" in message) depth.restart(message);
    else if (message.data?.e === "trade") {
      const { p, q, m } = message.data;
      const price = Number(p);
      if (price > 0) yield security.print({ marketMs, price, size: shares(q), side: m ? -1 : 1 });
    } else if (message.data?.e === "depthUpdate" && depth.apply(message.data)) {
      yield security.show(marketMs, levels(depth.asks.top(DEPTH)), levels(depth.bids.top(DEPTH)));
    }
  }
}

function messageOf(line: string): Message {
  return JSON.parse(line.slice(line.indexOf(" ") + 1)) as Message;
}

function unreadable(path: string, what: string): TickhubError {
  return new TickhubError("TAPE_UNREADABLE", { path, what });
}

function levels(found: readonly Level[]): Level[] {
  const none = { price: 0, size: 0 };
  return Array.from({ length: DEPTH }, (_, i) => {
    const level = found[i];
    return level ? { price: level.price, size: shares(level.size) } : none;
  });
}

function shares(coins: number | string): number {
  return Math.max(1, Math.round(Number(coins) * SHARES_PER_COIN));
}
