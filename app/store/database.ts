// Connections to the hub's database: one way to open a pool, with limits that end a half-open link,
// and one way to tell a server that is out of reach, full or too slow from every other error.
import type { Duplex } from "node:stream";
import pg from "pg";
import { codeOf, TickhubError } from "../shared/errors.ts";

export interface PoolOptions {
  connectionsMax: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** A statement that takes longer is cancelled by the server; 0: none is. */
  statementTimeoutMs?: number;
  connectTimeoutMs?: number;
  /** Within which the server finds a client that vanished. Shorter means a packet more often while idle. */
  peerGoneMs?: number;
  /** Server settings of each connection, e.g. `{ TimeZone: "UTC" }`: names and values of ours, never input. */
  settings?: Readonly<Record<string, string>>;
  /** Makes each connection's stream, not connected yet; default: a socket of pg's own. */
  stream?: () => Duplex;
}

/**
 * A pool whose connections never hang for good: connecting, each statement, and an idle transaction
 * have a limit, and TCP keep-alive notices a peer that vanished.
 */
export function openPool(url: string, options: PoolOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const { peerGoneMs = 25_000 } = options;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: options.name,
    max: options.connectionsMax,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: statementTimeoutMs,
    // The client's own limit is for a server that cannot cancel any more, so it comes a little later.
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 5_000,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // The server's side of the same: a client that vanished in mid-COPY must not keep its locks.
    options: [keepalives(peerGoneMs), ...flags(options.settings)].join(" "),
    ...(options.stream ? { stream: options.stream } : {}),
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  // So would one that breaks while it is lent out, although its query tells: the pool listens to idle ones only.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

function flags(settings: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
}

/** Two fifths of the time idle, then three questions that nobody answers. */
function keepalives(goneMs: number): string {
  const seconds = Math.round(goneMs / 5_000);
  return (
    `-c tcp_keepalives_idle=${2 * seconds} -c tcp_keepalives_interval=${seconds}` +
    ` -c tcp_keepalives_count=3 -c tcp_user_timeout=${goneMs}`
  );
}

/** Sockets that break, servers that start or stop: https://www.postgresql.org/docs/17/errcodes-appendix.html */
const UNREACHABLE = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|08|57P0|53300$|25P03$)/;

/** Class 53 without 53300 (too many connections): no disk left, no memory, some other limit of the machine. */
const FULL = /^53/;
/** Cancelled at its time limit, or a lock that did not come. */
const SLOW = /^(57014|55P03)$/;

/**
 * An error as TickhubError DATABASE_UNREACHABLE, DATABASE_FULL or DATABASE_SLOW when the server was out of
 * reach, of room or of time, else as it was.
 */
export function asDatabaseError(error: unknown): unknown {
  if (error instanceof TickhubError) return error;
  const sqlstate = codeOf(error);
  const reason = error instanceof Error ? error.message : sqlstate;
  if (isUnreachable(error))
    return new TickhubError("DATABASE_UNREACHABLE", { reason: sqlstate }, { cause: error });
  if (FULL.test(sqlstate))
    return new TickhubError("DATABASE_FULL", { sqlstate, reason }, { cause: error });
  if (SLOW.test(sqlstate))
    return new TickhubError("DATABASE_SLOW", { sqlstate, reason }, { cause: error });
  return error;
}

/** The same for a writer: whatever the server said, the batch was not stored and may be sent again. */
export function asStoreError(error: unknown): TickhubError {
  const known = asDatabaseError(error);
  if (known instanceof TickhubError) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new TickhubError(
    "DATABASE_REFUSED",
    { sqlstate: codeOf(error), reason },
    { cause: error },
  );
}

function isUnreachable(error: unknown): boolean {
  if (UNREACHABLE.test(codeOf(error))) return true;
  // pg gives these no code (pg/lib/client.js, pg-pool/index.js).
  return (
    error instanceof Error &&
    /Connection terminated|Query read timeout|timeout exceeded when trying to connect|not queryable/.test(
      error.message,
    )
  );
}
