// Runs the real CLI on a copy of a project: file backend, passphrase, plugins and home in a folder of its
// own, simulated clouds beside it, and no way out to a network.
import { randomUUID } from "node:crypto";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { inject } from "vitest";
import { Cloud, EPOCH, type Call, type Fault } from "../../infra/sim-cloud/cloud.ts";
import { installSimCloud } from "../../infra/sim-cloud/install.ts";
import type { Package } from "../../infra/sim-cloud/table.ts";

export const ROOT = resolve(import.meta.dirname, "../../..");
export const PASSPHRASE = "a passphrase of the tests";

/** Where there is no CLI and none can be built, tests are skipped; globalSetup has said why. */
export const noEngine = (): boolean => "missing" in inject("pulumi");

export interface Ran {
  code: number | null;
  /** Everything it said, both streams in the order they came. */
  text: string;
}

export interface Running {
  child: ChildProcess;
  done: Promise<Ran>;
}

export interface StateResource {
  urn: string;
  type: string;
  id?: string;
  parent?: string;
  custom: boolean;
  protect?: boolean;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

export interface Deployment {
  resources?: StateResource[];
  pending_operations?: { type: string; resource: StateResource }[];
}

export class Engine {
  /** Everything is under this folder. */
  readonly folder = mkdtempSync(join(tmpdir(), "tickhub-pulumi-"));
  readonly project = join(this.folder, "project");
  readonly cloudFolder = join(this.folder, "cloud");
  readonly env: NodeJS.ProcessEnv;

  /** Copies `files` of `from`, or all of it, and links the installed packages beside them. */
  constructor(from: string, files?: string[]) {
    mkdirSync(this.project, { recursive: true });
    for (const file of files ?? readdirSync(from))
      if (existsSync(join(from, file)))
        cpSync(join(from, file), join(this.project, file), {
          recursive: true,
          verbatimSymlinks: true,
        });
    symlinkSync(join(ROOT, "node_modules"), join(this.project, "node_modules"));
    const home = join(this.folder, "pulumi");
    mkdirSync(join(this.folder, "state"));
    mkdirSync(this.cloudFolder);
    installSimCloud(home);
    const tools = inject("pulumi");
    this.env = {
      PATH: [
        "missing" in tools ? "" : tools.folder,
        dirname(process.execPath),
        "/usr/bin:/bin",
      ].join(":"),
      HOME: this.folder,
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${join(this.folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      TICKHUB_SIM_CLOUD: this.cloudFolder,
      // Nothing may leave this machine: whatever tries is sent to a port where nobody listens.
      HTTP_PROXY: "http://127.0.0.1:9",
      HTTPS_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "127.0.0.1,localhost",
      NO_COLOR: "1",
      NODE_NO_WARNINGS: "1",
    };
  }

  start(...args: string[]): Running {
    const child = spawn("pulumi", [...args, "--non-interactive"], {
      cwd: this.project,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    const hear = (chunk: Buffer) => (text += chunk.toString());
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const done = new Promise<Ran>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, text }));
    });
    return { child, done };
  }

  /** Signal 9 to the CLI and to all that it started, as when the machine stops; nothing is left running. */
  async kill(running: Running): Promise<void> {
    const table = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
    const tree = [running.child.pid!];
    for (const parent of tree)
      for (const [pid, ppid] of table) if (ppid === parent) tree.push(pid!);
    for (const pid of tree)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    await running.done;
  }

  /** Runs to its end, whatever that is. */
  run(...args: string[]): Promise<Ran> {
    return this.start(...args).done;
  }

  /** Runs what has to succeed. */
  async ok(...args: string[]): Promise<string> {
    const { code, text } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${text}`);
    return text;
  }

  up(stack: string, ...args: string[]): Promise<Ran> {
    return this.run("up", "--yes", "--skip-preview", "--stack", stack, ...args);
  }

  upOk(stack: string, ...args: string[]): Promise<string> {
    return this.ok("up", "--yes", "--skip-preview", "--stack", stack, ...args);
  }

  /** The file in which the backend keeps a stack. */
  statePath(stack: string): string {
    const folder = join(this.folder, "state/.pulumi/stacks");
    return join(folder, readdirSync(folder)[0]!, `${stack}.json`);
  }

  stateFile(stack: string): string {
    return readFileSync(this.statePath(stack), "utf8");
  }

  async export(stack: string, ...args: string[]): Promise<Deployment> {
    const text = await this.ok("stack", "export", "--stack", stack, ...args);
    return (JSON.parse(text) as { deployment: Deployment }).deployment;
  }

  async outputs(stack: string): Promise<Record<string, unknown>> {
    return JSON.parse(
      await this.ok("stack", "output", "--json", "--show-secrets", "--stack", stack),
    ) as Record<string, unknown>;
  }

  cloud(name: Package): Cloud {
    return new Cloud(this.cloudFolder, name);
  }

  /** Moves the clouds' clock to so many hours after their beginning. */
  clock(hours: number): void {
    const time = new Date(Date.parse(EPOCH) + hours * 3_600_000).toISOString();
    writeFileSync(join(this.cloudFolder, "clock"), time);
  }

  /** The app's sources are others from here on, so that its images get other digests. */
  newSources(): void {
    writeFileSync(join(this.cloudFolder, "sources"), randomUUID());
  }

  /** Changes the program's copy; gives what undoes it. */
  edit(file: string, from: string, to: string): () => void {
    const path = join(this.project, file);
    const text = readFileSync(path, "utf8");
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
    writeFileSync(path, text.replace(from, to));
    return () => writeFileSync(path, text);
  }

  faults(...faults: Fault[]): void {
    rmSync(join(this.cloudFolder, "held"), { force: true });
    writeFileSync(join(this.cloudFolder, "faults.json"), JSON.stringify(faults));
  }

  /** Resolves when a cloud waits at a hold. */
  async held(): Promise<void> {
    const file = join(this.cloudFolder, "held");
    if (existsSync(file)) return;
    await new Promise<void>((resolve) => {
      const watcher = watch(this.cloudFolder, () => {
        if (!existsSync(file)) return;
        watcher.close();
        resolve();
      });
      if (existsSync(file)) {
        watcher.close();
        resolve();
      }
    });
  }

  /** What was done to the clouds since the last call, reads left out. */
  calls(): Call[] {
    const file = join(this.cloudFolder, "calls.jsonl");
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    rmSync(file, { force: true });
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Call)
      .filter(({ operation }) => operation !== "read");
  }

  /** With TICKHUB_KEEP=1 the folder stays, for looking at after a failure. */
  remove(): void {
    if (process.env["TICKHUB_KEEP"] === "1") return console.log(`kept: ${this.folder}`);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** "create Core/Volume data", without the package: how the tests name what was done. */
export const done = (calls: Call[]): string[] =>
  calls.map(({ operation, type, name }) => `${operation} ${type.split(":")[2]!} ${name}`).sort();
