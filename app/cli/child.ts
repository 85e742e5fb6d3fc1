// One process of a stack, started by the CLI: its log goes to a file, the JSON lines it prints on stdout
// are its announcements (`hub_listening`, `edge_stopped`, …) and can be awaited by name.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ERRORS, TickhubError } from "../shared/errors.ts";
import type { ErrorCode, ErrorContext } from "../shared/errors.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const SIM = fileURLToPath(new URL("../sim/main.ts", import.meta.url));

/** An announcement: whatever a process says of itself on stdout, named by `event`. */
export type Announcement = Record<string, unknown> & { event?: string };

export interface ChildOptions {
  /** Arguments of `tickhub`, or of the simulator when `program` is "sim". */
  args: readonly string[];
  program?: "tickhub" | "sim";
  env: Readonly<Record<string, string>>;
  logFile: string;
}

export class Child {
  readonly process: ChildProcess;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  readonly #announcements: Announcement[] = [];
  readonly #waiting = new Set<() => void>();
  #gone = false;

  constructor(options: ChildOptions) {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, "a");
    const script = options.program === "sim" ? SIM : MAIN;
    this.process = spawn(process.execPath, [script, ...options.args], {
      // Not ours: a .env there is for the command a person started, which hands on what a child needs.
      cwd: dirname(options.logFile),
      env: { ...inherited(), ...options.env },
      stdio: ["ignore", "pipe", log],
      // Ctrl-C is for the command a person started: it ends its processes itself, in order.
      detached: true,
    });
    closeSync(log);
    const lines = createInterface({ input: this.process.stdout! });
    lines.on("line", (line) => this.#take(line));
    this.exited = new Promise((resolve) => {
      this.process.once("error", () => this.#leave(resolve, 1));
      this.process.once("close", (code, signal) => this.#leave(resolve, code ?? signal ?? 1));
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** The newest announcement called `event`; waits for it, and throws when the process ends first. */
  async announced(event: string): Promise<Announcement> {
    for (;;) {
      const found = this.#announcements.findLast((one) => one.event === event);
      if (found) return found;
      if (this.#gone) {
        const failure = this.#announcements.findLast((one) => one.ok === false);
        throw childFailure(failure, await this.exited);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Sends a signal and waits for the end; a process that was stopped on purpose is let go on for it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    if (!this.#gone) {
      this.process.kill(signal);
      this.process.kill("SIGCONT");
    }
    return await this.exited;
  }

  #take(line: string): void {
    try {
      this.#announcements.push(JSON.parse(line) as Announcement);
    } catch {
      this.#announcements.push({ event: "text", line });
    }
    this.#wake();
  }

  #leave(resolve: (code: number | string) => void, code: number | string): void {
    this.#gone = true;
    resolve(code);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** The child's own error, if it printed one (every command does with --json). */
function childFailure(failure: Announcement | undefined, exit: number | string): Error {
  const code = failure?.code;
  if (typeof code === "string" && code in ERRORS) {
    return new TickhubError(code as ErrorCode, failure?.context as ErrorContext);
  }
  return new Error(`a process of the stack ended (${exit}) before it was ready; see its log`);
}

/** Our environment without settings: a stack's processes get theirs one by one. */
function inherited(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TICKHUB|KIS|KIWOOM)_/.test(name));
  return Object.fromEntries(kept);
}
