import { expect, it, vi } from "vitest";
import { runSeed } from "./run.ts";

vi.mock("ws", () => import("./sockets.ts"));

it("runs", async () => {
  const from = Number(process.env["SEED"] ?? 1);
  for (let seed = from; seed < from + Number(process.env["N"] ?? 1); seed++) {
    const t = performance.now();
    const result = await runSeed({ seed });
    console.log(JSON.stringify(result), Math.round(performance.now() - t));
  }
  expect(1).toBe(1);
});
