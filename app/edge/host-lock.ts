// Proof that a process of this host is dead: a lock that the kernel takes back with a process's last breath,
// and names for holders that only its owner can have made. Beside the tick's path. Promises: whoever has the
// lock and meets a holder of its making that is not its own knows that holder's process to be gone, and its
// sockets with it; where that cannot be known (no Linux, another host, another container), it says nothing.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";

/**
 * An abstract UNIX socket: bound by one process at a time, freed when that process ends, however it ends and
 * not before (a stopped one keeps it). Its name counts within one network namespace of one boot, so both are
 * in the mark that the lock's owner puts into the holders it makes.
 */
export class HostLock {
  readonly #mark: string;
  readonly #server: Server;

  private constructor(mark: string, server: Server) {
    this.#mark = mark;
    this.#server = server;
  }

  /** Null when another process has it, or this system has no such locks. */
  static async take(name: string): Promise<HostLock | null> {
    const mark = markOf(name);
    if (mark === null) return null;
    const server = createServer((socket) => socket.destroy());
    return await new Promise((resolve) => {
      server.once("error", () => resolve(null));
      server.listen(`\0tickhub ${mark}`, () => resolve(new HostLock(mark, server)));
    });
  }

  /** A UUID of version 8 (RFC 9562: free for all) that bears the lock's mark; 62 bits of it are chance. */
  mint(): string {
    const chance = randomBytes(8);
    chance[0] = (chance[0]! & 0x3f) | 0x80;
    const hex = `${this.#mark.slice(0, 12)}8${this.#mark.slice(12)}${chance.toString("hex")}`;
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  /** Whether an owner of this lock made `holder`. If it was not us, its process has ended. */
  hasMade(holder: string): boolean {
    const hex = holder.replaceAll("-", "").toLowerCase();
    return hex[12] === "8" && hex.slice(0, 12) + hex.slice(13, 16) === this.#mark;
  }

  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** 60 bits over the name, this boot and this network namespace; null where the kernel does not tell. */
function markOf(name: string): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = readlinkSync("/proc/self/ns/net");
    const place = JSON.stringify([boot, namespace, name]);
    return createHash("sha256").update(place).digest("hex").slice(0, 15);
  } catch {
    return null;
  }
}
