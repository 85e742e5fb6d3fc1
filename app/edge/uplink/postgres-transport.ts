// The direct link: the hub's database itself, as the role `tickhub_edge` (or whoever the URL names). Same
// writer, same SQL functions as the hub, so a batch meets the same checks either way.
// Promises: one lost connection closes the whole link, because only a new `open` can notice that another
// database answers at the same address.
import type pg from "pg";
import { isSameKind } from "../../shared/brokers.ts";
import type { BrokerKind } from "../../shared/brokers.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Standing } from "../../shared/gateway-protocol.ts";
import { asDatabaseError, asStoreError, openPool } from "../../store/database.ts";
import { whereAmI } from "../../store/standing.ts";
import { BatchWriter } from "../../store/writer.ts";
import { TABLES_TAKEN, TABLES_UNSAID } from "../../shared/table.ts";
import type { Verdict } from "../../shared/tick.ts";
import { PostgresPulse, socketOf } from "./postgres-pulse.ts";
import type { Opened, Question, Transport, TransportOptions } from "./transport.ts";

/** Writers side by side, and one connection each for news and logs, for questions and for the pulse. */
const WRITERS = 3;
/** Within which the server finds that we are gone, and lets go of our locks. */
const PEER_GONE_MS = 5_000;
const IN_FLIGHT = { inFlightMax: 32, inFlightBytesMax: 8 * 1024 * 1024 };

/** What the server says before it lets us in: SQLSTATE, appendix A of its manual. */
const REFUSALS: Record<string, ErrorCode> = {
  "28P01": "EDGE_TOKEN",
  "28000": "EDGE_TOKEN",
  "3D000": "UPLINK_URL",
  "42883": "DATABASE_SCHEMA_MISSING",
  "42P01": "DATABASE_SCHEMA_MISSING",
};

export class PostgresTransport implements Transport {
  readonly url: string;
  readonly #options: TransportOptions;
  readonly #pool: pg.Pool;
  readonly #writer: BatchWriter;
  readonly #pulse: PostgresPulse;
  #state: "new" | "open" | "closed" = "new";
  #closedListener: (error: TickhubError) => void = () => undefined;

  constructor(url: URL, options: TransportOptions) {
    this.url = `${url.protocol}//${url.host}${url.pathname}`;
    this.#options = options;
    const { tickMs, missesMax } = options.heartbeat;
    this.#pool = openPool(url.href, {
      connectionsMax: WRITERS + 3,
      name: `tickhub-edge ${options.edge}`,
      // A further connection of a link that died meanwhile is given up with it.
      connectTimeoutMs: tickMs * (missesMax + 1),
      peerGoneMs: PEER_GONE_MS,
      ...(options.route ? { stream: () => options.route!.stream() } : {}),
    });
    this.#pool.on("connect", (client) => {
      const socket = socketOf(client);
      if (socket) options.bytes?.watch(socket);
    });
    this.#pulse = new PostgresPulse({
      pool: this.#pool,
      clock: options.clock,
      heartbeat: options.heartbeat,
      dead: () => this.#lost(new TickhubError("UPLINK_TIMEOUT", { reason: "no heartbeat" })),
    });
    this.#writer = new BatchWriter({
      pool: this.#pool,
      clock: options.clock,
      connectionsMax: WRITERS,
    });
  }

  async open(): Promise<Opened> {
    try {
      await this.#pulse.start();
      const { rows } = await this.#pool.query<
        Omit<Opened, "tables"> & { hasOwn: boolean; hasKind: boolean }
      >(
        `select (select system_identifier::text from pg_control_system()) as system,
                'postgres ' || current_setting('server_version') as hub,
                extract(epoch from clock_timestamp())::float8 * 1000 as "hubMs",
                -- Migration 0018: news and log lines have a way in.
                to_regproc('public.log_lock') is not null as "hasOwn",
                -- Migration 0023: it says whose ticks it holds.
                to_regclass('public.hub_brokers') is not null as "hasKind",
                'public.where_am_i'::regproc`,
      );
      const { system, hub, hubMs, hasOwn, hasKind } = rows[0]!;
      if (hasKind) await this.#refuseOtherKind();
      const tables = hasOwn ? TABLES_TAKEN : TABLES_UNSAID;
      this.#state = "open";
      this.#pool.on("error", (error) => this.#lost(error));
      return { system, hub, hubMs, tables, ...IN_FLIGHT };
    } catch (error) {
      await this.close();
      throw this.#openError(error);
    }
  }

  async ask(question: Question): Promise<Standing> {
    return await this.#guard(() => whereAmI(this.#pool, question));
  }

  async send(bytes: Uint8Array, holder: string): Promise<Verdict> {
    return await this.#guard(() => this.#writer.write(bytes, { edge: this.#options.edge, holder }));
  }

  onClosed(listener: (error: TickhubError) => void): void {
    this.#closedListener = listener;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#pulse.stop();
    await this.#pool.end();
  }

  async #refuseOtherKind(): Promise<void> {
    const { edge, brokers } = this.#options;
    const { rows } = await this.#pool.query<{ kind: BrokerKind }>(
      "select kind from public.hub_brokers",
    );
    const kind = rows[0]?.kind;
    if (isSameKind(edge, brokers, kind)) return;
    throw new TickhubError("EDGE_BROKERS", { hub: kind ?? "real", edge: brokers ?? "real" });
  }

  async #guard<T>(run: () => Promise<T>): Promise<T> {
    if (this.#state !== "open") throw new TickhubError("UPLINK_CLOSED", { url: this.url });
    try {
      return await run();
    } catch (thrown) {
      const error = asStoreError(thrown);
      if (error.code === "DATABASE_UNREACHABLE") this.#lost(error);
      throw error;
    }
  }

  #lost(cause: Error): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#pulse.stop();
    void this.#pool.end();
    const reason = codeOf(cause);
    this.#closedListener(new TickhubError("UPLINK_CLOSED", { url: this.url, reason }, { cause }));
  }

  #openError(error: unknown): TickhubError {
    if (error instanceof TickhubError && /^(PROXY_|EDGE_)/.test(error.code)) return error;
    const sqlstate = codeOf(error);
    const facts = { url: this.url, reason: sqlstate };
    const refusal = REFUSALS[sqlstate];
    if (refusal) return new TickhubError(refusal, facts, { cause: error });
    const known = asDatabaseError(error);
    const isAway = known instanceof TickhubError && known.retry;
    return new TickhubError(isAway ? "UPLINK_UNREACHABLE" : "UPLINK_PROTOCOL", facts, {
      cause: error,
    });
  }
}
