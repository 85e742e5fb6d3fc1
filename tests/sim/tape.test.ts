import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTape } from "../../app/sim/market/tape.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { startSim } from "../../app/sim/sim.ts";
import { kst, newYork } from "../../app/sim/time.ts";
import {
  kisClient,
  kisRecords,
  kisTrades,
  kiwoomClient,
  kiwoomRecords,
  kiwoomRows,
  register,
  waitFor,
} from "./client.ts";
import { dataFile, NO_DATA } from "../support/data.ts";

const krx = dataFile("krx-ticks/20200604.csv.gz");
const books = dataFile("books/aapl-20120621-books10.csv.gz");
const trades = dataFile("books/aapl-20120621-trades.csv.gz");

const HEADER =
  "symbol,ts_kst,n,ask1,bid1,price,f5,f6,sign,qty,cum_vol,cum_sell_vol,cum_buy_vol,cum_value,session";
const SMALL = [
  HEADER,
  "900010,20240105090000,0,1010,1000,1010,1,1,+,5,105,40,65,105,2",
  "900020,20240105090001,0,2010,2005,2005,2,2,-,7,7,7,0,14,2",
  "900010,20240105090004,1,1010,1000,1000,2,2,-,3,108,43,65,108,2",
].join("\n");

let folder: string;
let sim: Sim | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tickhub-tape-"));
});
afterEach(async () => {
  await sim?.close();
  sim = undefined;
  rmSync(folder, { recursive: true });
});

function small(): string {
  const path = join(folder, "small.csv.gz");
  writeFileSync(path, gzipSync(SMALL));
  return path;
}

describe("reading", () => {
  test("prices, sizes, sides, quotes and cumulative volumes are the recording's own", () => {
    const tape = openTape([small()]);
    expect(tape.instruments.map((one) => one.code)).toEqual(["900010", "900020"]);
    const events = [...tape.play(0)].filter((event) => event.kind === "trade");
    const facts = events.map((one) => [
      ...[one.instrument.code, kst(one.marketMs).time, one.price, one.size, one.side],
      ...[one.ask, one.bid, one.cumVolume, one.sellVolume, one.buyVolume],
    ]);
    expect(facts).toEqual([
      ["900010", "090000", 1010, 5, 1, 1010, 1000, 105, 40, 65],
      ["900020", "090001", 2005, 7, -1, 2010, 2005, 7, 7, 0],
      ["900010", "090004", 1000, 3, -1, 1010, 1000, 108, 43, 65],
    ]);
    expect(tape.closing(0)).toEqual([]);
  });

  test("what is no recording is TAPE_UNREADABLE", () => {
    for (const text of ["", "a,b,c\n1,2,3", HEADER]) {
      const path = join(folder, "bad.csv");
      writeFileSync(path, text);
      expect(() => openTape([path])).toThrow(/TAPE_UNREADABLE/);
    }
    expect(() => openTape([join(folder, "missing.csv")])).toThrow(/TAPE_UNREADABLE/);
  });

  test("a NASDAQ half hour gives 33,968 books and 3,202 trades in order of time", ({ skip }) => {
    if (!books || !trades) return skip(NO_DATA);
    const events = [...openTape([books, trades]).play(0)];
    const kinds = Map.groupBy(events, (event) => event.kind);
    expect(kinds.get("book")).toHaveLength(33_968);
    expect(kinds.get("trade")).toHaveLength(3202);
    for (let i = 1; i < events.length; i++) {
      expect(events[i]!.marketMs >= events[i - 1]!.marketMs).toBe(true);
    }
    expect(newYork(events[0]!.marketMs)).toMatchObject({ date: "20120621", time: "093000" });
  });
});

describe("playing", () => {
  test("waits until both brokers' clients have every symbol, then runs to its end", async () => {
    sim = await startSim({ tape: [small()], speed: "max" });
    const codes = ["900010", "900020"].map((code) => ["H0STCNT0", code] as const);
    const kis = await kisClient(sim.urls, codes);
    const kiwoom = await kiwoomClient(sim.urls);
    await register(kiwoom, ["900010"], ["0B"]);
    expect(sim.counts().records).toBe(0);
    expect(sim.market()).toEqual({
      marketMs: null,
      done: false,
      brokers: ["kis", "kiwoom"],
      played: null,
      lateness: null,
      bufferedBytes: 0,
    });
    await register(kiwoom, ["900020"], ["0B"]);
    await waitFor(() => sim!.market().done);
    expect(sim.counts().records).toBe(6);
    expect(kst(sim.market().marketMs!)).toMatchObject({ date: "20240105", time: "090004" });
    await waitFor(() => kisRecords(kis.frames) === 3);
  });

  test("keeps its own pace times a factor", async () => {
    sim = await startSim({ tape: [small()], speed: 20, expect: [] });
    await waitFor(() => sim!.market().marketMs !== null);
    const startedMs = performance.now();
    await waitFor(() => sim!.market().done);
    expect(performance.now() - startedMs).toBeGreaterThan(100);
  });

  test("45,617 real trades reach a client of each broker with the recorded cumulative volumes", async ({
    skip,
  }) => {
    if (!krx) return skip(NO_DATA);
    sim = await startSim({ tape: [krx], speed: "max" });
    const kis = await kisClient(
      sim.urls,
      sim.symbols.map((code) => ["H0STCNT0", code] as const),
    );
    const kiwoom = await kiwoomClient(sim.urls);
    await register(kiwoom, sim.symbols, ["0B"]);
    await waitFor(() => sim!.market().done);
    await waitFor(() => kisRecords(kis.frames) === 45_617);
    await waitFor(() => kiwoomRecords(kiwoom.frames) === 45_617);

    const rows = gunzipSync(readFileSync(krx)).toString().trim().split("\n").slice(1);
    const wanted = rows.map((row) => {
      const [code, stamp, , , , price, , , , size, cum] = row.split(",");
      return `${code!} ${stamp!.slice(8)} ${price!} ${size!} ${cum!}`;
    });
    const fromKis = kisTrades(kis.frames).map((fields) =>
      [0, 1, 2, 12, 13].map((at) => fields[at]!).join(" "),
    );
    const fromKiwoom = kiwoomRows(kiwoom.frames).map(({ item, values }) => {
      const [price, size] = [values[10], values[15]].map((text) => text!.replace(/^[+-]/, ""));
      return `${item} ${values[20]!} ${price!} ${size!} ${values[13]!}`;
    });
    expect(fromKis).toEqual(wanted);
    expect(fromKiwoom).toEqual(wanted);
    expect(sim.counts()).toMatchObject({ records: 2 * 45_617, doubleSockets: 0 });
  });
});
