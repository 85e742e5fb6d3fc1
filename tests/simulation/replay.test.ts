// Plays one run again: TICKHUB_SEED=plain:17, as a failed run names itself.
import { expect, it, vi } from "vitest";
import { runSeed } from "./run.ts";
import { namedScenario } from "./scenarios.ts";

vi.mock("ws", () => import("./sockets.ts"));

const NAME = process.env["TICKHUB_SEED"] ?? "plain:1";

it(`run ${NAME} holds every law`, async () => {
  const result = await runSeed(namedScenario(NAME));
  console.log(JSON.stringify(result));
  expect(result.twice).toBe(0);
});
