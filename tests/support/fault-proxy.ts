// A TCP proxy that breaks links on purpose: cut, reset, stall (half-open: everything stays open and nothing
// passes), slow, delayed, torn (reset again and again), refuse. Faults hold until `heal`. Stands between any two real parts; nothing is mocked.
import { createServer, connect } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** A slow link passes what is due this often. */
const SLICE_MS = 20;

interface Pair {
  near: Socket;
  far: Socket;
  bytes: number;
  /** Of which the last chunk read is not passed on whole: reading on would pass the next one first. */
  busy: Set<Socket>;
}

export class FaultProxy {
  readonly host = "127.0.0.1";
  port = 0;
  /** Bytes forwarded, both ways. */
  bytes = 0;
  /** What a delay really held back since it was set, in ms: chunks from near to far, and back. */
  held: { there: number[]; back: number[] } = { there: [], back: [] };
  /** Of these, from whoever connected. */
  upBytes = 0;
  /** Links accepted since the start. */
  accepted = 0;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  #server: Server | null = null;
  #stalled = false;
  #bytesPerSecond = Infinity;
  #delayMs = 0;
  #tornAfterBytes = Infinity;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** In front of `target`, on a free port. */
  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.#listen(0);
    return proxy;
  }

  /** In front of the host and port of `url`, as the same URL through the proxy. */
  static async before(url: string): Promise<{ proxy: FaultProxy; url: string }> {
    const through = new URL(url);
    const proxy = await FaultProxy.start({ host: through.hostname, port: Number(through.port) });
    through.hostname = proxy.host;
    through.port = String(proxy.port);
    return { proxy, url: through.href };
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Closes every link as a process that ends does. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Closes every link with RST. */
  reset(): void {
    for (const pair of this.#pairs) resetPair(pair);
  }

  /** Closes every link with RST now, and each new one once it has passed so many bytes: in mid-message. */
  tear(afterBytes: number): void {
    this.#tornAfterBytes = afterBytes;
    this.reset();
  }

  /** Half-open: links stay, new ones are accepted, no byte passes either way. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) for (const socket of [pair.near, pair.far]) socket.pause();
  }

  /** From now on at most this rate, each way. */
  slow(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /**
   * From now on every byte is passed on so much later, each way: a round trip takes twice that longer. Held to
   * a fraction of a millisecond where the machine is free: the last of it is waited for without a timer.
   */
  delay(eachWayMs: number): void {
    this.#delayMs = eachWayMs;
    this.held = { there: [], back: [] };
  }

  /** Cuts, and takes no new links: the host is up, nothing listens. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.cut();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Ends every fault. What a stall held back passes now. */
  async heal(): Promise<void> {
    this.#stalled = false;
    this.#bytesPerSecond = Infinity;
    this.#delayMs = 0;
    this.#tornAfterBytes = Infinity;
    for (const { near, far, busy } of this.#pairs) {
      for (const socket of [near, far]) if (!busy.has(socket)) socket.resume();
    }
    if (!this.#server) await this.#listen(this.port);
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  async #listen(port: number): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (near) => this.#accept(near));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, this.host, resolve);
    });
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  #accept(near: Socket): void {
    this.accepted++;
    const far = connect(this.#target);
    const pair = { near, far, bytes: 0, busy: new Set<Socket>() };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      // Bytes keep their order, and the end comes after them: each waits for the one before.
      let before = Promise.resolve();
      const later = (run: () => void) => {
        const [fromMs, delayMs, held] = [performance.now(), this.#delayMs, this.held];
        before = before
          .then(() => waitUntil(fromMs + delayMs))
          .then(() => {
            held[from === near ? "there" : "back"].push(performance.now() - fromMs);
            run();
          });
      };
      const isDelayed = () => this.#delayMs > 0;
      from.on("end", () => (isDelayed() ? later(() => to.end()) : to.end()));
      from.on("data", (chunk) => {
        if (isDelayed()) later(() => this.#forward(pair, from, to, chunk));
        else this.#forward(pair, from, to, chunk);
      });
    }
    far.on("connect", () => {
      if (!this.#stalled) near.resume();
    });
  }

  #forward(pair: Pair, from: Socket, to: Socket, chunk: Buffer): void {
    const isSlow = this.#bytesPerSecond !== Infinity;
    const slice = isSlow
      ? chunk.subarray(0, Math.ceil((this.#bytesPerSecond * SLICE_MS) / 1_000))
      : chunk;
    this.bytes += slice.length;
    if (from === pair.near) this.upBytes += slice.length;
    pair.bytes += slice.length;
    if (pair.bytes >= this.#tornAfterBytes) {
      resetPair(pair);
      return;
    }
    const isFull = !to.write(slice);
    if (!isFull && !isSlow) return;
    from.pause();
    pair.busy.add(from);
    const goOn = () => {
      pair.busy.delete(from);
      if (slice.length < chunk.length) this.#forward(pair, from, to, chunk.subarray(slice.length));
      else if (!this.#stalled) from.resume();
    };
    if (isSlow) setTimeout(goOn, SLICE_MS);
    else to.once("drain", goOn);
  }
}

/** A timer is late by a millisecond, so it ends before, and the rest is asked for again and again. */
async function waitUntil(untilMs: number): Promise<void> {
  const restMs = untilMs - performance.now();
  if (restMs > 1.5) await new Promise((resolve) => setTimeout(resolve, restMs - 1));
  while (performance.now() < untilMs) await new Promise((resolve) => setImmediate(resolve));
}

function resetPair({ near, far }: Pair): void {
  near.resetAndDestroy();
  far.resetAndDestroy();
}
