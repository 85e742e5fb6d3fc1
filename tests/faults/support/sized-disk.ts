// A disk of a size of its own (a tmpfs) for the tables of one database, so that it can be full.
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, rmdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { onDatabase } from "./own-postgres.ts";
import type { OwnPostgres } from "./own-postgres.ts";

const ROOMY_BYTES = 3 * 2 ** 30;
/** What is left when it is "full": less than PostgreSQL takes at once. */
const LEFT_BYTES = 64 * 1024;
const TRIES_MAX = 20;

export class SizedDisk {
  readonly tablespace: string;
  readonly #directory: string;
  readonly #server: OwnPostgres;

  private constructor(server: OwnPostgres, name: string) {
    this.#server = server;
    this.tablespace = name;
    this.#directory = join(server.directory, name);
  }

  /** Mounts it, which takes root, and makes it a tablespace. Throws where it cannot. */
  static async mount(server: OwnPostgres, name: string): Promise<SizedDisk> {
    const disk = new SizedDisk(server, name);
    mkdirSync(disk.#directory);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${ROOMY_BYTES}`, "tmpfs", disk.#directory]);
    const data = join(disk.#directory, "data");
    mkdirSync(data);
    const { uid, gid } = statSync(server.dataDirectory);
    chownSync(data, uid, gid);
    await onDatabase(server.url, (client) =>
      client.query(`create tablespace ${name} location '${data}'`),
    );
    return disk;
  }

  usedBytes(): number {
    const { blocks, bfree, bsize } = statfsSync(this.#directory);
    return (blocks - bfree) * bsize;
  }

  /** Takes away all the room there is. What is being written meanwhile may need a second try. */
  fill(): void {
    for (let tries = TRIES_MAX; !this.#resize(this.usedBytes() + LEFT_BYTES); tries--) {
      if (tries === 0) throw new Error(`${this.#directory} cannot be made smaller`);
    }
  }

  extend(): void {
    if (!this.#resize(ROOMY_BYTES)) throw new Error(`${this.#directory} cannot be made larger`);
  }

  /** After its database is dropped. */
  async unmount(): Promise<void> {
    try {
      await onDatabase(this.#server.url, (client) =>
        client.query(`drop tablespace ${this.tablespace}`),
      );
    } finally {
      execFileSync("umount", ["--lazy", this.#directory]);
      rmdirSync(this.#directory);
    }
  }

  #resize(bytes: number): boolean {
    return spawnSync("mount", ["-o", `remount,size=${bytes}`, this.#directory]).status === 0;
  }
}
