// The `tickhub` command as a user runs it: a process, its output, its exit code.
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The last line of stdout as JSON; null when it is none. */
  json: Record<string, unknown> | null;
}

/** Runs it to its end. The environment holds nothing of the caller's settings; state goes to a new folder. */
export async function tickhub(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<CliResult> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TICKHUB|SENTINEL|KIS|KIWOOM)_/.test(name),
  );
  const child = spawn(process.execPath, ["app/cli/main.ts", ...args], {
    env: {
      ...Object.fromEntries(kept),
      TICKHUB_STATE_DIR: newStateDir(),
      TICKHUB_PORT: "0",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr, json: lastJson(stdout) };
}

export function newStateDir(): string {
  return mkdtempSync(join(tmpdir(), "tickhub-cli-"));
}

function lastJson(stdout: string): Record<string, unknown> | null {
  try {
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
  } catch {
    return null;
  }
}
