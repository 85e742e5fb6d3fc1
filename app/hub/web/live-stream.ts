// /live: the picture and the trades that changed, as server-sent events twice a second. Promises: a bounded
// number of readers, and a reader that does not keep up misses frames instead of filling our memory.
import type { ServerResponse } from "node:http";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";

export interface LiveFrame {
  version: number;
  /** The event's data. */
  json: string;
}

export interface LiveStreamOptions {
  clock: Clock;
  periodMs: number;
  readersMax: number;
  /** A reader with more than this still unsent is skipped. */
  unsentBytesMax: number;
  /** The frame for a reader that has everything up to `version`. */
  frame: (version: number) => Promise<LiveFrame>;
}

export class LiveStream {
  readonly #options: LiveStreamOptions;
  /** Each reader with the version it has. */
  readonly #readers = new Map<ServerResponse, number>();
  #timer: Timer | null = null;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
  }

  isFull(): boolean {
    return this.#readers.size >= this.#options.readersMax;
  }

  add(response: ServerResponse): void {
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    // The browser's own reconnect: soon, because a hub that restarts is back in a second.
    response.write("retry: 1000\n\n");
    this.#readers.set(response, 0);
    response.on("close", () => this.#readers.delete(response));
    this.#timer ??= every(this.#options.clock, this.#options.periodMs, () => void this.#send());
    void this.#send();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const response of this.#readers.keys()) response.end();
  }

  async #send(): Promise<void> {
    for (const [response, version] of this.#readers) {
      if (response.writableLength > this.#options.unsentBytesMax) continue;
      const frame = await this.#options.frame(version);
      if (!this.#readers.has(response)) continue;
      this.#readers.set(response, frame.version);
      response.write(`data: ${frame.json}\n\n`);
    }
  }
}
