// Server-sent events to a bounded number of readers, at a steady pace, compressed where the reader can. Promises:
// nothing is made for nobody; a reader that does not keep up misses frames or is dropped, and never fills our memory.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";

export interface EventStreamOptions<R> {
  clock: Clock;
  periodMs: number;
  readersMax: number;
  /** What becomes of a reader with too much unsent. */
  slow: "skip" | "drop";
  /** Once a turn, before the readers. */
  prepare?: () => Promise<void>;
  /** What this reader is to be sent now; empty: nothing. */
  frames: (reader: R) => string | Promise<string>;
  /** It is gone. */
  left?: (reader: R) => void;
}

/** A reader with more than this still unsent does not keep up. */
const UNSENT_BYTES_MAX = 256 * 1024;
/** A line that says nothing, after so long without any: so both sides notice when the other is gone. */
const QUIET_MS = 15_000;

interface Line {
  response: ServerResponse;
  /** The response, or what compresses into it. */
  out: Writable;
  toldMs: number;
}

export class EventStream<R> {
  readonly #options: EventStreamOptions<R>;
  readonly #lines = new Map<R, Line>();
  #timer: Timer | null = null;
  #isSending = false;

  constructor(options: EventStreamOptions<R>) {
    this.#options = options;
  }

  get size(): number {
    return this.#lines.size;
  }

  isFull(): boolean {
    return this.#lines.size >= this.#options.readersMax;
  }

  /** Takes over the response. */
  add(reader: R, request: IncomingMessage, response: ServerResponse, headers: object): void {
    const { clock, periodMs, left } = this.#options;
    const isGzip = takesGzip(request.headers["accept-encoding"]);
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      ...(isGzip ? { "content-encoding": "gzip" } : {}),
    });
    const out = isGzip ? createGzip({ level: 4, flush: constants.Z_SYNC_FLUSH }) : response;
    if (out !== response) out.pipe(response);
    // The browser's own reconnect: soon, because a hub that restarts is back in a second.
    out.write("retry: 1000\n\n");
    this.#lines.set(reader, { response, out, toldMs: clock.monoMs() });
    response.on("close", () => {
      out.destroy();
      this.#lines.delete(reader);
      left?.(reader);
      if (this.#lines.size === 0) this.#rest();
    });
    this.#timer ??= every(clock, periodMs, () => this.#go());
    this.#go();
  }

  stop(): void {
    this.#rest();
    for (const { out } of this.#lines.values()) out.end();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #go(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    void this.#send().finally(() => (this.#isSending = false));
  }

  async #send(): Promise<void> {
    const { clock, prepare, frames, slow } = this.#options;
    await prepare?.();
    for (const [reader, line] of this.#lines) {
      const { response, out } = line;
      if (out.writableLength + response.writableLength > UNSENT_BYTES_MAX) {
        if (slow === "drop") response.destroy();
        continue;
      }
      const text = await frames(reader);
      const isQuiet = clock.monoMs() - line.toldMs > QUIET_MS;
      if ((text === "" && !isQuiet) || !this.#lines.has(reader)) continue;
      line.toldMs = clock.monoMs();
      out.write(text === "" ? ": still here\n\n" : text);
    }
  }
}

/** One event; without a name it is a message. `json` has no line breaks. */
export function eventOf(json: string, name?: string): string {
  return name === undefined ? `data: ${json}\n\n` : `event: ${name}\ndata: ${json}\n\n`;
}

export function takesGzip(accepted: string | string[] | undefined): boolean {
  return /(^|[\s,])gzip(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(String(accepted ?? ""));
}
