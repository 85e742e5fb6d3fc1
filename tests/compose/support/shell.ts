// Programs of the machine, run to their end: what they said is returned, or is in the error.
import { spawn } from "node:child_process";

export interface RunOptions {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  input?: string;
  /** Default five minutes. */
  timeoutMs?: number;
}

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

const TAIL_CHARS = 3_000;

/** Runs a program whatever its exit code; null when it was killed or is not there. */
export function attempt(
  program: string,
  args: readonly string[],
  { env = {}, cwd, input = "", timeoutMs = 300_000 }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      ...(cwd ? { cwd } : {}),
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.once("error", (error) => resolve({ code: null, stdout, stderr: error.message }));
    child.once("close", (code) => resolve({ code, stdout, stderr }));
    // A program that ended without reading it is not our failure.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

/** Standard output, trimmed. Throws what the program said when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, args, options);
  if (code !== 0) {
    const said = `${stdout}\n${stderr}`.trim().slice(-TAIL_CHARS);
    throw new Error(`${program} ${args.join(" ").slice(0, 300)} ended with ${code}:\n${said}`);
  }
  return stdout.trim();
}

/** Polls until `holds` gives something other than null or false. */
export async function until<T>(
  what: string,
  holds: () => Promise<T>,
  patienceMs = 90_000,
): Promise<NonNullable<T>> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const value = await holds();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`within ${patienceMs} ms: not ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
