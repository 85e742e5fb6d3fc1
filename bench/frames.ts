// Frames for the benchmarks: a generated market, said by the simulated brokers in their own protocols.
import { targetsOf as kisTargets } from "../app/sim/kis/frame.ts";
import { joinRecords } from "../app/sim/kis/template.ts";
import { targetsOf as kiwoomTargets } from "../app/sim/kiwoom/frame.ts";
import { generateMarket } from "../app/sim/market/generator.ts";
import type { MarketEvent } from "../app/sim/market/event.ts";

export type FrameKind = "kisTrade" | "kisBook" | "kiwoomTrade" | "kiwoomBook";

export interface Frames {
  frames: Buffer[];
  records: number;
  symbols: string[];
  /** Market time of the last record, for a fixed market clock. */
  lastMs: number;
}

/** Trades of one symbol that KIS puts into one frame; 1 to 4 in captures. */
const RECORDS_PER_FRAME = 2;

/** At least `records` records of one kind. */
export function makeFrames(kind: FrameKind, records: number, startMs: number): Frames {
  const market = generateMarket({
    seed: 7,
    ratePerSecond: 5_000,
    symbols: 20,
    us: false,
    openingMs: 10,
  });
  const wanted: MarketEvent["kind"] = kind.endsWith("Trade") ? "trade" : "book";
  const made: Frames = {
    frames: [],
    records: 0,
    symbols: market.instruments.map((one) => one.code),
    lastMs: startMs,
  };
  const waiting = new Map<string, string[]>();
  for (const event of market.play(startMs)) {
    if (made.records >= records) break;
    if (event.kind !== wanted) continue;
    made.lastMs = event.marketMs;
    if (kind.startsWith("kiwoom")) {
      const target = kiwoomTargets(event)[0]!;
      made.frames.push(Buffer.from(`{"data":[${target.row()}],"trnm":"REAL"}`));
      made.records += 1;
      continue;
    }
    const target = kisTargets(event, market.instruments)[0]!;
    const held = waiting.get(target.key) ?? [];
    held.push(target.record());
    waiting.set(target.key, held);
    if (held.length < (kind === "kisTrade" ? RECORDS_PER_FRAME : 1)) continue;
    made.frames.push(Buffer.from(joinRecords(target.tr, held.length, held)));
    made.records += held.length;
    waiting.set(target.key, []);
  }
  return made;
}
