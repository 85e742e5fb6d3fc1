// One tunnel of the proxy: bytes both ways between a client and a broker until both sides have ended. Promises:
// what one side has ended the other may still answer; nothing lives longer than its idle time; its end is
// told once.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../shared/clock.ts";

export interface TunnelEnd {
  reason: "ended" | "idle" | "broken" | "stopped";
  upBytes: number;
  downBytes: number;
}

export class Tunnel {
  readonly ended: Promise<TunnelEnd>;
  readonly #near: Duplex;
  readonly #far: Socket;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #resolve: (end: TunnelEnd) => void;
  #reason: TunnelEnd["reason"] = "ended";
  #up = 0;
  #movedMs: number;
  #timer: Timer;

  /** Both are connected; neither is read yet. */
  constructor(near: Duplex, far: Socket, { clock, idleMs }: { clock: Clock; idleMs: number }) {
    this.#near = near;
    this.#far = far;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#movedMs = clock.monoMs();
    this.#timer = clock.after(idleMs, () => this.#look());
    const { promise, resolve } = Promise.withResolvers<TunnelEnd>();
    this.ended = promise;
    this.#resolve = resolve;
    near.on("data", (chunk: Buffer) => this.#moved(chunk.length));
    far.on("data", () => this.#moved(0));
    for (const socket of [near, far]) socket.once("error", () => this.#break());
    near.once("close", () => this.#closed(near, far));
    far.once("close", () => this.#closed(far, near));
    near.pipe(far);
    far.pipe(near);
  }

  /** Ends both sides now. */
  stop(reason: TunnelEnd["reason"] = "stopped"): void {
    if (!this.#near.destroyed || !this.#far.destroyed) this.#reason = reason;
    this.#near.destroy();
    this.#far.destroy();
  }

  #moved(upBytes: number): void {
    this.#up += upBytes;
    this.#movedMs = this.#clock.monoMs();
  }

  #look(): void {
    const leftMs = this.#movedMs + this.#idleMs - this.#clock.monoMs();
    if (leftMs <= 0) this.stop("idle");
    else this.#timer = this.#clock.after(leftMs, () => this.#look());
  }

  #break(): void {
    this.#reason = "broken";
    this.#near.destroy();
    this.#far.destroy();
  }

  /** A side that read and wrote to its end leaves the other to send what it still has; any other end is both's. */
  #closed(side: Duplex, other: Duplex): void {
    const isWhole = side.readableEnded && side.writableFinished;
    if (!isWhole && !other.destroyed) {
      if (this.#reason === "ended") this.#reason = "broken";
      other.destroy();
    }
    if (!side.closed || !other.closed) return;
    this.#timer.cancel();
    this.#resolve({ reason: this.#reason, upBytes: this.#up, downBytes: this.#far.bytesRead });
  }
}
