// The two databases of a transfer, and transactions on them. The source is only read, in snapshots; every
// connection prints values the same way, so that texts made on one side can be compared on the other.
import pg from "pg";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { asDatabaseError, openPool } from "../store/database.ts";

/** One of the two. */
export interface Side {
  name: "source" | "target";
  pool: pg.Pool;
  /** Host, port and database: the URL without what must not be printed. */
  label: string;
  /** Which database it is, wherever it is reached at. */
  identity: string;
  /** `170010`. */
  version: number;
}

/** What makes two servers print, and read, the same text for the same value. */
const SETTINGS = {
  TimeZone: "UTC",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
};
/** A throttled COPY may stand still for minutes; only a peer that vanished does so for longer. */
const PEER_GONE_MS = 600_000;
/** `hash_record_extended` is there from 14 on, `generated` columns from 12. */
const VERSION_MIN = 120_000;

/**
 * Connects, and finds out who is there.
 * @throws TickhubError USAGE, TRANSFER_CONNECT, TRANSFER_SERVER, DATABASE_UNREACHABLE; none carries the URL.
 */
export async function openSide(
  name: Side["name"],
  url: string,
  connectionsMax: number,
): Promise<Side> {
  const label = labelOf(name, url);
  const pool = openPool(url, {
    connectionsMax,
    name: `tickhub-transfer-${name}`,
    statementTimeoutMs: 0,
    connectTimeoutMs: 15_000,
    peerGoneMs: PEER_GONE_MS,
    settings: SETTINGS,
  });
  try {
    const { rows } = await pool.query<{ version: number; database: string }>(
      `select current_setting('server_version_num')::int as version, current_database() as database`,
    );
    const { version, database } = rows[0]!;
    if (version < VERSION_MIN) throw new TickhubError("TRANSFER_SERVER", { side: name, version });
    const system = await systemIdentifier(pool);
    return { name, pool, label, version, identity: system ? `${system}/${database}` : label };
  } catch (error) {
    await pool.end();
    throw connectError(name, label, error);
  }
}

/** Without the user and the password. Throws USAGE, which does not repeat what was given. */
function labelOf(name: Side["name"], url: string): string {
  const option = name === "source" ? "--from" : "--to";
  try {
    const { protocol, hostname, port, pathname } = new URL(url);
    if (/^postgres(ql)?:$/.test(protocol)) {
      return `${hostname || "localhost"}:${port || "5432"}${decodeURIComponent(pathname)}`;
    }
  } catch {
    // Said below.
  }
  throw new TickhubError("USAGE", { problem: `${option} is not a postgres:// URL` });
}

async function systemIdentifier(pool: pg.Pool): Promise<string | null> {
  try {
    const { rows } = await pool.query<{ id: string }>(
      "select system_identifier::text as id from pg_control_system()",
    );
    return rows[0]?.id ?? null;
  } catch {
    return null; // Some hosted servers do not let everybody ask.
  }
}

function connectError(side: Side["name"], at: string, error: unknown): unknown {
  if (error instanceof TickhubError) return error;
  const known = asDatabaseError(error);
  const reason = known instanceof Error ? known.message : codeOf(error);
  if (known instanceof TickhubError) {
    return new TickhubError(known.code, { side, at, ...known.context }, { cause: error });
  }
  // Class 28 and 3D: wrong user, password or database.
  return new TickhubError("TRANSFER_CONNECT", { side, at, sqlstate: codeOf(error), reason });
}

/**
 * Runs `work` in a transaction and commits it: of the source as one read-only snapshot. When anything fails,
 * the connection is closed, which ends the transaction whatever state it is in.
 */
export async function inTransaction<Result>(
  side: Side,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await side.pool.connect();
  try {
    const mode = side.name === "source" ? "isolation level repeatable read read only" : "";
    await client.query(`begin ${mode}`);
    const result = await work(client);
    await client.query("commit");
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Hands values to statements that take no parameters, as COPY does, for the rest of the transaction. */
export async function setLocal(
  client: pg.ClientBase,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const names = Object.keys(values);
  if (names.length === 0) return;
  await client.query(
    `select set_config('tickhub.' || name, value, true) from unnest($1::text[], $2::text[]) as s (name, value)`,
    [names, Object.values(values)],
  );
}

/** An array as PostgreSQL reads it from text. */
export function arrayLiteral(values: readonly (string | number)[]): string {
  return `{${values.map((value) => `"${String(value).replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
