// The hub's database as `tickhub latency` uses it: connections that stay open, a commit that leaves nothing
// behind, the server's clock, and a look for a batch from the inside.
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import pg from "pg";
import type { Clock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import { openPool } from "../store/database.ts";
import type { Exchange } from "./clock-offset.ts";
import type { Lane } from "./pool.ts";

export interface DatabaseOptions {
  /** With the password. */
  url: string;
  /** UUID of this command: whose rows are whose. */
  run: string;
  /** Connections at once. */
  lanesMax: number;
  clock: Clock;
  /** Of each connection, through proxies. */
  stream?: () => Duplex;
}

/** What a commit is worth there. */
export interface Durability {
  version: string;
  fsync: boolean;
  synchronousCommit: boolean;
}

/** One row a commit, in a table of its own. */
export const COMMIT = "insert into public.latency_probe (run, number) values ($1, $2)";

export class LatencyDatabase {
  /** Without user and password. */
  readonly shown: string;
  readonly host: string;
  readonly port: number;
  readonly isProxied: boolean;
  readonly #options: DatabaseOptions;
  readonly #pool: pg.Pool;
  #number = 0;

  constructor(options: DatabaseOptions) {
    const url = new URL(options.url);
    this.shown = `postgres://${url.host}${url.pathname}`;
    this.host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.port = Number(url.port) || 5432;
    this.isProxied = options.stream !== undefined;
    this.#options = options;
    this.#pool = openPool(options.url, {
      connectionsMax: options.lanesMax,
      name: "tickhub-latency",
      ...(options.stream ? { stream: options.stream } : {}),
    });
  }

  /** Throws DATABASE_SCHEMA_MISSING where no hub has been, and what the server says. */
  async look(): Promise<Durability> {
    const { rows } = await this.#pool.query<{
      version: string;
      fsync: string;
      synchronous_commit: string;
      is_there: boolean;
    }>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
         current_setting('synchronous_commit') as synchronous_commit,
         to_regclass('public.latency_probe') is not null as is_there`,
    );
    const found = rows[0]!;
    if (!found.is_there) throw new TickhubError("DATABASE_SCHEMA_MISSING", { url: this.shown });
    return {
      version: found.version,
      fsync: found.fsync === "on",
      synchronousCommit: found.synchronous_commit !== "off",
    };
  }

  /** So many connections, open from now on. */
  async openLanes(count: number): Promise<Lanes> {
    const pool = this.#pool;
    return new Lanes(await Promise.all(Array.from({ length: count }, () => pool.connect())), pool);
  }

  async commit(client: pg.ClientBase): Promise<void> {
    await client.query(COMMIT, this.commitValues());
  }

  /** For statements of one's own: a row that nobody else writes. */
  commitValues(): [string, number] {
    return [this.#options.run, ++this.#number];
  }

  /** A connection for the pool's measurement. */
  async lane(): Promise<Lane> {
    const client = await this.#pool.connect();
    return { commit: () => this.commit(client), end: () => client.release() };
  }

  /** A connection outside the pool; `nagle` leaves TCP_NODELAY off. */
  async connectAlone(nagle = false): Promise<pg.Client> {
    const { url, stream } = this.#options;
    const make = nagle ? () => new NagleSocket() : stream;
    const client = new pg.Client({
      connectionString: url,
      application_name: "tickhub-latency",
      connectionTimeoutMillis: 10_000,
      ...(make ? { stream: make } : {}),
    });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** Epoch ms of the server's sight of the batch; null when it did not come in time. */
  async seen(client: pg.ClientBase, stream: string, number: number, waitMs: number) {
    const { rows } = await client.query<{ seen: number | null }>(
      "select public.latency_seen($1, $2, $3) as seen",
      [stream, number, Math.round(waitMs)],
    );
    return rows[0]!.seen;
  }

  async exchange(client: pg.ClientBase): Promise<Exchange> {
    const { clock } = this.#options;
    const sentMs = clock.monoMs();
    const { rows } = await client.query<{ now_ms: number }>(
      "select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms",
    );
    return { sentMs, receivedMs: clock.monoMs(), theirMs: rows[0]!.now_ms };
  }

  /** Takes away what was committed; also what a killed command left, a day later. */
  async clear(): Promise<void> {
    await this.#pool.query(
      "delete from public.latency_probe where run = $1 or at < now() - interval '1 day'",
      [this.#options.run],
    );
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** Connections that are handed out one exchange at a time; who finds none waits his turn. */
export class Lanes {
  readonly #pool: pg.Pool;
  readonly #free: pg.PoolClient[];
  readonly #busy = new Set<pg.PoolClient>();
  readonly #waiting: ((client: pg.PoolClient) => void)[] = [];
  #isEnded = false;

  constructor(clients: pg.PoolClient[], pool: pg.Pool) {
    this.#pool = pool;
    this.#free = clients;
  }

  /** A connection that failed is replaced before the next one gets it. */
  async use<T>(run: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = this.#free.pop() ?? (await this.#turn());
    this.#busy.add(client);
    try {
      const result = await run(client);
      if (this.#busy.delete(client)) this.#give(client);
      return result;
    } catch (error) {
      if (this.#busy.delete(client)) {
        client.release(true);
        void this.#replace();
      }
      throw error;
    }
  }

  /** Gives back what is not in use, and closes what still is: nobody waits for it any more. */
  end(): void {
    this.#isEnded = true;
    for (const client of this.#free.splice(0)) client.release();
    for (const client of this.#busy) client.release(true);
    this.#busy.clear();
  }

  #turn(): Promise<pg.PoolClient> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(client: pg.PoolClient): void {
    const next = this.#waiting.shift();
    if (this.#isEnded) client.release();
    else if (next) next(client);
    else this.#free.push(client);
  }

  /** The pool gives up after its connect timeout; as long as somebody waits, another try follows. */
  async #replace(): Promise<void> {
    try {
      this.#give(await this.#pool.connect());
    } catch {
      if (this.#waiting.length > 0 && !this.#isEnded) await this.#replace();
    }
  }
}

/** pg asks for TCP_NODELAY; this one does not hear it. */
class NagleSocket extends Socket {
  override setNoDelay(): this {
    return super.setNoDelay(false);
  }
}
