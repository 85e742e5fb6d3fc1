// Faults on single trades: what a broker leaves out, repeats, says late or otherwise, what its REST then shows,
// and the simulator's own record of it.
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
  kiwoomToken,
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
  return { heard, truth, play, frames: { kis: kis.frames, kiwoom: kiwoom.frames } };
}

const lose = (more: Partial<Fault>): Fault => ({ kind: "lose", broker: "kis", ...more });
const lostOf = (code: string) =>
  sim
    .tampered()
    .filter(({ symbol }) => symbol === code)
    .map(({ cumVolume }) => cumVolume);
const without = (all: readonly number[], some: readonly number[]) =>
  all.filter((one) => !some.includes(one));

/** A recording of 005930: trades of ten shares bought at 54,600, one a second from 09:00:01 on; and one of 000660. */
function tapeOf(count: number): string {
  const path = join(mkdtempSync(join(tmpdir(), "tickhub-tape-")), "few.csv");
  const row = (second: number, cum: number) =>
    `005930,2020060409000${second},1,54600,54500,54600,0,1,2,10,${cum},50,60,600,2`;
  const rows = Array.from({ length: count }, (_, i) => row(i + 1, 110 + 10 * i));
  const other = row(9, 120).replace("005930", "000660");
  writeFileSync(path, ["symbol,ts_kst,n", ...rows, other].join("\n"));
  return path;
}

/** The newest trades as KIS's REST shows them, oldest first. */
async function onKisRest(code: string): Promise<Record<string, string>[]> {
  const { body } = await post(`${sim.urls.kisRest}/oauth2/tokenP`, {
    ...{ grant_type: "client_credentials", appkey: "app-1", appsecret: "s" },
  });
  const query = new URLSearchParams({ FID_INPUT_ISCD: code, FID_INPUT_HOUR_1: "" });
  const path = `/uapi/domestic-stock/v1/quotations/inquire-time-itemconclusion?${query.toString()}`;
  const response = await fetch(sim.urls.kisRest + path, {
    headers: {
      ...{ authorization: `Bearer ${String(body.access_token)}`, appkey: "app-1" },
      tr_id: "FHPST01060000",
    },
  });
  const { output2 } = (await response.json()) as { output2: Record<string, string>[] };
  return output2.reverse();
}

async function onKiwoomRest(code: string): Promise<Record<string, string>[]> {
  const headers = { authorization: `Bearer ${await kiwoomToken(sim.urls)}`, "api-id": "ka10003" };
  const url = `${sim.urls.kiwoomRest}/api/dostk/stkinfo`;
  const { body } = await post(url, { stk_cd: code }, headers);
  return (body.cntr_infr as Record<string, string>[]).reverse();
}

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
    const lost = lostOf("005930");
    expect(lost).toHaveLength(5);
    expect(heard.kis("005930")).toEqual(without(truth("005930"), lost));
    expect(heard.kiwoom("005930")).toEqual(truth("005930"));
    expect(heard.kis("000660")).toEqual(truth("000660"));
    expect(sim.tampered().every(({ broker, rest }) => broker === "kis" && rest === "has")).toBe(
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
    expect(lostOf("005930")).toEqual([day[0], day.at(-1)]);
    expect(heard.kis("005930")).toEqual(day.slice(1, -1));
    const [third, fourth, second] = lostOf("000660");
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
    const shown = async () => (await onKisRest("005930")).map(({ acml_vol }) => Number(acml_vol));
    const day = truth("005930");
    expect(day.length).toBeGreaterThan(8);
    expect(await shown()).toEqual(without(day, [day[2]!]).slice(-30));
    expect(sim.fault({ kind: "forget", broker: "kis", symbol: "005930" })).toBe(day.length);
    expect(await shown()).toEqual([]);
  });

  test("of a recording may be named beforehand by its volume", async () => {
    const { heard, truth, play } = await start({
      ...{ tape: [tapeOf(3)], speed: "max" },
      tamper: ["kis:005930:120:lose:lacks", "kiwoom:005930:130:lose", "kis:000660:999:lose"],
    });
    await play(4);
    expect(truth("005930")).toEqual([110, 120, 130]);
    expect([heard.kis("005930"), heard.kiwoom("005930")]).toEqual([
      [110, 130],
      [110, 120],
    ]);
    const lost = {
      what: "lose",
      symbol: "005930",
      size: 10,
      marketMs: Date.parse("2020-06-04T09:00:02+09:00"),
    };
    expect(sim.tampered()).toMatchObject([
      { ...lost, broker: "kis", cumVolume: 120, rest: "lacks" },
      { broker: "kiwoom", cumVolume: 130, rest: "has" },
    ]);
  });
});

/** What both brokers said of 005930: time, price, size and cumulative volume; a size of Kiwoom's with its sign. */
function saidOf(frames: { kis: readonly string[]; kiwoom: readonly string[] }) {
  const kis = kisTrades(frames.kis).filter(([code]) => code === "005930");
  const kiwoom = kiwoomRows(frames.kiwoom).filter(({ item }) => item === "005930");
  return {
    kis: kis.map((fields) => [fields[1], fields[2], fields[12], fields[13], fields[21]].join(" ")),
    kiwoom: kiwoom.map(({ values }) =>
      [values["20"], values["10"], values["15"], values["13"]].join(" "),
    ),
  };
}

describe("a trade that is said otherwise", () => {
  const CHANGES = {
    "merge:2": ["090003 54600 20 130 1", "090003 54600 +20 130"],
    "price:-2": ["090002 54400 10 120 1", "090002 -54400 +10 120"],
    side: ["090002 54600 10 120 5", "090002 54600 -10 120"],
    "size:+5": ["090002 54600 15 120 1", "090002 54600 +15 120"],
    "delay:3": ["090005 54600 10 120 1", "090005 54600 +10 120"],
  };

  test.each(Object.entries(CHANGES))(
    "by %s is so on that broker's socket and its REST, and the volume goes on",
    async (change, [atKis, atKiwoom]) => {
      for (const broker of ["kis", "kiwoom"] as const) {
        const { play, frames } = await start({
          ...{ tape: [tapeOf(4)], speed: "max" },
          tamper: [`${broker}:005930:120:${change}`],
        });
        await play(5);
        const isMerge = change.startsWith("merge");
        const whole = {
          kis: [1, 2, 3, 4].map((n) => `09000${n} 54600 10 ${100 + 10 * n} 1`),
          kiwoom: [1, 2, 3, 4].map((n) => `09000${n} 54600 +10 ${100 + 10 * n}`),
        };
        const said = broker === "kis" ? atKis! : atKiwoom!;
        const other = broker === "kis" ? "kiwoom" : "kis";
        const wanted = whole[broker].toSpliced(1, isMerge ? 2 : 1, said);
        expect(saidOf(frames)).toEqual({ [broker]: wanted, [other]: whole[other] });
        // KIS's list does not tell the side.
        const kis = (await onKisRest("005930")).map((row) =>
          [row.stck_cntg_hour, row.stck_pbpr, row.cnqn, row.acml_vol].join(" "),
        );
        const kiwoom = (await onKiwoomRest("005930")).map((row) =>
          [row.tm, row.cur_prc, row.cntr_trde_qty, row.acc_trde_qty].join(" "),
        );
        const { kis: live, kiwoom: alive } = saidOf(frames);
        expect(kis).toEqual(live.map((line) => line.slice(0, -2)));
        expect(kiwoom).toEqual(alive);
        expect(sim.tampered()).toEqual([
          {
            ...{ broker, symbol: "005930", what: change.split(":")[0], rest: "said" },
            marketMs: Date.parse(`2020-06-04T09:00:0${isMerge ? 3 : 2}+09:00`),
            ...{ size: isMerge ? 20 : 10, cumVolume: isMerge ? 130 : 120 },
          },
        ]);
        if (broker === "kis") await sim.close();
      }
    },
  );

  test("with others beside it, each at its place, while the next merge begins behind the last", async () => {
    const { heard, play } = await start({
      ...{ tape: [tapeOf(8)], speed: "max" },
      tamper: ["merge:2", "lose", "merge:3", "side"].map(
        (change, i) => `kis:005930:${[110, 130, 140, 170][i]}:${change}`,
      ),
    });
    await play(9);
    expect(heard.kis("005930")).toEqual([120, 160, 170, 180]);
    expect(sim.tampered().map(({ what, size }) => `${what} ${size}`)).toEqual([
      "merge 20",
      "lose 10",
      "merge 30",
      "side 10",
    ]);
  });

  test("waits for no trade that does not come: what is there when the day ends is merged", async () => {
    const { heard, play } = await start({
      ...{ tape: [tapeOf(4)], speed: "max" },
      tamper: ["kis:005930:130:merge:5", "kiwoom:005930:140:merge:5"],
    });
    await play(5);
    sim.stop({ close: true });
    expect(heard.kis("005930")).toEqual([110, 120, 140]);
    // One of 000660, which KIS's client has not registered.
    expect(sim.counts().records).toBe(3 + 4 + 1);
    expect(heard.kiwoom("005930")).toEqual([110, 120, 130, 140]);
    expect((await onKisRest("005930")).map(({ acml_vol }) => Number(acml_vol))).toEqual([
      110, 120, 140,
    ]);
    expect(await onKiwoomRest("005930")).toHaveLength(4);
    expect(sim.tampered().map(({ broker }) => broker)).toEqual(["kis"]);
  });

  test("is shown by REST no earlier than it is said", () => {
    const trades = printed(60).filter(({ instrument }) => instrument.code === "005930");
    const tamper = new Tamper("kis", new History(1_000), [
      `kis:005930:${trades[1]!.cumVolume}:merge:3`,
    ]);
    const sizes = trades.slice(0, 5).map((trade, i) => {
      tamper.pass(trade);
      return tamper.shown(trades.slice(0, i + 1)).length;
    });
    expect(sizes).toEqual([1, 1, 1, 2, 3]);
  });

  test("may be any so many-th of the market", () => {
    const trades = printed(300);
    const tamper = new Tamper("kis", new History(1_000), []);
    tamper.set({ kind: "alter", broker: "kis", change: "size:+7", count: 20, every: 5 });
    const said = trades.flatMap((trade) => tamper.pass(trade));
    const changed = said.filter(({ size }, i) => size !== trades[i]!.size);
    expect(changed).toHaveLength(20);
    expect(tamper.tampered.map(({ cumVolume }) => cumVolume)).toEqual(
      changed.map(({ cumVolume }) => cumVolume),
    );
  });

  test("is named in the words of the door that asks for it", async () => {
    const tamper = async (...texts: string[]) => {
      await expect(startSim({ tamper: texts })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        context: { name: expect.stringMatching(/^tamper/) as string },
      });
    };
    await tamper("kis:005930");
    await tamper("kis:005930:120");
    await tamper("nobody:005930:120:lose");
    await tamper("kis:005930:120:merge:1");
    await tamper("kis:005930:120:lose", "kis:005930:120:side");
    sim = await startSim({ rate: 0.001 });
    const fault = async (body: object) =>
      (await post(`${sim.urls.control}/fault`, { broker: "kis", ...body })).status;
    expect(await fault({ kind: "alter", change: "delay:2" })).toBe(200);
    expect(await fault({ kind: "alter", change: "delay" })).toBe(400);
    expect(await fault({ kind: "alter" })).toBe(400);
    expect(await fault({ kind: "lose", change: "side" })).toBe(400);
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
  expect(sim.tampered()).toEqual([]);
});
