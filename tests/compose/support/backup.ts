// The machine's backup as its scripts do it: the archive through a folder for a bucket, and a copy of the volume
// brought up beside the database in use.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { Bench } from "./global-setup.ts";
import { ROOT } from "./images.ts";
import type { Machine } from "./machine.ts";
import { attempt, run, until } from "./shell.ts";
import type { Ran } from "./shell.ts";

export class Backup {
  readonly copy: string;
  readonly #bench: Bench;
  readonly #machine: Machine;
  readonly #bucket: string;
  readonly #container: string;

  constructor(bench: Bench, machine: Machine) {
    this.#bench = bench;
    this.#machine = machine;
    this.copy = join(machine.directory, "copy");
    this.#bucket = join(machine.directory, "bucket");
    this.#container = `${machine.project}-restore`;
    mkdirSync(this.copy);
    mkdirSync(this.#bucket);
  }

  /** The volume as it is at one moment, of a server that is not told. */
  async snapshot(): Promise<void> {
    const { docker } = this.#bench;
    const database = this.#machine.container("database");
    await run(docker, ["kill", "-s", "KILL", database]);
    await run("cp", ["-a", join(this.#machine.data, "postgres"), this.copy]);
    await run(docker, ["start", database]);
  }

  /** Ends the segment, and sends what the server hands over. */
  async archive(pool: pg.Pool): Promise<void> {
    const { rows } = await pool.query<{ name: string }>(
      "select pg_walfile_name(pg_current_wal_insert_lsn()) as name",
    );
    await pool.query("select pg_switch_wal()");
    const spool = join(this.#machine.data, "wal-spool");
    const isThere = () => Promise.resolve(readdirSync(spool).some((name) => name >= rows[0]!.name));
    await until("an archived segment", isThere);
    const { code, stderr } = await this.#script("tickhub-wal-upload");
    if (code !== 0) throw new Error(stderr);
  }

  start(): Promise<Ran> {
    return this.#script("tickhub-restore", "start", this.copy);
  }

  /** Leaves nothing out: the machine rests. */
  verify(): Promise<Ran> {
    return this.#script("tickhub-restore", "verify", "--margin", "0", "--behind", "0", "--json");
  }

  async stop(): Promise<void> {
    await this.#script("tickhub-restore", "stop");
  }

  /** Into the copy, by its address in the containers' network. */
  async change(sql: string): Promise<number> {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const host = await run(this.#bench.docker, ["inspect", "-f", format, this.#container]);
    const { database: password } = this.#machine.secrets;
    const client = new pg.Client({ host, user: "tickhub", password, database: "tickhub" });
    await client.connect();
    const { rowCount } = await client.query(sql);
    await client.end();
    return rowCount ?? 0;
  }

  #script(name: string, ...args: string[]): Promise<Ran> {
    const env = {
      ...this.#machine.env,
      TICKHUB_OCI: join(ROOT, "tests/infra/backup/bucket"),
      TEST_BUCKET: this.#bucket,
      TICKHUB_PRELOAD: "",
    };
    return attempt("bash", [join(ROOT, "infra/vm", name), ...args], { env });
  }
}
