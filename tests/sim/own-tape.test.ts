import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeBatch } from "../../app/shared/batch.ts";
import { TapeWriter } from "../../app/shared/tape-file.ts";
import { readKisFrame } from "../../app/sim/kis/recorded.ts";
import { readKiwoomFrame } from "../../app/sim/kiwoom/recorded.ts";
import { openFrameTapes } from "../../app/sim/market/frame-tape.ts";
import type { SimInput } from "../../app/sim/options.ts";
import type { Sim } from "../../app/sim/sim.ts";
import { startSim } from "../../app/sim/sim.ts";
import { kisClient, kiwoomClient, register, waitFor } from "./client.ts";

const START_MS = Date.UTC(2026, 8, 22, 1);
const KIS = {
  trades: `0|H0STCNT0|002|005930^100000^71000^${"2^".repeat(91)}`,
  book: "0|H0STASP0|001|005930^100000^0^71100",
  status: "0|H0STMKO0|001|000660^N^(null)^112",
  us: "0|HDFSCNT0|001|DNASAAPL^AAPL^4^20260921",
  garbage: "0|H0STCNT0|abc|^^^",
};
const KIWOOM = {
  mixed: real(["0B", "005930_NX"], ["0D", "005930_NX"], ["0s", ""]),
  us: `{"trnm":"REAL","data":[{"type":"FE","item":"AAPL","stexTp":"ND","values":{"10":"1"}}]}`,
  vi: real(["1h", "005930"]),
  garbage: `{"data":[{"values":{"20":"1`,
};

/** A frame with one row for each of `rows`, spaced as no broker does: bytes have to survive. */
function real(...rows: [type: string, item: string][]): string {
  const data = rows.map(([type, item]) => ({ values: { 10: "+71000" }, type, name: "가", item }));
  return `{"data": ${JSON.stringify(data)},"trnm":"REAL"}`;
}

let folder: string;
let sim: Sim | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tickhub-own-"));
});
afterEach(async () => {
  await sim?.close();
  sim = undefined;
  rmSync(folder, { recursive: true });
});

/** A tape of `frames`, `[ms since the start, text]`, two to a batch. */
async function tape(
  broker: "kis" | "kiwoom",
  frames: readonly (readonly [ms: number, text: string])[],
  account = `${broker}:1`,
): Promise<string> {
  const path = join(folder, `${account.replace(":", "-")}.tape`);
  const writer = await TapeWriter.create(path, { broker, market: "wall", startedMs: START_MS });
  for (let at = 0, number = 1; at < frames.length; at += 2, number++) {
    const stream = "00000000-0000-0000-0000-000000000000";
    const rows = frames.slice(at, at + 2).map(([ms, text]) => {
      const edgeRecvMs = START_MS + ms;
      return { kind: "frame", edgeRecvMs, marketMs: edgeRecvMs + 7, bytes: bytesOf(text) } as const;
    });
    await writer.append(encodeBatch({ table: "frame", stream, number, account, epoch: 0 }, rows));
  }
  await writer.close();
  return path;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The data frames among those a client has, control messages aside. */
function data(frames: readonly string[]): string[] {
  return frames.filter((frame) => !frame.startsWith("{") || !/"(header|return_code)"/.test(frame));
}

async function start(input: SimInput): Promise<Sim> {
  return (sim = await startSim({ speed: "max", ...input }));
}

test("a KIS frame counts as its COUNT says, under the TR and key it was registered by", () => {
  const read = (text: string) => readKisFrame(bytesOf(text));
  const trade = { type: "H0STCNT0", key: "005930", kind: "trade", symbol: "005930" };
  expect(read(KIS.trades)).toEqual({ registrations: [trade], records: ["trade", "trade"] });
  expect(read(KIS.book).registrations[0]).toMatchObject({ kind: "book", symbol: "005930" });
  expect(read("0|H0NXCNT0|001|005930^1").registrations[0]!.symbol).toBe("NXT:005930");
  expect(read(KIS.us).registrations[0]).toMatchObject({ key: "DNASAAPL", symbol: "NAS:AAPL" });
  for (const text of ["", KIS.garbage, "1|H0STCNT0|001|005930^1", "0|H0XXXXX0|001|005930^1"]) {
    expect(read(text)).toEqual({ registrations: [], records: ["garbage"] });
  }
});

test("a Kiwoom frame counts its rows, under their types and items", () => {
  const read = (text: string) => readKiwoomFrame(bytesOf(text));
  expect(read(KIWOOM.mixed).records).toEqual(["trade", "book", "status"]);
  expect(
    read(KIWOOM.mixed).registrations.map(({ type, key, symbol }) => [type, key, symbol]),
  ).toEqual([
    ["0B", "005930_NX", "NXT:005930"],
    ["0D", "005930_NX", "NXT:005930"],
    ["0s", "", ""],
  ]);
  expect(read(KIWOOM.vi).registrations[0]).toMatchObject({ key: "", symbol: "" });
  expect(read(KIWOOM.us).registrations[0]).toMatchObject({ key: "AAPL", symbol: "NAS:AAPL" });
  expect(read(real(["9Z", "005930"]))).toEqual({ registrations: [], records: ["garbage"] });
  expect(read(KIWOOM.garbage)).toEqual({ registrations: [], records: ["garbage"] });
});

test("two brokers' tapes play together in the order in which they were read", async () => {
  const one = await tape("kis", [
    [0, KIS.trades],
    [30, KIS.book],
    [40, KIS.status],
  ]);
  const two = await tape("kis", [[35, KIS.us]], "kis:2");
  const kiwoom = await tape("kiwoom", [[20, KIWOOM.mixed]]);
  const market = await openFrameTapes([one, two, kiwoom]);
  const played = [...market.play(0)].map(({ broker, marketMs }) => [broker, marketMs - START_MS]);
  expect(played).toEqual([
    ["kis", 0],
    ["kiwoom", 20],
    ["kis", 30],
    ["kis", 35],
    ["kis", 40],
  ]);
  expect(market.endMs).toBe(START_MS + 47);
  // Who had a status is first: the hub gives the spare registrations to the first of the list.
  expect(market.watchlist).toEqual(["000660", "005930", "NAS:AAPL", "NXT:005930"]);
});

test("frames arrive byte for byte at those who have registered something in them", async () => {
  const paths = [
    await tape("kis", [
      [0, KIS.trades],
      [1, KIS.book],
      [2, KIS.garbage],
      [3, KIS.status],
    ]),
    await tape("kiwoom", [
      [0, KIWOOM.mixed],
      [1, KIWOOM.vi],
      [2, KIWOOM.garbage],
    ]),
  ];
  const { urls, ...sim } = await start({ tape: paths });
  expect(sim.marketClock).toBe("fixed:2026-09-22T01:00:00.010Z");
  const [trades, book, status] = [
    ["H0STCNT0", "005930"],
    ["H0STASP0", "005930"],
    ["H0STMKO0", "000660"],
  ] as const;
  const kis = await kisClient(urls, [trades, book]);
  const other = await kisClient(urls, [book, status], "app-2");
  const kiwoom = await kiwoomClient(urls);
  await register(kiwoom, ["005930_NX"], ["0B", "0D"]);
  expect(sim.market()).toMatchObject({ marketMs: null, done: false });
  await register(kiwoom, [""], ["0s", "1h"]);
  await waitFor(() => sim.market().done);
  await waitFor(() => data(kis.frames).length === 3 && data(kiwoom.frames).length === 3);
  await waitFor(() => data(other.frames).length === 3);
  expect(data(kis.frames)).toEqual([KIS.trades, KIS.book, KIS.garbage]);
  expect(data(other.frames)).toEqual([KIS.book, KIS.garbage, KIS.status]);
  const told = data(kiwoom.frames).map((frame) => Buffer.from(frame, "utf8").toString());
  expect(told).toEqual([KIWOOM.mixed, KIWOOM.vi, KIWOOM.garbage]);
  expect(sim.counts()).toMatchObject({
    kis: {
      "app-1": { trades: 2, books: 1, statuses: 0, garbage: 1, records: 4, frames: 3 },
      "app-2": { trades: 0, books: 1, statuses: 1, garbage: 1, records: 3, frames: 3 },
    },
    kiwoom: { "app-1": { trades: 1, books: 1, statuses: 2, garbage: 1, records: 5, frames: 3 } },
  });
});

test("waits for trades and books, but not for ever for a status nobody has room for", async () => {
  const path = await tape("kis", [
    [0, KIS.status],
    [0, KIS.book],
  ]);
  const { urls, ...sim } = await start({ tape: [path] });
  expect(sim.market().brokers).toEqual(["kis"]);
  await kisClient(urls, [["H0STASP0", "005930"]]);
  expect(sim.market().done).toBe(false);
  await waitFor(() => sim.market().done);
  expect(sim.counts()).toMatchObject({ records: 1 });
});

test("keeps the pace at which the frames were read, times a factor", async () => {
  const path = await tape("kis", [
    [0, KIS.book],
    [3000, KIS.book],
  ]);
  const { urls, ...sim } = await start({ tape: [path], speed: 20 });
  await kisClient(urls, [["H0STASP0", "005930"]]);
  await waitFor(() => sim.counts().records === 1);
  const startedMs = performance.now();
  await waitFor(() => sim.counts().records === 2);
  expect(performance.now() - startedMs).toBeGreaterThan(100);
});

test("what is no tape of frames is TAPE_UNREADABLE", async () => {
  const good = await tape("kis", [[0, KIS.book]]);
  const csv = join(folder, "trades.csv");
  writeFileSync(csv, "ts_s,price,qty,aggressor\n1,2,3,B");
  const nobody = await tape("kis", [[0, KIS.garbage]], "kis:3");
  for (const paths of [[good, csv], [nobody], [good, join(folder, "missing.tape")]]) {
    await expect(startSim({ tape: paths })).rejects.toMatchObject({ code: "TAPE_UNREADABLE" });
  }
});
