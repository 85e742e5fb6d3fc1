// What this process costs a vendor that counts: bytes into sockets by whom they are for, log lines, answers,
// requests. Beside the tick's path. Counters since the process's start; the hub adds up what they rose by.
import { readFileSync } from "node:fs";
import type { Clock } from "../shared/clock.ts";
import type { Counters } from "../shared/meters.ts";
import { SocketBytes } from "../shared/socket-bytes.ts";

/** Cards of a machine or container; tunnels and bridges only carry what goes through these as well. */
const CARD = /^(eth|en|wl)/;

export class ByteMeter {
  readonly hub = new SocketBytes();
  readonly broker = new SocketBytes();
  /** Of the status server. */
  readonly served = { sockets: new SocketBytes(), metricsBytes: 0 };
  readonly #clock: Clock;
  readonly #logBytes: () => number;
  readonly #startedMs: number;
  readonly #interfacesAtStart: number | null;

  constructor(clock: Clock, logBytes: () => number) {
    this.#clock = clock;
    this.#logBytes = logBytes;
    this.#startedMs = clock.monoMs();
    this.#interfacesAtStart = readInterfaces();
  }

  counters(): Counters {
    const now = readInterfaces();
    const isTold = now !== null && this.#interfacesAtStart !== null;
    return {
      up_seconds: Math.round((this.#clock.monoMs() - this.#startedMs) / 1_000),
      hub_bytes: this.hub.written(),
      hub_messages: this.hub.messages,
      broker_bytes: this.broker.written(),
      served_bytes: this.served.sockets.written(),
      ...(isTold ? { interface_bytes: Math.max(0, now - this.#interfacesAtStart) } : {}),
      log_bytes: this.#logBytes(),
      metrics_bytes: this.served.metricsBytes,
      requests_made: this.broker.requests + this.hub.requests,
      requests_taken: this.served.sockets.requests,
    };
  }
}

/** Linux only; elsewhere nobody tells. */
function readInterfaces(): number | null {
  try {
    return sentBytes(readFileSync("/proc/net/dev", "utf8"));
  } catch {
    return null;
  }
}

/** What all cards of a `/proc/net/dev` sent; null where it shows none. Source: proc_net(5). */
export function sentBytes(text: string): number | null {
  const rows = [...text.matchAll(/^\s*([^:\s]+):\s*((?:\d+\s*){16})$/gm)];
  const cards = rows.filter(([, name]) => CARD.test(name!));
  if (cards.length === 0) return null;
  return cards.reduce((sum, [, , figures]) => sum + Number(figures!.trim().split(/\s+/)[8]), 0);
}
