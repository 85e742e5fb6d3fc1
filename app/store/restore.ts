// A database brought up from a crash-consistent copy of its files and the archive of its WAL: it replays
// what its own folder holds, then every archived segment in order, and opens at the archive's end.
// Source: https://www.postgresql.org/docs/17/continuous-archiving.html
import { existsSync } from "node:fs";
import { chown, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import pg from "pg";
import { sleep } from "../shared/clock.ts";
import type { Clock } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import { startEmbedded } from "./embedded.ts";
import type { EmbeddedServer } from "./embedded.ts";

export interface RestoreOptions {
  /** A copy of the embedded database's folder; it is changed. */
  directory: string;
  /** Archived segments, plain or `.zst`, as the upload names them. */
  walDirectory: string;
  clock: Clock;
  timeoutMs: number;
}

/**
 * Starts it and waits until it has replayed all there is.
 * @throws TickhubError BACKUP_MISSING when a part of the copy is not there, BACKUP_RECOVERY when it does not
 * get to the end in time, DATABASE_START with the log.
 */
export async function startRestored(options: RestoreOptions): Promise<EmbeddedServer> {
  const { directory, walDirectory, clock, timeoutMs } = options;
  const data = join(resolve(directory), "data");
  for (const path of [join(directory, "password"), join(data, "PG_VERSION"), walDirectory]) {
    if (!existsSync(path)) throw new TickhubError("BACKUP_MISSING", { path: resolve(path) });
  }
  // Such a note names the folder of the database in use, which a restore must never touch.
  await rm(join(directory, "outside"), { force: true });
  // The lock file of the server that the copy was taken from.
  await rm(join(data, "postmaster.pid"), { force: true });
  await signalRecovery(data);
  const server = await startEmbedded({
    directory,
    clock,
    settings: {
      restore_command: restoreCommand(resolve(walDirectory)),
      recovery_target_timeline: "latest",
      recovery_target_action: "promote",
      // Never into the archive that it came from.
      archive_mode: "off",
    },
  });
  try {
    if (server.dataDirectory !== data) {
      const reason = "the server's user cannot enter it";
      throw new TickhubError("DATABASE_DIRECTORY", { directory: data, reason });
    }
    await whenPromoted(server.url, clock, timeoutMs);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** %f and %p are PostgreSQL's. A segment that the archive lacks is told by an exit code other than 0. */
function restoreCommand(walDirectory: string): string {
  const from = `'${walDirectory.replaceAll("'", `'\\''`)}/%f'`;
  return `if [ -f ${from} ]; then cp ${from} '%p'; else zstd -q -d -f ${from}.zst -o '%p'; fi`;
}

async function signalRecovery(data: string): Promise<void> {
  const file = join(data, "recovery.signal");
  await writeFile(file, "");
  const { uid, gid } = await stat(data);
  await chown(file, uid, gid);
}

async function whenPromoted(url: string, clock: Clock, timeoutMs: number): Promise<void> {
  const deadlineMs = clock.monoMs() + timeoutMs;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (;;) {
      const { rows } = await client.query<{ recovering: boolean }>(
        "select pg_is_in_recovery() as recovering",
      );
      if (rows[0]?.recovering === false) return;
      if (clock.monoMs() > deadlineMs) throw new TickhubError("BACKUP_RECOVERY", { timeoutMs });
      await sleep(clock, 200);
    }
  } finally {
    await client.end();
  }
}
