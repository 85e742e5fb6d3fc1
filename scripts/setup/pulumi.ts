// The user's own pulumi CLI: where config and encrypted secrets end up. Secrets go in by standard input, never
// as an argument, because arguments are for everybody on the machine to see.
import { spawn } from "node:child_process";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export class Pulumi {
  readonly #env: NodeJS.ProcessEnv;

  /** `env`: PULUMI_BACKEND_URL and PULUMI_CONFIG_PASSPHRASE are added once they are known. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" };
  }

  know(name: "PULUMI_BACKEND_URL" | "PULUMI_CONFIG_PASSPHRASE", value: string): void {
    this.#env[name] = value;
  }

  run(args: readonly string[], input = ""): Promise<Ran> {
    return new Promise((resolve) => {
      const child = spawn("pulumi", [...args, "--non-interactive"], { env: this.#env });
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      child.on("error", (error) => resolve({ code: 127, stdout, stderr: error.message }));
      child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
    });
  }

  /** Throws with what pulumi said. */
  async must(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")}: ${stderr.trim() || stdout.trim()}`);
    return stdout.trim();
  }

  /** Makes the stack where it is missing; its passphrase is checked where it is not. */
  async stack(name: string): Promise<void> {
    const { code, stdout } = await this.run(["stack", "ls", "--json"]);
    const known = code === 0 ? (JSON.parse(stdout || "[]") as { name: string }[]) : [];
    if (!known.some((stack) => stack.name === name)) await this.must(["stack", "init", name]);
  }

  async set(stack: string, key: string, value: string): Promise<void> {
    await this.must(["config", "set", key, "--plaintext", "--stack", stack], value);
  }

  /** `key` may be a path: `secrets.KIS_APP_KEY`. */
  async setSecret(stack: string, key: string, value: string): Promise<void> {
    const path = key.includes(".") ? ["--path"] : [];
    await this.must(["config", "set", key, "--secret", ...path, "--stack", stack], value);
  }

  /** What is set, or undefined; FILL marks of the committed files count as unset. */
  async get(stack: string, key: string): Promise<string | undefined> {
    const path = key.includes(".") ? ["--path"] : [];
    const { code, stdout } = await this.run(["config", "get", key, ...path, "--stack", stack]);
    const value = stdout.trim();
    return code !== 0 || value === "" || value.startsWith("FILL") ? undefined : value;
  }
}
