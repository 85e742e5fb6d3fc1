// The log's one dangerous moment: it cannot be written.
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { expect, it } from "vitest";

const PROGRAM = `
  import { createReporter } from "${new URL("../../app/shared/report.ts", import.meta.url).href}";
  const { emit, registry } = createReporter("edge", "info");
  for (let i = 0; i < 20_000; i++) {
    emit({ event: "process_started", role: "edge", version: "0".repeat(100) });
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.stdout.write(await registry.metrics());
`;

it.skipIf(!existsSync("/dev/full"))(
  "a log whose disk is full costs lines, not the process, and no more memory than its limit",
  async () => {
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
      stdio: ["ignore", "pipe", full],
    });
    closeSync(full);
    let said = "";
    child.stdout!.on("data", (chunk: Buffer) => (said += chunk.toString()));
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    expect(said).toMatch(/tickhub_process_started_total.* 20000/);
    const dropped = Number(/tickhub_log_lines_dropped_total.* (\d+)/.exec(said)?.[1]);
    expect(dropped).toBeGreaterThan(10_000);
    expect(dropped).toBeLessThan(20_000);
  },
);
