import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import type { SimUrls } from "../../app/sim/sim.ts";
import { startSim } from "../../app/sim/sim.ts";
import { readArguments } from "../../app/sim/options.ts";
import {
  kisClient,
  kisRecords,
  kisTrades,
  kiwoomClient,
  kiwoomRecords,
  kiwoomRows,
  post,
  register,
  waitFor,
} from "./client.ts";

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
});

async function run(...args: string[]): Promise<Record<string, unknown> & SimUrls> {
  const main = new URL("../../app/sim/main.ts", import.meta.url).pathname;
  child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return JSON.parse(line) as Record<string, unknown> & SimUrls;
}

const get = async (url: string) => (await (await fetch(url)).json()) as Record<string, unknown>;

test("the process says where it listens, counts both brokers' records, stops and ends on SIGTERM", async () => {
  const said = await run("--rate", "1000", "--opening-ms", "0", "--symbols", "4");
  expect(said).toMatchObject({
    event: "sim_listening",
    symbols: ["005930", "000660", "247540", "373220"],
  });
  for (const url of [said.kisRest, said.kisWs, said.kiwoomWs, said.kiwoomUsWs, said.control]) {
    expect(new URL(url).hostname).toBe("127.0.0.1");
  }
  const kis = await kisClient(said, [["H0STCNT0", "005930"]]);
  const kiwoom = await kiwoomClient(said);
  await register(kiwoom, ["005930"], ["0B"]);
  await waitFor(() => kisRecords(kis.frames) > 50 && kiwoomRecords(kiwoom.frames) > 50);
  const fault = await post(`${said.control}/fault`, { kind: "garbage", broker: "kis", count: 2 });
  expect(fault.body).toEqual({ touched: 1 });

  const { body: counts } = await post(`${said.control}/stop`, { close: true });
  expect(await get(`${said.control}/counts`)).toEqual(counts);
  expect((await get(`${said.control}/market`)).done).toBe(true);
  const seen = () => kisRecords(kis.frames) + kiwoomRecords(kiwoom.frames);
  await waitFor(() => seen() === counts.records);
  expect(counts).toMatchObject({
    kis: { "app-1": { garbage: 2, books: 0 } },
    openSockets: { kis: 1, kiwoom: 1 },
    doubleSockets: 0,
    evictions: 0,
  });

  child!.kill("SIGTERM");
  const [code] = (await once(child!, "exit")) as [number];
  expect(code).toBe(0);
});

test("a market that waits for nobody can be opened by hand", async () => {
  const said = await run("--rate", "1000", "--expect", "kis,kiwoom", "--opening-ms", "0");
  const kis = await kisClient(said, [["H0STCNT0", "005930"]]);
  expect(kisRecords(kis.frames)).toBe(0);
  await post(`${said.control}/open`, {});
  await waitFor(() => kisRecords(kis.frames) > 0);
});

describe("wrong use", () => {
  test("is refused with the option's name", () => {
    expect(() => readArguments(["--rate", "fast"])).toThrow(/CONFIG_INVALID.*rate/);
    expect(() => readArguments(["--no-such"])).toThrow(/USAGE/);
    expect(() => readArguments(["--expect", "kis,nobody"])).toThrow(/CONFIG_INVALID.*expect/);
  });

  test("of the control door is HTTP 400", async () => {
    const sim = await startSim({ rate: 0.001 });
    const wrong = [
      await post(`${sim.urls.control}/fault`, { kind: "no-such", broker: "kis" }),
      await post(`${sim.urls.control}/fault`, { kind: "drop", broker: "nobody" }),
      await post(`${sim.urls.control}/stop`, { close: "yes" }),
    ];
    expect(wrong.map(({ status }) => status)).toEqual([400, 400, 400]);
    await sim.close();
  });
});

test("both brokers' clients see the same trades with the same cumulative volumes", async () => {
  const sim = await startSim({ rate: 2000, expect: ["kis", "kiwoom"], openingMs: 0 });
  const kis = await kisClient(
    sim.urls,
    sim.symbols.map((code) => ["H0STCNT0", code] as const),
  );
  const kiwoom = await kiwoomClient(sim.urls);
  await register(kiwoom, sim.symbols, ["0B"]);
  await waitFor(() => sim.counts().records > 4000);
  sim.stop({ close: true });
  const { kis: a, kiwoom: b } = sim.counts();
  expect(a["app-1"]!.trades).toBe(b["app-1"]!.trades);
  await waitFor(() => kisRecords(kis.frames) === a["app-1"]!.records);
  await waitFor(() => kiwoomRecords(kiwoom.frames) === b["app-1"]!.records);
  const fromKis = kisTrades(kis.frames).map((fields) => `${fields[0]!} ${fields[13]!}`);
  const fromKiwoom = kiwoomRows(kiwoom.frames).map(({ item, values }) => `${item} ${values[13]!}`);
  expect(fromKis).toEqual(fromKiwoom);
  await sim.close();
});
