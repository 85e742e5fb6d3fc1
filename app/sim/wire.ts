// One client's socket, seen from the broker. Every record leaves through `data`, which is therefore the
// only place that counts.
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Clock } from "../shared/clock.ts";
import type { RecordKind, Tally } from "./counts.ts";
import { countFrame } from "./counts.ts";

/** Room for what one beat of the market brings one socket; more leaves in several pieces. */
const BATCH_BYTES = 256 * 1024;
/** A whole text message, unmasked as servers send (RFC 6455, section 5.2). */
const TEXT_FRAME = 0x81;
const HEAD_BYTES_MAX = 10;

export class Wire {
  readonly socket: WebSocket;
  readonly #raw: Socket;
  /** Frames that wait for each other: a whole library call for each would cost more than making them. */
  #batch = Buffer.allocUnsafe(BATCH_BYTES);
  #batched = 0;
  #isHeld = false;
  /** The account's sums; null until the socket has said whose it is. */
  tally: Tally | null = null;
  readonly #clock: Clock;
  readonly #bufferedBytesMax: number;
  #stalledUntilMs = -Infinity;
  #silentUntilMs = -Infinity;

  /** A client that lets more than `bufferedBytesMax` pile up is cut off, as a broker would. */
  constructor(socket: WebSocket, raw: Socket, clock: Clock, bufferedBytesMax: number) {
    this.socket = socket;
    this.#raw = raw;
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
    this.#send();
    if (this.isOpen && !this.isStalled) this.socket.send(JSON.stringify(message));
  }

  /** Sends a last message, then cuts the socket without a close frame: 1006 at the client. */
  controlAndCut(message: object): void {
    this.#send();
    if (!this.isOpen || this.isStalled) this.socket.terminate();
    else this.socket.send(JSON.stringify(message), () => this.socket.terminate());
  }

  /** Sends one frame and counts its records. */
  data(frame: string | Uint8Array, records: readonly RecordKind[]): void {
    if (!this.isOpen || this.isStalled || this.#clock.monoMs() < this.#silentUntilMs) return;
    this.#add(frame);
    if (!this.#isHeld) this.#send();
    if (this.tally) countFrame(this.tally, records);
    if (this.socket.bufferedAmount > this.#bufferedBytesMax) this.socket.terminate();
  }

  /** Frames wait until the next flush. */
  hold(): void {
    this.#isHeld = true;
  }

  flush(): void {
    this.#isHeld = false;
    this.#send();
  }

  #add(frame: string | Uint8Array): void {
    const bytes = Buffer.byteLength(frame);
    if (this.#batched + HEAD_BYTES_MAX + bytes > this.#batch.length) {
      this.#send();
      if (HEAD_BYTES_MAX + bytes > this.#batch.length) {
        this.#batch = Buffer.allocUnsafe(HEAD_BYTES_MAX + bytes);
      }
    }
    this.#head(bytes);
    if (typeof frame === "string") this.#batch.write(frame, this.#batched);
    else this.#batch.set(frame, this.#batched);
    this.#batched += bytes;
  }

  #head(bytes: number): void {
    const batch = this.#batch;
    batch[this.#batched++] = TEXT_FRAME;
    if (bytes < 126) {
      batch[this.#batched++] = bytes;
    } else if (bytes < 2 ** 16) {
      batch[this.#batched++] = 126;
      this.#batched = batch.writeUInt16BE(bytes, this.#batched);
    } else {
      batch[this.#batched++] = 127;
      this.#batched = batch.writeBigUInt64BE(BigInt(bytes), this.#batched);
    }
  }

  /** The socket may keep what it was given for long, so it gets a piece of its own. */
  #send(): void {
    if (this.#batched === 0) return;
    if (this.isOpen) this.#raw.write(Buffer.from(this.#batch.subarray(0, this.#batched)));
    this.#batched = 0;
  }
}
