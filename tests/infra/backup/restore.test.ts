// The whole way of a backup, on a real PostgreSQL: archived by the server, uploaded by the script of the VM,
// restored from a crash-consistent copy of the files and the bucket, and compared with what is in use.
import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../app/shared/clock.ts";
import { migrate } from "../../../app/store/migrate.ts";
import { startEmbedded } from "../../../app/store/embedded.ts";
import type { EmbeddedServer } from "../../../app/store/embedded.ts";
import { startRestored } from "../../../app/store/restore.ts";
import { tickhub } from "../../support/cli.ts";
import { fillDay } from "./fill.ts";

const run = promisify(execFile);
const UPLOAD = resolve("infra/vm/tickhub-wal-upload");
const BUCKET = resolve("tests/infra/backup/bucket");

interface Machine {
  /** The data volume. */
  volume: string;
  bucket: string;
  database: string;
}

let machine: Machine;
let server: EmbeddedServer;
let pool: pg.Pool;

/** The embedded server stands in for the container; spool and settings are the machine's. */
async function start(): Promise<void> {
  server = await startEmbedded({
    directory: machine.database,
    clock: systemClock,
    settings: {
      shared_buffers: "32MB",
      archive_mode: "on",
      archive_library: "basic_archive",
      "basic_archive.archive_directory": join(machine.volume, "wal-spool"),
    },
  });
  pool = new pg.Pool({ connectionString: server.url, max: 2 });
  pool.on("error", () => undefined);
}

async function killServer(): Promise<void> {
  const note = await readFile(join(machine.database, "data", "postmaster.pid"), "utf8");
  const pid = Number(note.split("\n")[0]);
  process.kill(pid, "SIGKILL");
  await pool.end();
  for (const deadline = systemClock.monoMs() + 10_000; systemClock.monoMs() < deadline;) {
    if (!(await stat(`/proc/${pid}`).catch(() => null))) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** As the timer does, until the spool is empty. */
async function upload(env: Record<string, string> = {}): Promise<{ stderr: string }> {
  return await run(UPLOAD, {
    env: {
      ...process.env,
      TICKHUB_STACK: "oci",
      TICKHUB_DATA: machine.volume,
      TEST_BUCKET: machine.bucket,
      TICKHUB_OCI: BUCKET,
      ...env,
    },
  });
}

/** Ends the current segment and waits until the server has handed it over. */
async function archiveAll(): Promise<void> {
  await pool.query("select pg_switch_wal()");
  await expect
    .poll(
      async () => {
        const { rows } = await pool.query<{ waiting: boolean }>(
          `select pg_walfile_name(pg_current_wal_lsn()) > (select coalesce(last_archived_wal, '')
             from pg_stat_archiver) and exists (select from pg_ls_archive_statusdir()
             where name like '%.ready') as waiting`,
        );
        return rows[0]?.waiting;
      },
      { timeout: 30_000 },
    )
    .toBe(false);
}

/** What the bucket holds of WAL, as one folder. */
async function fetchWal(): Promise<string> {
  const folder = await mkdtemp(join(machine.volume, "fetched-"));
  await chmod(folder, 0o755);
  const entries = await readdir(machine.bucket, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile())) {
    await cp(join(entry.parentPath, entry.name), join(folder, entry.name));
    await chmod(join(folder, entry.name), 0o644);
  }
  return folder;
}

/** A volume backup: the files as they were at one moment, of a server that knew nothing of it. */
async function snapshot(): Promise<string> {
  await killServer();
  const copy = await mkdtemp(join(tmpdir(), "tickhub-restored-"));
  await chmod(copy, 0o755);
  await run("cp", ["-a", `${machine.database}/.`, copy]);
  await start();
  return copy;
}

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), "tickhub-backup-"));
  await chmod(root, 0o755);
  machine = {
    volume: join(root, "volume"),
    bucket: join(root, "bucket"),
    database: join(root, "database"),
  };
  const spool = join(machine.volume, "wal-spool");
  await mkdir(spool, { recursive: true });
  await mkdir(machine.bucket);
  await mkdir(machine.database);
  // The server's user has to write there; in the image it is the owner.
  await chmod(spool, 0o777);
  await start();
  await migrate(pool, { clock: systemClock });
}, 60_000);

afterAll(async () => {
  await pool.end();
  await server.stop();
  await rm(resolve(machine.volume, ".."), { recursive: true, force: true });
});

describe("a backup", () => {
  it("restored from a volume's copy and the bucket holds every row, and one altered row is found", async () => {
    await fillDay(pool, { day: 20261123, rows: 5_000 });
    const copy = await snapshot();
    await fillDay(pool, { day: 20261124, rows: 7_000 });
    await archiveAll();
    await upload();
    expect(await readdir(join(machine.volume, "wal-spool"))).toEqual([]);

    const wal = await fetchWal();
    const emptyWal = await mkdtemp(join(machine.volume, "empty-"));
    await chmod(emptyWal, 0o755);
    const env = { TICKHUB_DATABASE_URL: server.url };
    const args = ["backup", "verify", "--restored", copy, "--wal", wal, "--margin", "0", "--json"];
    const early = join(machine.volume, "early");
    await run("cp", ["-a", copy, early]);
    const withoutWal = await tickhub(
      ["backup", "verify", "--restored", early, "--wal", emptyWal].concat([
        "--margin",
        "0",
        "--behind",
        "0",
        "--json",
      ]),
      env,
    );
    expect(withoutWal.json, withoutWal.stderr).toMatchObject({ ok: false, wrong: [] });
    expect(withoutWal.code).toBe(1);

    const first = await tickhub(args, env);
    expect(first.json, first.stderr).toMatchObject({ ok: true, wrong: [] });
    expect(first.json?.["rows"]).toBeGreaterThan(12_000 * 2);
    expect(first.code).toBe(0);

    const restored = await startRestored({
      directory: copy,
      walDirectory: wal,
      clock: systemClock,
      timeoutMs: 60_000,
    });
    const scratch = new pg.Client({ connectionString: restored.url });
    await scratch.connect();
    await scratch.query(
      `update public.trade set price = price + 1
       where ctid = (select ctid from public.trade where day = '2026-11-24' offset 100 limit 1)`,
    );
    await scratch.end();
    const second = await tickhub(
      ["backup", "verify", "--copy", restored.url, "--margin", "0", "--json"],
      env,
    );
    const byHost = await tickhub(
      ["backup", "verify", "--copy-host", new URL(restored.url).host, "--margin", "0", "--json"],
      env,
    );
    expect(byHost.json, byHost.stderr).toMatchObject({ wrong: second.json?.["wrong"] });
    await restored.stop();
    expect(second.code).toBe(1);
    expect(second.json).toMatchObject({
      ok: false,
      wrong: [{ table: "trade", day: "2026-11-24" }],
      differing: [{ side: "original" }, { side: "copy" }],
    });
    await rm(copy, { recursive: true, force: true });
  }, 180_000);
});
