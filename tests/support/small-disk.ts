// A disk of a size of its own (a tmpfs, which takes root), so that it can be full, and have room again.
// Where nothing can be mounted the test fails; it never passes without its disk.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmdirSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What is left when it is full: less than PostgreSQL takes at once. */
const LEFT_BYTES = 64 * 1024;
const TRIES_MAX = 20;

export class SmallDisk {
  readonly directory: string;
  readonly #roomyBytes: number;

  private constructor(directory: string, roomyBytes: number) {
    this.directory = directory;
    this.#roomyBytes = roomyBytes;
  }

  /** Mounts it, in a new folder unless said otherwise. Throws where it cannot. Unmount it in any case. */
  static mount(
    roomyBytes: number,
    directory = mkdtempSync(join(tmpdir(), "tickhub-disk-")),
  ): SmallDisk {
    mkdirSync(directory, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${roomyBytes}`, "tmpfs", directory]);
    chmodSync(directory, 0o755);
    return new SmallDisk(directory, roomyBytes);
  }

  /** A folder on it that belongs to the server's user. */
  folderFor({ uid, gid }: { uid: number; gid: number }): string {
    const folder = join(this.directory, "data");
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, uid, gid);
    return folder;
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

  /** Gives the room back. */
  free(): void {
    if (!this.#resize(this.#roomyBytes)) {
      throw new Error(`${this.directory} cannot be made larger`);
    }
  }

  /** Works while files on it are still open, too. */
  unmount(): void {
    execFileSync("umount", ["--lazy", this.directory]);
    rmdirSync(this.directory);
  }

  #resize(bytes: number): boolean {
    return spawnSync("mount", ["-o", `remount,size=${bytes}`, this.directory]).status === 0;
  }
}
