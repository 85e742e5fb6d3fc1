// A stream that is connected by a dial instead of by itself. pg wants a socket that is not connected yet,
// calls `connect(port, host)` and waits for the event; what it then sees is the dialled socket's bytes,
// counters and end.
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { Dial } from "./dial.ts";

export class DialledStream extends Duplex {
  readonly #dial: Dial;
  #socket: Socket | null = null;
  #isRef = true;

  constructor(dial: Dial) {
    super({ allowHalfOpen: true });
    this.#dial = dial;
  }

  connect(port: number, host: string): this {
    this.#dial({ host, port }).then(
      (socket) => this.#adopt(socket),
      (error: unknown) => this.destroy(error as Error),
    );
    return this;
  }

  /** Both as net.Socket counts them; read by whoever looks for signs of life. */
  get bytesRead(): number {
    return this.#socket?.bytesRead ?? 0;
  }
  get bytesWritten(): number {
    return this.#socket?.bytesWritten ?? 0;
  }
  get _handle(): unknown {
    return (this.#socket as { _handle?: unknown } | null)?._handle;
  }

  /** Dialled sockets have it already. */
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(isOn: boolean, delayMs: number): this {
    this.#socket?.setKeepAlive(isOn, delayMs);
    return this;
  }

  ref(): this {
    this.#isRef = true;
    this.#socket?.ref();
    return this;
  }

  unref(): this {
    this.#isRef = false;
    this.#socket?.unref();
    return this;
  }

  #adopt(socket: Socket): void {
    if (this.destroyed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    if (!this.#isRef) socket.unref();
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
    this.emit("connect");
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void) {
    this.#socket!.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void) {
    const socket = this.#socket!;
    socket.cork();
    const last = chunks.length - 1;
    chunks.forEach(({ chunk }, index) => socket.write(chunk, index === last ? done : undefined));
    socket.uncork();
  }

  override _final(done: () => void): void {
    if (this.#socket) this.#socket.end(done);
    else done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy();
    done(error);
  }
}
