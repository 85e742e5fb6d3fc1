// A PostgreSQL of one test's own, durable as in production (fsync on), to be killed and started again.
import { chownSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { systemClock } from "../../../app/shared/clock.ts";
import { startEmbedded } from "../../../app/store/embedded.ts";
import type { EmbeddedServer } from "../../../app/store/embedded.ts";

export class OwnPostgres {
  readonly directory: string;
  #server: EmbeddedServer;

  private constructor(directory: string, server: EmbeddedServer) {
    this.directory = directory;
    this.#server = server;
  }

  /** In a new folder, or in one whose disk may fill up. */
  static async start(given?: string): Promise<OwnPostgres> {
    const directory = given ?? (await mkdtemp(join(tmpdir(), "tickhub-faults-")));
    await mkdir(directory, { recursive: true });
    // PostgreSQL runs as another user when we are root.
    await chmod(directory, 0o755);
    return new OwnPostgres(directory, await startEmbedded({ directory, clock: systemClock }));
  }

  /** Of a superuser, on the server's first database. */
  get url(): string {
    return this.#server.url;
  }

  get dataDirectory(): string {
    return this.#server.dataDirectory;
  }

  urlOf(database: string): string {
    const url = new URL(this.url);
    url.pathname = `/${database}`;
    return url.href;
  }

  /**
   * Waits until a COPY is under way in `database`, and kills the whole server in its middle: the postmaster
   * and the process that copies, with SIGKILL. Returns how many rows that COPY had taken.
   */
  async killInCopy(database: string): Promise<number> {
    const client = new pg.Client({ connectionString: this.url });
    client.on("error", () => undefined);
    await client.connect();
    for (;;) {
      const { rows } = await client.query<{ pid: number; rows: number }>(
        `select pid, tuples_processed::int as rows from pg_stat_progress_copy
          where datname = $1 and tuples_processed > 0`,
        [database],
      );
      const [copy] = rows;
      if (!copy) continue;
      process.kill(this.#postmaster(), "SIGKILL");
      process.kill(copy.pid, "SIGKILL");
      await client.end().catch(() => undefined);
      return copy.rows;
    }
  }

  /** False after a kill, or when it has given up by itself. */
  isRunning(): boolean {
    try {
      return process.kill(this.#postmaster(), 0);
    } catch {
      return false;
    }
  }

  /** Starts it again if it does not run: same port, same data; recovery is PostgreSQL's own. */
  async restart(): Promise<void> {
    const port = Number(new URL(this.url).port);
    const { directory } = this;
    const before = this.#server;
    this.#server = await startEmbedded({ directory, clock: systemClock, port });
    await before.stop();
  }

  /** Makes `directory` a tablespace. */
  async addTablespace(name: string, directory: string): Promise<void> {
    const data = join(directory, "data");
    mkdirSync(data);
    const { uid, gid } = statSync(this.dataDirectory);
    chownSync(data, uid, gid);
    await onDatabase(this.url, (client) =>
      client.query(`create tablespace ${name} location '${data}'`),
    );
  }

  async remove(): Promise<void> {
    await this.#server.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  #postmaster(): number {
    return Number(readFileSync(join(this.dataDirectory, "postmaster.pid"), "utf8").split("\n")[0]);
  }
}

export async function onDatabase<T>(
  url: string,
  run: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}
