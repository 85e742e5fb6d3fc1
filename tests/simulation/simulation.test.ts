import { expect, it, vi } from "vitest";
import { runSeed } from "./run.ts";
import type { Plant } from "./world.ts";

vi.mock("ws", () => import("./sockets.ts"));

it.skipIf(process.env["PLANT"])("runs", async () => {
  const from = Number(process.env["SEED"] ?? 1);
  const t = performance.now();
  const sums: Record<string, number> = {};
  for (let seed = from; seed < from + Number(process.env["N"] ?? 1); seed++) {
    try {
      const result = await runSeed({ seed });
      for (const [k, v] of Object.entries(result)) if (typeof v === "number") sums[k] = (sums[k] ?? 0) + v;
    } catch (e) { console.log("SEED", seed, (e as Error).message.slice(0, process.env["FULL"] ? 9000000 : 300)); if (process.env["FULL"]) console.log((e as Error).cause); }
  }
  console.log(JSON.stringify(sums), Math.round(performance.now() - t));
  expect(1).toBe(1);
}, 1e6);

const PLANTS: Record<string, Plant> = {
  acksEarly: { acksEarly: true }, unlockedEpoch: { unlockedEpoch: true }, reusesNumbers: { reusesNumbers: true },
  unclippedRefill: { unclippedRefill: true }, trimsInFlight: { trimsInFlight: true }, contentKey: { contentKey: true },
  ignoresCount: { ignoresCount: true }, keepsLeaseOverSuspend: { keepsLeaseOverSuspend: true },
};
it.runIf(process.env["PLANT"])("plants", async () => {
  for (const [name, plant] of Object.entries(PLANTS)) {
    if (process.env["PLANT"] !== "all" && process.env["PLANT"] !== name) continue;
    const caught: string[] = [];
    for (let seed = 1; seed <= 15; seed++) {
      try { await runSeed({ seed, plant }); } catch (e) { caught.push(`${seed}: ${(e as Error).message.split("\n")[0]!.slice(0,100)}`); }
    }
    console.log(name, caught.length, caught.slice(0, 3));
  }
}, 1e6);
