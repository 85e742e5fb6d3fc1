// What a refill costs at the brokers' own limits: requests and time for a hole of one trade, trades a second
// for a long one, and the bytes of it on the wire. The simulated brokers play the recorded KRX day at
// full speed first; both clients ask at the pace they have in production.
import { encodeBatch } from "../app/shared/batch.ts";
import { systemClock } from "../app/shared/clock.ts";
import type { Refill } from "../app/shared/gateway-protocol.ts";
import { parseMarketClock } from "../app/shared/market-clock.ts";
import { kstDay } from "../app/shared/market-time.ts";
import { NO_COUNT } from "../app/shared/tick.ts";
import type { Trade } from "../app/shared/tick.ts";
import { openBroker } from "../app/edge/broker.ts";
import type { History, PastTrade } from "../app/edge/feed/history.ts";
import { clipToGap } from "../app/edge/refill/clip.ts";
import { seeded } from "../app/sim/market/random.ts";
import { startSim } from "../app/sim/sim.ts";
import type { Printed, Sim } from "../app/sim/sim.ts";
import { dataFile } from "../tests/support/data.ts";
import { median } from "./median.ts";

const GAPS = 50;
/** Of the long hole. */
const LONG_TRADES = 3_000;
const RECORDING = "krx-ticks/20200604.csv.gz";

interface RefillFigures {
  gaps: number;
  outcomes: Record<string, number>;
  requestsMedian: number;
  requestsMax: number;
  msMedian: number;
  long: { trades: number; outcome: string; requests: number; tradesPerSecond: number };
}

export async function run(): Promise<Record<string, unknown>> {
  const tape = dataFile(RECORDING);
  if (tape === null) return { skipped: `${RECORDING} is not here` };
  const sim = await startSim({ tape: [tape], speed: "max", expect: [], historyMax: 200_000 });
  while (!sim.market().done) await new Promise((next) => systemClock.after(20, () => next(null)));
  const kis = await measure("kis", sim);
  const kiwoom = await measure("kiwoom", sim);
  await sim.close();
  return { kis: kis.figures, kiwoom: kiwoom.figures, wire: wire(kis.trades) };
}

async function measure(broker: "kis" | "kiwoom", sim: Sim) {
  const { kisRest, kiwoomRest, kisWs, kiwoomWs } = sim.urls;
  const market = parseMarketClock(sim.marketClock);
  const { history } = openBroker({
    ...{ broker, source: `${broker}:1`, appKey: "app-1", secret: "secret" },
    ...(broker === "kis"
      ? { restUrl: kisRest, wsUrl: kisWs }
      : { restUrl: kiwoomRest, wsUrl: kiwoomWs }),
    ...{ clock: systemClock, market, emit: () => undefined },
  });
  const trades = sim.trades();
  const random = seeded(7);
  const requests: number[] = [];
  const tookMs: number[] = [];
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < GAPS; i++) {
    const at = 1 + Math.floor(random() * (trades.length - 2));
    const neighbours = trades.slice(at - 1, at + 2);
    if (new Set(neighbours.map(({ symbol }) => symbol)).size > 1) continue;
    const found = await refill(history, neighbours);
    requests.push(found.requests);
    tookMs.push(found.tookMs);
    outcomes[found.outcome] = (outcomes[found.outcome] ?? 0) + 1;
  }
  const symbol = trades[0]!.symbol;
  const own = trades.filter((trade) => trade.symbol === symbol);
  const long = await refill(history, own.slice(1_000, 1_002 + LONG_TRADES));
  const figures: RefillFigures = {
    gaps: requests.length,
    outcomes,
    requestsMedian: median(requests),
    requestsMax: Math.max(...requests),
    msMedian: Math.round(median(tookMs)),
    long: {
      trades: long.trades.length,
      outcome: long.outcome,
      requests: long.requests,
      tradesPerSecond: Math.round((1_000 * long.trades.length) / long.tookMs),
    },
  };
  return { figures, trades: long.trades };
}

/** Asks for what lies between the first and the last of `trades`. */
async function refill(history: History, trades: readonly Printed[]) {
  const [left, right] = [trades[0]!, trades.at(-1)!];
  const second = (ms: number) => Math.floor(ms / 1_000) * 1_000;
  const gap: Refill = {
    ...{ id: 1, kind: "hole", venue: "KRX", symbol: left.symbol, chain: 0 },
    ...{ day: kstDay(left.marketMs), fromMs: second(left.marketMs), toMs: second(right.marketMs) },
    ...{ seqFrom: left.cumVolume, seqTo: right.cumVolume - right.size },
  };
  const { venue, symbol, day, fromMs, toMs: untilMs, seqFrom } = gap;
  const startMs = performance.now();
  const wanted = { venue, symbol, day, fromMs, untilMs, seqFrom };
  const past = await history.past(wanted, () => false);
  const tookMs = performance.now() - startMs;
  const { outcome, trades: found } = clipToGap(gap, past!);
  return { outcome, trades: found, requests: past!.requests, tookMs };
}

/** Bytes of batches of refilled trades, and what they have more than the same as live ones. */
function wire(past: readonly PastTrade[]): Record<string, number> {
  const rows = past.map((trade, i): Trade => {
    return {
      ...{ kind: "trade", symbol: "005930", venue: "KRX", day: 20200604, chain: 0, ...trade },
      // A page is answered at once; its rows are stamped one after the other.
      ...{ edgeRecvMs: trade.exchangeMs + i / 500, capture: i + 1, extra: null, session: 0 },
      ...{ sellCount: NO_COUNT, buyCount: NO_COUNT },
    };
  });
  const head = { table: "trade", number: 1, account: "kis:1", epoch: 1 } as const;
  const stream = "01234567-89ab-4def-8123-456789abcdef";
  const sizeOf = (origin: "live" | "backfill", count: number) =>
    encodeBatch({ ...head, stream, origin }, rows.slice(0, count)).length;
  const perTrade = (count: number) => Number((sizeOf("backfill", count) / count).toFixed(1));
  return {
    originBytes: sizeOf("backfill", 1_000) - sizeOf("live", 1_000),
    bytesOfOneTrade: sizeOf("backfill", 1),
    bytesPerTradeOf30: perTrade(30),
    bytesPerTradeOf1000: perTrade(1_000),
  };
}
