// Links between processes: connections whose messages take time, in order unless a fault says otherwise.
// Faults are of a path (one host to another) or of one connection. A cut path keeps what was sent, as TCP
// does, until it is whole again or one side gives up.
import type { Process } from "./host.ts";
import type { Timeline } from "./timeline.ts";

/** A way between two machines, and how bad it is just now. */
export interface Path {
  name: string;
  latencyMs: number;
  /** Partitioned until then; 0 = whole. */
  blockedUntilMs: number;
  /** Messages of a connection are delivered twice, or overtake each other, with this probability. */
  duplicates: number;
  overtakes: number;
}

export function path(name: string, latencyMs: number): Path {
  return { name, latencyMs, blockedUntilMs: 0, duplicates: 0, overtakes: 0 };
}

export interface Message {
  kind: "text" | "binary" | "ping" | "pong";
  data: Uint8Array | string;
}

/** What one side of a connection is told. */
export interface Listener {
  message(message: Message): void;
  /** Once, when the other side closed (with its code), or the connection broke (1006). */
  closed(code: number): void;
}

export class End {
  bytesRead = 0;
  bytesWritten = 0;
  readonly process: Process;
  readonly #connection: Connection;
  #listener: Listener;
  #isOpen = true;
  #paused: (() => void)[] | null = null;
  sent = 0;
  /** Sent and not arrived, in order. */
  readonly onTheWay: (() => void)[] = [];

  constructor(process: Process, connection: Connection, listener: Listener) {
    this.process = process;
    this.#connection = connection;
    this.#listener = listener;
    process.onDeath.add(this.#dies);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  send(message: Message): void {
    if (!this.#isOpen) return;
    this.bytesWritten += 1 + message.data.length;
    this.#connection.carry(this, message);
  }

  /** Closes this side now; the other hears of it. */
  close(code: number): void {
    if (!this.#isOpen) return;
    this.#shut();
    this.#connection.tellClosed(this, code);
  }

  pause(): void {
    this.#paused ??= [];
  }

  resume(): void {
    const waiting = this.#paused ?? [];
    this.#paused = null;
    for (const run of waiting) this.process.host.timeline.after(0, () => this.#hear(run));
  }

  /** A message has come over the wire. */
  arrive(message: Message): void {
    this.#hear(() => {
      this.bytesRead += 1 + message.data.length;
      if (message.kind === "ping") this.send({ kind: "pong", data: message.data });
      this.#listener.message(message);
    });
  }

  /** The end of the connection has come over the wire. */
  arriveClosed(code: number): void {
    this.#hear(() => {
      this.#shut();
      this.#listener.closed(code);
    });
  }

  #hear(run: () => void): void {
    if (!this.#isOpen) return;
    if (this.#paused) this.#paused.push(run);
    else
      this.process.deliver(() => {
        if (!this.#isOpen) return;
        if (this.#paused) this.#paused.push(run);
        else run();
      });
  }

  readonly #dies = () => this.close(1006);

  #shut(): void {
    this.#isOpen = false;
    this.process.onDeath.delete(this.#dies);
  }
}

const NOBODY: Listener = { message: () => undefined, closed: () => undefined };

export class Connection {
  readonly path: Path;
  readonly ends: readonly [End, End];
  readonly #timeline: Timeline;

  constructor(timeline: Timeline, of: Path, client: Process, server: Process) {
    this.#timeline = timeline;
    this.path = of;
    this.ends = [new End(client, this, NOBODY), new End(server, this, NOBODY)];
  }

  get isClosed(): boolean {
    return !this.ends[0].isOpen && !this.ends[1].isOpen;
  }

  other(end: End): End {
    return end === this.ends[0] ? this.ends[1] : this.ends[0];
  }

  carry(from: End, message: Message): void {
    const { duplicates, overtakes } = this.path;
    const to = this.other(from);
    const isFirst = from.sent++ === 0;
    const mayStray = !isFirst && message.kind !== "ping" && message.kind !== "pong";
    const copies = mayStray && duplicates > 0 && this.#timeline.chance(duplicates) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const strays = mayStray && (copy > 0 || (overtakes > 0 && this.#timeline.chance(overtakes)));
      this.#deliver(from, strays, () => to.arrive(message));
    }
  }

  tellClosed(from: End, code: number): void {
    this.#deliver(from, false, () => this.other(from).arriveClosed(code));
  }

  /** A device on the way resets it: both sides hear of it, what was on its way is gone. */
  reset(): void {
    for (const end of this.ends) {
      this.#timeline.after(this.#timeline.between(0, 2), () => end.arriveClosed(1006));
    }
  }

  /** In order, unless it strays: then up to a second late, past what follows. */
  #deliver(from: End, strays: boolean, run: () => void): void {
    if (strays) {
      this.#later(this.#timeline.between(0, 1_000), run);
      return;
    }
    from.onTheWay.push(run);
    this.#later(0, () => from.onTheWay.shift()?.());
  }

  #later(extraMs: number, run: () => void): void {
    const { nowMs } = this.#timeline;
    const takesMs = this.path.latencyMs * this.#timeline.between(0.5, 1.5);
    const atMs = Math.max(nowMs, this.path.blockedUntilMs) + takesMs + extraMs;
    this.#timeline.after(atMs - nowMs, () => {
      // A partition that began meanwhile holds it up.
      if (this.path.blockedUntilMs > this.#timeline.nowMs) this.#later(0, run);
      else run();
    });
  }
}
