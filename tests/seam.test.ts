// Time and chance have one way in: lint refuses every other. A simulated run is a function of its seed only
// as long as that holds.
import { ESLint } from "eslint";
import tseslint from "typescript-eslint";
import { describe, expect, it } from "vitest";

const RULES = /^no-restricted-(globals|properties|syntax)$/;

const eslint = new ESLint({
  // The seam's rules need no types, and types take seconds.
  overrideConfig: [
    {
      ...tseslint.configs.disableTypeChecked,
      languageOptions: { parserOptions: { projectService: false } },
    },
  ],
});

async function refused(code: string, filePath = "app/edge/lease-clock.ts"): Promise<number> {
  const [result] = await eslint.lintText(code, { filePath });
  const fatal = result!.messages.find((message) => message.fatal);
  if (fatal) throw new Error(fatal.message);
  return result!.messages.filter(({ ruleId }) => RULES.test(ruleId ?? "")).length;
}

describe("lint refuses, outside app/shared/clock.ts,", () => {
  it.each([
    "export const now = Date.now();",
    "export const now = new Date();",
    "export const now = Date();",
    "export const now = performance.now();",
    "export const origin = performance.timeOrigin;",
    "export const now = process.hrtime.bigint();",
    "export const now = process.uptime();",
    "export const chance = Math.random();",
    "setTimeout(() => undefined, 1);",
    "setInterval(() => undefined, 1);",
    "setImmediate(() => undefined);",
    "globalThis.setTimeout(() => undefined, 1);",
    "export const now = globalThis.performance;",
    'import { setTimeout as later } from "node:timers"; later(() => undefined, 1);',
    'import { setTimeout as sleep } from "node:timers/promises"; await sleep(1);',
    'import { setTimeout as sleep } from "timers/promises"; await sleep(1);',
    'const { setTimeout: sleep } = await import("node:timers/promises"); await sleep(1);',
    'import { performance as p } from "node:perf_hooks"; export const now = p.now();',
    'import { randomUUID } from "node:crypto"; export const name = randomUUID();',
    "export const name = crypto.randomUUID();",
  ])("%s", async (code) => {
    expect(await refused(code)).toBeGreaterThan(0);
  });
});

describe("lint allows", () => {
  it.each([
    ["a date of a given moment", "export const at = (ms: number) => new Date(ms);"],
    ["a clock's time", "export const at = (clock: { nowMs(): number }) => clock.nowMs();"],
    ["a microtask", "queueMicrotask(() => undefined);"],
  ])("%s", async (_what, code) => {
    expect(await refused(code)).toBe(0);
  });

  it("the clock itself", async () => {
    expect(await refused("export const now = Date.now();", "app/shared/clock.ts")).toBe(0);
  });

  it("names to be minted where an edge is put together", async () => {
    const code = 'import { randomUUID } from "node:crypto"; export const name = randomUUID();';
    expect(await refused(code, "app/edge/edge.ts")).toBe(0);
  });
});
