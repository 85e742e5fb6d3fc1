// The `ws` package over a virtual wire: the client's WebSocket for the edge's real GatewayTransport, and
// the server's for the hub's real EdgeConnection. As much of both as they use.
import { EventEmitter } from "node:events";
import type { End, Message } from "./wire.ts";

/** Where a URL leads: set by the world that runs. */
export type Dial = (url: URL) => End;

let dial: Dial = () => {
  throw new Error("no world is running");
};

export function routeThrough(next: Dial): void {
  dial = next;
}

/** What both sides share. */
class Socket extends EventEmitter {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 3;
  readyState = 0;
  isPaused = false;
  protected readonly end: End;

  constructor(end: End) {
    super();
    this.end = end;
    end.listen({
      message: (message) => this.heard(message),
      closed: (code) => this.gone(code),
    });
  }

  send(data: Uint8Array | string): void {
    this.end.send({ kind: typeof data === "string" ? "text" : "binary", data });
  }

  ping(): void {
    this.end.send({ kind: "ping", data: "" });
  }

  pause(): void {
    this.isPaused = true;
    this.end.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.end.resume();
  }

  close(code = 1000): void {
    this.end.close(code);
    this.end.process.host.timeline.after(0, () => this.gone(code));
  }

  terminate(): void {
    this.close(1006);
  }

  protected heard({ kind, data }: Message): void {
    if (kind === "ping") this.emit("ping", Buffer.alloc(0));
    else if (kind === "pong") this.emit("pong", Buffer.alloc(0));
    else this.emit("message", bufferOf(data), kind === "binary");
  }

  protected gone(code: number): void {
    if (this.readyState === this.CLOSED || this.end.process.isDead) return;
    this.readyState = this.CLOSED;
    this.emit("close", code, Buffer.alloc(0));
  }
}

/** What the edge's transport makes of `import { WebSocket } from "ws"`. */
export class WebSocket extends Socket {
  constructor(target: URL) {
    super(dial(target));
  }

  protected override heard(message: Message): void {
    if (this.readyState === 0 && message.data === "HTTP/1.1 101") {
      this.readyState = this.OPEN;
      this.emit("upgrade", { socket: this.end });
      this.emit("open");
    } else super.heard(message);
  }

  protected override gone(code: number): void {
    if (this.readyState === 0 && code === REFUSED) {
      const error = new Error("connect ECONNREFUSED");
      this.emit("error", Object.assign(error, { code: "ECONNREFUSED" }));
    }
    super.gone(code);
  }
}

/** Nobody listens there. */
export const REFUSED = 111;

/** The hub's side of a connection that came in. */
export class ServerSocket extends Socket {
  constructor(end: End) {
    super(end);
    this.readyState = this.OPEN;
    end.send({ kind: "text", data: "HTTP/1.1 101" });
  }
}

function bufferOf(data: Uint8Array | string): Buffer {
  if (typeof data === "string") return Buffer.from(data);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
