// Faults on single trades: what a broker leaves out, repeats or says late, what its REST then shows, and
// the simulator's own record of it.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Fault } from "../../app/sim/faults.ts";
import type { MarketTrade } from "../../app/sim/market/event.ts";
import { generateMarket } from "../../app/sim/market/generator.ts";
import { History } from "../../app/sim/market/history.ts";
import type { SimInput } from "../../app/sim/options.ts";
import { startSim } from "../../app/sim/sim.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { Tamper } from "../../app/sim/tamper.ts";
import {
  kisClient,
  kisTrades,
  kiwoomClient,
  kiwoomRows,
  post,
  register,
  waitFor,
} from "./client.ts";

let sim: Sim;
afterEach(() => sim.close());

/** Clients of both brokers for the trades of all symbols; the market opens when `open` says so. */
async function start(input: SimInput = {}) {
  sim = await startSim({
    ...{ symbols: 3, openingMs: 0, rate: 400, kisRequestsPerSecond: 1_000 },
    ...{ expect: ["kis", "kiwoom"], ...input },
  });
  // One symbol short of what the market waits for.
  const kis = await kisClient(
    sim.urls,
    sim.symbols.slice(0, -1).map((code) => ["H0STCNT0", code] as const),
  );
  const kiwoom = await kiwoomClient(sim.urls);
  await register(kiwoom, [...sim.symbols], ["0B"]);
  const heard = {
    kis: (code: string) =>
      kisTrades(kis.frames)
        .filter(([symbol]) => symbol === code)
        .map((fields) => Number(fields[13])),
    kiwoom: (code: string) =>
      kiwoomRows(kiwoom.frames)
        .filter(({ item }) => item === code)
        .map(({ values }) => Number(values["13"])),
  };
  const truth = (code: string) =>
    sim
      .trades()
      .filter(({ symbol }) => symbol === code)
      .map(({ cumVolume }) => cumVolume);
  /** Lets `trades` of them happen, ends the day, and waits until all was heard. */
  const play = async (trades: number) => {
    sim.open();
    await waitFor(() => sim.trades().length >= trades);
    sim.stop({ close: true });
    const sent = () => sim.counts();
    await waitFor(() => kisTrades(kis.frames).length === sent().kis["app-1"]!.trades);
    await waitFor(() => kiwoomRows(kiwoom.frames).length === sent().kiwoom["app-1"]!.records);
  };
  return { heard, truth, play };
}

const lose = (more: Partial<Fault>): Fault => ({ kind: "lose", broker: "kis", ...more });
const omittedOf = (code: string) =>
  sim
    .omitted()
    .filter(({ symbol }) => symbol === code)
    .map(({ cumVolume }) => cumVolume);
const without = (all: readonly number[], some: readonly number[]) =>
  all.filter((one) => !some.includes(one));

/** Trades of a market, without anybody who listens. */
function printed(count: number): MarketTrade[] {
  const market = generateMarket({
    seed: 5,
    ratePerSecond: 400,
    symbols: 3,
    us: false,
    openingMs: 0,
  });
  const trades: MarketTrade[] = [];
  for (const event of market.play(Date.parse("2026-11-23T09:00:00+09:00"))) {
    if (event.kind === "trade") trades.push(event);
    if (trades.length === count) break;
  }
  return trades;
}

describe("a lost trade", () => {
  test("is not said by that broker, and the volume goes on: the record of it is the difference", async () => {
    const { heard, truth, play } = await start();
    sim.fault(lose({ symbol: "005930", count: 5, every: 4 }));
    await play(150);
    const omitted = omittedOf("005930");
    expect(omitted).toHaveLength(5);
    expect(heard.kis("005930")).toEqual(without(truth("005930"), omitted));
    expect(heard.kiwoom("005930")).toEqual(truth("005930"));
    expect(heard.kis("000660")).toEqual(truth("000660"));
    expect(sim.omitted().every(({ broker, rest }) => broker === "kis" && rest === "has")).toBe(
      true,
    );
  });

  test("can be the first and the last of a day, neighbours, or of the same second as the one before", async () => {
    const { heard, truth, play } = await start();
    sim.fault(lose({ symbol: "005930", which: "first" }));
    sim.fault(lose({ symbol: "005930", which: "last" }));
    sim.fault(lose({ symbol: "000660", at: [3], run: 2 }));
    sim.fault(lose({ symbol: "000660", which: "second", every: 10 }));
    await play(150);
    const day = truth("005930");
    expect(omittedOf("005930")).toEqual([day[0], day.at(-1)]);
    expect(heard.kis("005930")).toEqual(day.slice(1, -1));
    const [third, fourth, second] = omittedOf("000660");
    expect([third, fourth]).toEqual(truth("000660").slice(3, 5));
    const prints = sim.trades().filter(({ symbol }) => symbol === "000660");
    const at = prints.findIndex(({ cumVolume }) => cumVolume === second);
    const seconds = [at - 1, at].map((i) => Math.floor(prints[i]!.marketMs / 1_000));
    expect(seconds[0]).toBe(seconds[1]);
  });

  test("is chosen the same way by the same seed, at random distances", () => {
    const trades = printed(300);
    const chosen = (seed: number) => {
      const tamper = new Tamper("kis", new History(1_000), []);
      tamper.set(lose({ count: 20, every: 5, seed }));
      const places = trades.map((trade, i) => (tamper.pass(trade).length === 0 ? i : -1));
      return places.filter((place) => place >= 0);
    };
    expect(chosen(11)).toEqual(chosen(11));
    expect(chosen(12)).not.toEqual(chosen(11));
    expect(chosen(11)).toHaveLength(20);
    const distances = new Set(chosen(11).map((place, i, all) => place - (all[i - 1] ?? 0)));
    expect(distances.size).toBeGreaterThan(3);
  });

  test("takes its neighbours with it, each time as many as told", () => {
    const trades = printed(400);
    const tamper = new Tamper("kis", new History(1_000), []);
    tamper.set(lose({ count: 10, every: 3, run: 4 }));
    const lost = trades.filter((trade) => tamper.pass(trade).length === 0);
    expect(lost).toHaveLength(40);
    for (let i = 0; i < lost.length; i += 4) {
      const [first, ...rest] = lost.slice(i, i + 4);
      let end = first!.cumVolume;
      for (const one of rest) {
        expect(one.instrument).toBe(first!.instrument);
        expect(one.cumVolume - one.size).toBe(end);
        end = one.cumVolume;
      }
    }
  });

  test("is on REST or not, as told, and a forgetful REST shows nothing of before", async () => {
    const { truth, play } = await start();
    sim.fault(lose({ symbol: "005930", at: [2], rest: "lacks" }));
    sim.fault(lose({ symbol: "005930", at: [4], rest: "has" }));
    await play(60);
    const { body } = await post(`${sim.urls.kisRest}/oauth2/tokenP`, {
      ...{ grant_type: "client_credentials", appkey: "app-1", appsecret: "s" },
    });
    const shown = async () => {
      const query = new URLSearchParams({ FID_INPUT_ISCD: "005930", FID_INPUT_HOUR_1: "" });
      const path = `/uapi/domestic-stock/v1/quotations/inquire-time-itemconclusion?${query.toString()}`;
      const response = await fetch(sim.urls.kisRest + path, {
        headers: {
          ...{ authorization: `Bearer ${String(body.access_token)}`, appkey: "app-1" },
          tr_id: "FHPST01060000",
        },
      });
      const { output2 } = (await response.json()) as { output2: { acml_vol: string }[] };
      return output2.map(({ acml_vol }) => Number(acml_vol)).reverse();
    };
    const day = truth("005930");
    expect(day.length).toBeGreaterThan(8);
    expect(await shown()).toEqual(without(day, [day[2]!]).slice(-30));
    expect(sim.fault({ kind: "forget", broker: "kis", symbol: "005930" })).toBe(day.length);
    expect(await shown()).toEqual([]);
  });

  test("of a recording may be named beforehand by its volume", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "tickhub-tape-")), "three.csv");
    const row = (second: number, cum: number) =>
      `005930,2020060409000${second},1,54600,54500,54600,0,1,2,10,${cum},50,60,600,2`;
    const other = row(9, 120).replace("005930", "000660");
    const rows = [row(1, 110), row(2, 120), row(3, 130), other];
    writeFileSync(path, ["symbol,ts_kst,n", ...rows].join("\n"));
    const { heard, truth, play } = await start({
      ...{ tape: [path], speed: "max" },
      omit: ["kis:005930:120:lacks", "kiwoom:005930:130", "kis:000660:999"],
    });
    await play(4);
    expect(truth("005930")).toEqual([110, 120, 130]);
    expect([heard.kis("005930"), heard.kiwoom("005930")]).toEqual([
      [110, 130],
      [110, 120],
    ]);
    const omitted = {
      symbol: "005930",
      size: 10,
      marketMs: Date.parse("2020-06-04T09:00:02+09:00"),
    };
    expect(sim.omitted()).toMatchObject([
      { ...omitted, broker: "kis", cumVolume: 120, rest: "lacks" },
      { broker: "kiwoom", cumVolume: 130, rest: "has" },
    ]);
    await expect(startSim({ omit: ["kis:005930"] })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });
});

test("a repeated trade is said twice in a row, a swapped one after the next of its symbol", async () => {
  const { heard, truth, play } = await start();
  sim.fault({ kind: "repeat", broker: "kis", symbol: "005930", at: [3] });
  sim.fault({ kind: "swap", broker: "kiwoom", symbol: "005930", at: [3] });
  sim.fault({ kind: "swap", broker: "kiwoom", symbol: "000660", which: "last" });
  await play(100);
  const day = truth("005930");
  expect(heard.kis("005930")).toEqual([...day.slice(0, 4), ...day.slice(3)]);
  expect(heard.kiwoom("005930").slice(0, 6)).toEqual([0, 1, 2, 4, 3, 5].map((i) => day[i]!));
  // The last of a day has no next: it is said all the same.
  expect(heard.kiwoom("000660")).toEqual(truth("000660"));
  expect(sim.omitted()).toEqual([]);
});
