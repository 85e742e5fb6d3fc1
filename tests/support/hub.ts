// A real hub on a free port for tests, and batches to send it.
import { randomUUID } from "node:crypto";
import { encodeBatch } from "../../app/shared/batch.ts";
import type { Clock } from "../../app/shared/clock.ts";
import { systemClock } from "../../app/shared/clock.ts";
import type { Event } from "../../app/shared/events.ts";
import { createReporter } from "../../app/shared/report.ts";
import type { Reporter } from "../../app/shared/report.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { startHub } from "../../app/hub/hub.ts";
import type { Hub, HubOptions } from "../../app/hub/hub.ts";
import { createTransport, TRANSPORT_TIMINGS } from "../../app/edge/uplink/transport.ts";
import type { Transport, TransportOptions } from "../../app/edge/uplink/transport.ts";
import { trade } from "./records.ts";

export const TOKEN = "a token of the tests";

/** A silent reporter that keeps every event. */
export function recordingReporter(): Reporter & { events: Event[] } {
  const reporter = createReporter("test", "silent");
  const events: Event[] = [];
  return {
    ...reporter,
    events,
    emit(event) {
      events.push(event);
      reporter.emit(event);
    },
  };
}

export interface TestHub extends Hub {
  events: Event[];
}

/** A hub for the edges `kis` and `kiwoom`, with leases that are granted at once. */
export async function startTestHub(
  databaseUrl: string,
  options: Partial<HubOptions> = {},
): Promise<TestHub> {
  const reporter = recordingReporter();
  const hub = await startHub({
    databaseUrl,
    port: 0,
    bind: "127.0.0.1",
    edges: new Map([
      ["kis", TOKEN],
      ["kiwoom", TOKEN],
    ]),
    symbols: [
      { venue: "KRX", symbol: "005930" },
      { venue: "KRX", symbol: "000660" },
    ],
    accounts: [
      { account: "kis:1", broker: "kis", cap: 41 },
      { account: "kiwoom:1", broker: "kiwoom", cap: 200 },
    ],
    leaseTimings: { quietMs: 0, killGraceMs: 1_000 },
    version: "0.0.0-test",
    clock: systemClock,
    reporter,
    ...options,
  });
  return { ...hub, events: reporter.events };
}

/** A transport of the edge `kis` with short times. */
export function testTransport(url: string, options: Partial<TransportOptions> = {}): Transport {
  return createTransport(url, {
    edge: "kis",
    token: TOKEN,
    version: "0.0.0-test",
    bootId: "boot",
    clock: systemClock,
    ...TRANSPORT_TIMINGS,
    heartbeat: { tickMs: 1_100, missesMax: 3 },
    ...options,
  });
}

/** Claims `account` and returns the lease's epoch. */
export async function claim(
  transport: Transport,
  holder: string,
  account = "kis:1",
): Promise<number> {
  const question = { account, holder, edge: "kis", wish: "claim", status: {} } as const;
  const { lease } = await transport.ask(question);
  if (lease.state !== "granted") throw new Error(`not granted: ${JSON.stringify(lease)}`);
  return lease.epoch!;
}

/** `count` trades whose volumes go on from `seq`: each has its own key. */
export function trades(
  count: number,
  seq = 0,
  fields: Partial<Trade> = {},
  clock: Clock = systemClock,
): Trade[] {
  return Array.from({ length: count }, (_, i) =>
    trade({
      seq: seq + (i + 1) * 10,
      capture: seq / 10 + i + 1,
      edgeRecvMs: Math.round(clock.nowMs() * 1_000) / 1_000,
      ...fields,
    }),
  );
}

/** Numbered batches of one stream. */
export class StreamOfTrades {
  readonly stream = randomUUID();
  readonly holder: string;
  #number = 0;
  #seq = 0;

  constructor(holder: string) {
    this.holder = holder;
  }

  next(
    epoch: number,
    rows = 10,
    account = "kis:1",
    fields: () => Partial<Trade> = () => ({}),
  ): Uint8Array {
    const symbol = `S${this.stream.slice(0, 6)}`;
    const made = trades(rows, this.#seq, { symbol }).map((row) => ({ ...row, ...fields() }));
    this.#seq += rows * 10;
    const head = { table: "trade", stream: this.stream, account, epoch } as const;
    return encodeBatch({ ...head, number: ++this.#number }, made);
  }
}

/** Resolves when `condition` holds; throws what it last was after `waitMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  waitMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + waitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${waitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
