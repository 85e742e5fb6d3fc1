// The hub's gateway as `tickhub latency` uses it: the protocol of an edge, for the canary's account, which no
// broker has. Its batches are tombstones, so they go the whole way of a batch and touch no table of ticks.
import { CANARY, canaryBatch } from "../shared/canary.ts";
import type { Clock } from "../shared/clock.ts";
import type { Exchange } from "./clock-offset.ts";

/** What is needed of an edge's transport (app/edge/uplink/transport.ts); the command hands one in. */
export interface GatewayLink {
  open(): Promise<{ system: string; hub: string }>;
  ask(question: {
    account: string;
    holder: string;
    edge: string;
    wish: "report";
    status: Record<string, never>;
  }): Promise<{ nowMs: number }>;
  send(bytes: Uint8Array, holder: string): Promise<unknown>;
  onClosed(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

export interface GatewayOptions {
  /** Without user and password. */
  shown: string;
  host: string;
  port: number;
  edge: string;
  /** A link that was not opened yet. */
  createLink: () => GatewayLink;
  mintId: () => string;
  clock: Clock;
}

/** A batch on its way. */
export interface SentBatch {
  stream: string;
  number: number;
  /** Resolves when the hub said that it is committed. */
  acked: Promise<unknown>;
}

export class LatencyGateway {
  readonly shown: string;
  readonly host: string;
  readonly port: number;
  readonly #options: GatewayOptions;
  readonly #holder: string;
  #link: Promise<GatewayLink> | null = null;
  #stream: { id: string; number: number };

  constructor(options: GatewayOptions) {
    ({ shown: this.shown, host: this.host, port: this.port } = options);
    this.#options = options;
    this.#holder = options.mintId();
    this.#stream = { id: options.mintId(), number: 0 };
  }

  /** Release of the hub. Throws EDGE_TOKEN, UPLINK_*, PROXY_*. */
  async look(): Promise<string> {
    const link = this.#options.createLink();
    const { hub } = await link.open();
    await link.close();
    return hub;
  }

  /** An open link: the one there is, or a new one when that broke. */
  link(): Promise<GatewayLink> {
    this.#link ??= this.#open();
    return this.#link;
  }

  async ask(): Promise<Exchange> {
    const { clock, edge } = this.#options;
    const link = await this.link();
    const sentMs = clock.monoMs();
    const question = {
      account: CANARY,
      holder: this.#holder,
      edge,
      wish: "report",
      status: {},
    } as const;
    const { nowMs } = await link.ask(question);
    return { sentMs, receivedMs: clock.monoMs(), theirMs: nowMs };
  }

  /** The next batch of this command's stream. After a failure another stream begins: numbers have no holes. */
  async send(): Promise<SentBatch> {
    const link = await this.link();
    const stream = this.#stream;
    const number = ++stream.number;
    const batch = canaryBatch(stream.id, this.#options.clock.nowMs(), number);
    const acked = link.send(batch, this.#holder);
    acked.catch(() => {
      if (this.#stream === stream) this.#stream = { id: this.#options.mintId(), number: 0 };
    });
    return { stream: stream.id, number, acked };
  }

  /** A batch by a link of its own, from connecting to the ack. */
  async sendAlone(): Promise<void> {
    const link = this.#options.createLink();
    await link.open();
    try {
      const batch = canaryBatch(this.#options.mintId(), this.#options.clock.nowMs());
      await link.send(batch, this.#holder);
    } finally {
      await link.close();
    }
  }

  async close(): Promise<void> {
    const link = await this.#link?.catch(() => null);
    this.#link = null;
    await link?.close();
  }

  async #open(): Promise<GatewayLink> {
    const link = this.#options.createLink();
    const forget = () => {
      this.#link = null;
      this.#stream = { id: this.#options.mintId(), number: 0 };
    };
    link.onClosed(forget);
    try {
      await link.open();
      return link;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
