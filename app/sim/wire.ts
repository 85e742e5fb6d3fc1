// One client's socket, seen from the broker. Every record leaves through `data`, which is therefore the
// only place that counts.
import type { WebSocket } from "ws";
import type { Clock } from "../shared/clock.ts";
import type { RecordKind, Tally } from "./counts.ts";
import { countFrame } from "./counts.ts";

export class Wire {
  readonly socket: WebSocket;
  /** The account's sums; null until the socket has said whose it is. */
  tally: Tally | null = null;
  readonly #clock: Clock;
  readonly #bufferedBytesMax: number;
  #stalledUntilMs = -Infinity;
  #silentUntilMs = -Infinity;

  /** A client that lets more than `bufferedBytesMax` pile up is cut off, as a broker would. */
  constructor(socket: WebSocket, clock: Clock, bufferedBytesMax: number) {
    this.socket = socket;
    this.#clock = clock;
    this.#bufferedBytesMax = bufferedBytesMax;
  }

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  /** For so long the socket stays open and says nothing at all, as a half-open link does. */
  stall(ms: number): void {
    this.#stalledUntilMs = this.#clock.monoMs() + ms;
  }

  /** For so long heartbeats and answers go on, but no data comes. */
  silence(ms: number): void {
    this.#silentUntilMs = this.#clock.monoMs() + ms;
  }

  get isStalled(): boolean {
    return this.#clock.monoMs() < this.#stalledUntilMs;
  }

  /** Sends an answer or a heartbeat. */
  control(message: object): void {
    if (this.isOpen && !this.isStalled) this.socket.send(JSON.stringify(message));
  }

  /** Sends a last message, then cuts the socket without a close frame: 1006 at the client. */
  controlAndCut(message: object): void {
    if (!this.isOpen || this.isStalled) this.socket.terminate();
    else this.socket.send(JSON.stringify(message), () => this.socket.terminate());
  }

  /** Sends one frame and counts its records. */
  data(frame: string | Uint8Array, records: readonly RecordKind[]): void {
    if (!this.isOpen || this.isStalled || this.#clock.monoMs() < this.#silentUntilMs) return;
    this.socket.send(frame, { binary: false });
    if (this.tally) countFrame(this.tally, records);
    if (this.socket.bufferedAmount > this.#bufferedBytesMax) this.socket.terminate();
  }
}
