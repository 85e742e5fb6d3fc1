// Tells `tickhub stress --to` what this hub collects and how it does under the load: `GET /stress` and
// `GET /stress/rows` beside the gateway, with an edge's token. Promises: a hub of real brokers says nothing of it but
// that it is one; nothing is read or asked of the database unless somebody loads the hub.
import type { IncomingMessage } from "node:http";
import type pg from "pg";
import type { BrokerKind } from "../../shared/brokers.ts";
import { CANARY } from "../../shared/canary.ts";
import type { Clock } from "../../shared/clock.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { holdersSchema } from "../../shared/stress-door.ts";
import type { StressLook } from "../../shared/stress-door.ts";
import { asStoreError, openPool } from "../../store/database.ts";
import { DatabaseWatch } from "../../store/database-watch.ts";
import { countHeldRows } from "../../store/held-rows.ts";
import type { DoorAnswer } from "./evidence-door.ts";

export interface StressDoorOptions {
  brokers: BrokerKind;
  databaseUrl: string;
  /** The gateway's own: why whoever asks as this edge has no business here. */
  vet: (edge: string, request: IncomingMessage) => Promise<ErrorCode | null>;
  /** What the hub knows without its database. */
  hub: () => Promise<Omit<StressLook, "brokers" | "nowMs" | "database" | "unknown">>;
  clock: Clock;
  emit: Emit;
}

/** A look asks six things at once. */
const CONNECTIONS = 6;
/** Rows of a run are counted in one statement. */
const COUNT_MS_MAX = 120_000;

const STATUS: Partial<Record<ErrorCode, number>> = {
  EDGE_TOKEN: 401,
  EDGE_IDENTITY: 403,
  EDGE_BROKERS: 403,
  USAGE: 400,
};

export class StressDoor {
  readonly #options: StressDoorOptions;
  #opened: { pool: pg.Pool; watch: DatabaseWatch } | null = null;

  constructor(options: StressDoorOptions) {
    this.#options = options;
  }

  /** Of /stress. */
  async look(edge: string, request: IncomingMessage): Promise<DoorAnswer> {
    const { hub, clock } = this.#options;
    return await this.#answer(edge, request, async () => {
      const { watch } = this.#open();
      const [own, database] = await Promise.all([hub(), watch.look()]);
      const unknown = watch.refusals();
      return { brokers: "simulated", nowMs: clock.nowMs(), ...own, database, unknown };
    });
  }

  /** Of /stress/rows: an edge asks for its own streams. */
  async rows(edge: string, request: IncomingMessage, holders: string): Promise<DoorAnswer> {
    return await this.#answer(edge, request, async () => {
      const parsed = holdersSchema.safeParse(holders.split(","));
      if (!parsed.success) return null;
      return { rows: await countHeldRows(this.#open().pool, { edge, holders: parsed.data }) };
    });
  }

  async stop(): Promise<void> {
    await this.#opened?.pool.end();
    this.#opened = null;
  }

  async #answer(
    edge: string,
    request: IncomingMessage,
    work: () => Promise<Record<string, unknown> | null>,
  ): Promise<DoorAnswer> {
    const { vet, brokers } = this.#options;
    const address = request.socket.remoteAddress ?? "";
    const code = edge === CANARY ? "EDGE_TOKEN" : await vet(edge, request);
    if (code) return this.#refuse(edge, code, address);
    if (brokers !== "simulated") return this.#refuse(edge, "EDGE_BROKERS", address);
    try {
      const body = await work();
      return body === null ? this.#refuse(edge, "USAGE", address) : { status: 200, body };
    } catch (error) {
      return this.#refuse(edge, asStoreError(error).code, address);
    }
  }

  /** Connections of its own: what is measured must not wait for the hub's. */
  #open(): { pool: pg.Pool; watch: DatabaseWatch } {
    if (this.#opened === null) {
      const { databaseUrl, clock } = this.#options;
      const pool = openPool(databaseUrl, {
        ...{ connectionsMax: CONNECTIONS, name: "tickhub-stress" },
        statementTimeoutMs: COUNT_MS_MAX,
      });
      this.#opened = { pool, watch: new DatabaseWatch(pool, clock) };
    }
    return this.#opened;
  }

  #refuse(edge: string, code: ErrorCode, address: string): DoorAnswer {
    this.#options.emit({ event: "edge_refused", edge: edge.slice(0, 64), address, code });
    return { status: STATUS[code] ?? 503, body: { code, hint: ERRORS[code].hint } };
  }
}
