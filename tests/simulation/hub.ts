// The hub of a run: the real connections, writer and leases, around a virtual socket and a virtual pool.
// A crash leaves what it had sent to the database running there.
import type { WebSocket } from "ws";
import type { Socket } from "node:net";
import type { Emit } from "../../app/shared/events.ts";
import { HEARTBEAT } from "../../app/shared/heartbeat.ts";
import type { Verdict } from "../../app/shared/tick.ts";
import { readHeader } from "../../app/shared/batch.ts";
import { EdgeConnection, type Backend } from "../../app/hub/ingest/connection.ts";
import { GATEWAY_LIMITS } from "../../app/hub/ingest/gateway.ts";
import { EdgeRate } from "../../app/hub/ingest/rate.ts";
import { Leases } from "../../app/hub/lease/leases.ts";
import { BatchWriter } from "../../app/store/writer.ts";
import { VirtualPool } from "./database/pool.ts";
import type { DatabaseServer } from "./database/server.ts";
import type { Process } from "./host.ts";
import { ServerSocket } from "./sockets.ts";
import type { End } from "./wire.ts";

const WRITERS = 4;

export interface HubOptions {
  process: Process;
  server: DatabaseServer;
  emit: Emit;
  /** Planted: the ack goes out before the commit. */
  acksEarly: boolean;
}

export class Hub {
  readonly process: Process;
  readonly #options: HubOptions;
  readonly #writer: BatchWriter;
  readonly #leases: Leases;
  /** Batches being written, by their holder. */
  readonly #writing = new Map<string, number>();
  readonly ends = new Set<End>();

  constructor(options: HubOptions) {
    const { process, server, emit } = options;
    this.process = process;
    this.#options = options;
    const pool = new VirtualPool(server, process).asPool();
    const { clock } = process;
    this.#writer = new BatchWriter({ pool, clock, connectionsMax: WRITERS, onEvent: emit });
    this.#leases = new Leases({
      ...{ pool, emit, accounts: [], symbols: [], channels: [] },
      timings: { quietMs: 0, killGraceMs: 0 },
    });
  }

  accept(end: End, edge: string): void {
    const { process, emit } = this.#options;
    const socket = new ServerSocket(end);
    this.ends.add(end);
    socket.on("close", () => this.ends.delete(end));
    new EdgeConnection(socket as unknown as WebSocket, end as unknown as Socket, {
      ...{ edge, address: "100.64.0.1", version: "sim", emit, clock: process.clock },
      brokers: "real",
      backend: this.#backend(),
      limits: GATEWAY_LIMITS,
      rate: new EdgeRate(GATEWAY_LIMITS.rate, process.clock.monoMs()),
      heartbeat: HEARTBEAT,
    });
  }

  /** Nothing of this holder is on its way into the database. */
  isIdle(holder: string): boolean {
    return !this.#writing.get(holder);
  }

  #backend(): Backend {
    return {
      write: (bytes, from) => this.#write(bytes, from),
      ask: (edge, question) => this.#leases.ask(edge, question),
      system: () => Promise.resolve("7000000000000000001"),
      mayUse: () => true,
      stored: () => undefined,
    };
  }

  async #write(bytes: Uint8Array, from: { edge: string; holder: string }): Promise<Verdict> {
    this.#count(from.holder, 1);
    const written = this.#writer.write(bytes, from).finally(() => this.#count(from.holder, -1));
    if (!this.#options.acksEarly) return written;
    written.catch(() => undefined);
    const { stream, number, rows: committed } = readHeader(bytes);
    return { stream, number, committed, duplicate: 0, quarantined: 0, lost: 0 };
  }

  #count(holder: string, change: number): void {
    this.#writing.set(holder, (this.#writing.get(holder) ?? 0) + change);
  }
}
