// A disk of a size of its own (a tmpfs), so that it can be full.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, statfsSync } from "node:fs";

const ROOMY_BYTES = 3 * 2 ** 30;
/** What is left when it is "full": less than PostgreSQL takes at once. */
const LEFT_BYTES = 64 * 1024;
const TRIES_MAX = 20;

export class SizedDisk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Mounts it on `directory`, which takes root. Throws where it cannot. */
  static mount(directory: string): SizedDisk {
    mkdirSync(directory, { recursive: true });
    execFileSync("mount", [
      "-t",
      "tmpfs",
      "-o",
      `mode=755,size=${ROOMY_BYTES}`,
      "tmpfs",
      directory,
    ]);
    return new SizedDisk(directory);
  }

  usedBytes(): number {
    const { blocks, bfree, bsize } = statfsSync(this.directory);
    return (blocks - bfree) * bsize;
  }

  /** Takes away all the room there is. What is being written meanwhile may need a second try. */
  fill(): void {
    for (let tries = TRIES_MAX; !this.#resize(this.usedBytes() + LEFT_BYTES); tries--) {
      if (tries === 0) throw new Error(`${this.directory} cannot be made smaller`);
    }
  }

  extend(): void {
    if (!this.#resize(ROOMY_BYTES)) throw new Error(`${this.directory} cannot be made larger`);
  }

  /** When nobody uses it any more. */
  unmount(): void {
    execFileSync("umount", ["--lazy", this.directory]);
    rmdirSync(this.directory);
  }

  #resize(bytes: number): boolean {
    return spawnSync("mount", ["-o", `remount,size=${bytes}`, this.directory]).status === 0;
  }
}
