// Machines and the processes on them, with the clocks a process sees. A host's wall clock may be wrong and
// may be set; a suspended host's monotonic clock stands still; a stopped process finds what came meanwhile
// in its sockets, and its timers overdue. A killed one does nothing any more.
import type { Clock, Timer } from "../../app/shared/clock.ts";
import { BEGIN_MS, type Timeline } from "./timeline.ts";

export class Host {
  readonly name: string;
  readonly timeline: Timeline;
  /** Wall clock minus true time. */
  skewMs: number;
  #sleptMs = 0;
  #asleepSinceMs: number | null = null;
  readonly processes = new Set<Process>();

  constructor(name: string, timeline: Timeline, skewMs: number) {
    this.name = name;
    this.timeline = timeline;
    this.skewMs = skewMs;
  }

  wallMs(): number {
    const exact = BEGIN_MS + this.timeline.nowMs + this.skewMs;
    return Math.round(exact * 1_000) / 1_000;
  }

  monoMs(): number {
    const { nowMs } = this.timeline;
    return nowMs - this.#sleptMs - (this.#asleepSinceMs === null ? 0 : nowMs - this.#asleepSinceMs);
  }

  get isAsleep(): boolean {
    return this.#asleepSinceMs !== null;
  }

  suspend(): void {
    this.#asleepSinceMs ??= this.timeline.nowMs;
    this.timeline.note(`${this.name} sleeps`);
  }

  wake(): void {
    if (this.#asleepSinceMs === null) return;
    this.#sleptMs += this.timeline.nowMs - this.#asleepSinceMs;
    this.#asleepSinceMs = null;
    this.timeline.note(`${this.name} wakes`);
    for (const process of this.processes) process.goOn();
  }
}

/** running <--stop/goOn--> stopped;  either --kill--> dead */
type State = "running" | "stopped" | "dead";

export class Process {
  readonly name: string;
  readonly host: Host;
  readonly clock: Clock;
  #state: State = "running";
  /** What came while it did not run. */
  readonly #inbox: (() => void)[] = [];
  readonly #overdue: { dueMs: number; run: () => void }[] = [];
  /** Its sockets, closed by the kernel when it dies. */
  readonly onDeath = new Set<() => void>();

  constructor(name: string, host: Host) {
    this.name = name;
    this.host = host;
    host.processes.add(this);
    this.clock = {
      nowMs: () => host.wallMs(),
      monoMs: () => host.monoMs(),
      random: () => host.timeline.random(),
      after: (delayMs, run) => this.#after(delayMs, run),
    };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isRunning(): boolean {
    return this.#state === "running" && !this.host.isAsleep;
  }

  /** Something from outside: now, or as soon as the process runs again; never after its death. */
  deliver(run: () => void): void {
    if (this.isRunning) run();
    else if (!this.isDead) this.#inbox.push(run);
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state !== "running") return;
    this.#state = "stopped";
    this.host.timeline.note(`${this.name} stops`);
  }

  /** SIGCONT, or the host woke up. */
  goOn(): void {
    const { timeline } = this.host;
    if (this.#state === "stopped" && !this.host.isAsleep) {
      this.#state = "running";
      timeline.note(`${this.name} goes on`);
    }
    if (!this.isRunning) return;
    // What lies in the sockets is read before a timer fires; mostly, and not all of it.
    const timers = this.#overdue.splice(0);
    const isTimerFirst = timeline.chance(0.2);
    const again = () => {
      for (const { dueMs, run } of timers) {
        const delayMs = Math.max(0, dueMs - this.host.monoMs());
        timeline.after(delayMs, () => this.#fire(dueMs, run));
      }
    };
    if (isTimerFirst) again();
    for (const run of this.#inbox.splice(0)) timeline.after(0, () => this.deliver(run));
    if (!isTimerFirst) again();
  }

  /** SIGKILL, or the power is gone. */
  kill(): void {
    if (this.isDead) return;
    this.#state = "dead";
    this.host.processes.delete(this);
    this.host.timeline.note(`${this.name} dies`);
    this.#inbox.length = 0;
    this.#overdue.length = 0;
    for (const close of [...this.onDeath]) close();
    this.onDeath.clear();
  }

  #after(delayMs: number, run: () => void): Timer {
    const dueMs = this.host.monoMs() + Math.max(0, delayMs);
    let isCancelled = false;
    const timer = this.host.timeline.after(delayMs, () => {
      if (!isCancelled) this.#fire(dueMs, once);
    });
    function once() {
      if (!isCancelled) run();
    }
    return {
      cancel() {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  #fire(dueMs: number, run: () => void): void {
    if (this.isDead) return;
    const leftMs = dueMs - this.host.monoMs();
    if (!this.isRunning) this.#overdue.push({ dueMs, run });
    // The host slept meanwhile, and the timer counts its waking hours. Not for a rounding error.
    else if (leftMs > 0.001) this.host.timeline.after(leftMs, () => this.#fire(dueMs, run));
    else run();
  }
}
