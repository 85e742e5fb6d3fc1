// The brokers' REST history against the simulated brokers: all of a day, a span of it, and what it costs.
import { afterEach, describe, expect, it } from "vitest";
import type { History, Past, Wanted } from "../../../app/edge/feed/history.ts";
import { KisHistory } from "../../../app/edge/feed/kis/history.ts";
import { KIS_LIMITS, KIS_TIMINGS } from "../../../app/edge/feed/kis/protocol.ts";
import { KisRest } from "../../../app/edge/feed/kis/rest.ts";
import { KiwoomHistory } from "../../../app/edge/feed/kiwoom/history.ts";
import { KIWOOM_LIMITS, KIWOOM_TIMINGS } from "../../../app/edge/feed/kiwoom/protocol.ts";
import { KiwoomRest } from "../../../app/edge/feed/kiwoom/rest.ts";
import { systemClock } from "../../../app/shared/clock.ts";
import { parseMarketClock } from "../../../app/shared/market-clock.ts";
import { venueDay } from "../../../app/shared/market-time.ts";
import type { SimInput } from "../../../app/sim/options.ts";
import { startSim } from "../../../app/sim/sim.ts";
import type { Printed, Sim } from "../../../app/sim/sim.ts";
import { until } from "../../support/scripted-broker.ts";

let sim: Sim;
afterEach(() => sim.close());

const never = () => false;

interface Rig {
  kis: History;
  kiwoom: History;
  wanted: (symbol: string, more?: Partial<Wanted>) => Wanted;
  printed: (symbol: string) => Printed[];
}

/** A market that has printed for a while and stands still. */
async function start(input: SimInput, trades: number): Promise<Rig> {
  const fast = { kisRequestsPerSecond: 1_000, kiwoomRequestsPerSecond: 1_000 };
  sim = await startSim({ symbols: 2, openingMs: 0, rate: 3_000, ...fast, ...input });
  const { kisRest, kiwoomRest } = sim.urls;
  const printed = (symbol: string) => sim.trades().filter((trade) => trade.symbol === symbol);
  await until(() => sim.trades().length >= trades);
  sim.stop();
  const account = { appKey: "app-1", secret: "secret", clock: systemClock };
  const market = parseMarketClock(sim.marketClock);
  const shared = { clock: systemClock, market, spacingMs: 0 };
  const kis = new KisRest({
    ...{ ...account, restUrl: kisRest },
    ...{ ...KIS_TIMINGS, ...KIS_LIMITS, tokenSpacingMs: 0 },
  });
  const kiwoom = new KiwoomRest({
    ...{ ...account, restUrl: kiwoomRest },
    ...{ ...KIWOOM_TIMINGS, ...KIWOOM_LIMITS },
  });
  const nowMs = market(systemClock.nowMs());
  const wanted = (symbol: string, more: Partial<Wanted> = {}) => {
    const venue = more.venue ?? "KRX";
    const day = venueDay(venue, nowMs);
    return { symbol, venue, day, untilMs: null, fromMs: null, seqFrom: null, ...more };
  };
  return {
    kis: new KisHistory({ rest: kis, ...shared }),
    kiwoom: new KiwoomHistory({ rest: kiwoom, ...shared }),
    wanted,
    printed,
  };
}

const pairs = (past: Past | null) => past!.listed.map(({ trade: { seq, size } }) => [seq, size]);
const truth = (trades: readonly Printed[]) =>
  trades.map(({ cumVolume, size }) => [cumVolume, size]);
const secondOf = (ms: number) => Math.floor(ms / 1_000) * 1_000;

describe.each(["kis", "kiwoom"] as const)("%s", (broker) => {
  it("lists a whole day from its first to its last trade", async () => {
    const rig = await start({ rate: 60 }, 80);
    const past = await rig[broker].past(rig.wanted("005930"), never);
    expect(past!.isWhole).toBe(true);
    expect(pairs(past)).toEqual(truth(rig.printed("005930")));
    const [first] = rig.printed("005930");
    expect(past!.listed[0]!.trade).toMatchObject({
      ...{ exchangeMs: secondOf(first!.marketMs), side: 0 },
      ...{ ask: expect.any(Number) as number, bid: expect.any(Number) as number },
    });
  });

  it("lists a span in the middle without the rest of the day", async () => {
    const rig = await start({ rate: 60 }, 120);
    const all = rig.printed("005930");
    const [left, right] = [all[30]!, all[34]!];
    const wanted = rig.wanted("005930", {
      seqFrom: left.cumVolume,
      fromMs: secondOf(left.marketMs),
      untilMs: secondOf(right.marketMs),
    });
    const past = await rig[broker].past(wanted, never);
    const seqs = past!.listed.map(({ trade }) => trade.seq);
    for (const { cumVolume } of all.slice(30, 35)) expect(seqs).toContain(cumVolume);
    expect(past!.listed.length).toBeLessThan(all.length);
    expect(past!.requests).toBeLessThanOrEqual(broker === "kis" ? 4 : 5);
  });

  it("has no list of another day, nor of what it does not trade", async () => {
    const rig = await start({ rate: 100 }, 10);
    const old = await rig[broker].past(rig.wanted("005930", { day: 20200604 }), never);
    expect(old).toBeNull();
    const unknown = await rig[broker].past(rig.wanted("999999"), never);
    expect(unknown).toMatchObject({ listed: [], isWhole: true });
  });

  it("slows down when it is told to, and takes another token when its own is unknown", async () => {
    const rig = await start({ rate: 100 }, 50);
    const wanted = rig.wanted("005930");
    expect(await rig[broker].past(wanted, never)).toMatchObject({ isWhole: true });
    sim.fault({ kind: "rate-limit", broker, count: 1 });
    expect(await rig[broker].past(wanted, never)).toMatchObject({ isWhole: true });
    sim.fault({ kind: "auth-refuse", broker, count: 1 });
    // No token of before is known any more, and the next asking for one is refused.
    await expect(rig[broker].past(wanted, never)).rejects.toMatchObject({
      code: broker === "kis" ? "FEED_AUTH" : "FEED_ADDRESS_REFUSED",
    });
    expect(await rig[broker].past(wanted, never)).toMatchObject({ isWhole: true });
  });

  it("ends with what it has when its time is over", async () => {
    const rig = await start({ rate: 400 }, 400);
    const past = await rig[broker].past(rig.wanted("005930"), (trades) => trades > 20);
    expect(past!.isWhole).toBe(false);
    expect(past!.listed.length).toBeGreaterThan(20);
    expect(past!.listed.length).toBeLessThan(rig.printed("005930").length);
  });
});

it("KIS lists US trades page by page, in New York's day", async () => {
  const rig = await start({ symbols: 0, us: true, rate: 200 }, 300);
  const past = await rig.kis.past(rig.wanted("AAPL", { venue: "NAS" }), never);
  const all = rig.printed("AAPL");
  expect(all.length).toBeGreaterThan(60);
  expect(pairs(past)).toEqual(truth(all));
  expect(past!.isWhole).toBe(true);
  const { listed } = past!;
  expect(listed.map(({ trade }) => trade.exchangeMs)).toEqual(
    all.map(({ marketMs }) => secondOf(marketMs)),
  );
  expect(await rig.kiwoom.past(rig.wanted("AAPL", { venue: "NAS" }), never)).toBeNull();
});

it("Kiwoom tells the side", async () => {
  const rig = await start({ rate: 500 }, 300);
  const past = await rig.kiwoom.past(rig.wanted("005930"), never);
  expect(new Set(past!.listed.map(({ trade }) => trade.side))).toEqual(new Set([0, 1, -1]));
});
