// A disk of its own that takes so many bytes a second and no more: an ext4 on a loop device, and the kernel's
// own I/O throttle (cgroup blkio or io.max) on the processes that are put under it. Takes root. Where it
// cannot be had the test fails; it never passes without its throttle.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CGROUPS = "/sys/fs/cgroup";

export class SlowDisk {
  /** Where it is mounted. */
  readonly directory: string;
  readonly #base: string;
  #cgroup: string | undefined;

  private constructor(base: string, directory: string) {
    this.#base = base;
    this.directory = directory;
  }

  /** As fast as the machine's own, until it is throttled. */
  static mount(bytes: number): SlowDisk {
    const base = mkdtempSync(join(tmpdir(), "tickhub-slow-"));
    chmodSync(base, 0o755);
    const [image, directory] = [join(base, "image"), join(base, "disk")];
    mkdirSync(directory);
    execFileSync("truncate", ["--size", String(bytes), image]);
    execFileSync("mkfs.ext4", ["-q", "-F", image]);
    execFileSync("mount", ["-o", "loop", image, directory]);
    chmodSync(directory, 0o755);
    return new SlowDisk(base, directory);
  }

  /** What `postmaster` and the processes it starts from now on write here is limited. */
  throttle(postmaster: number, bytesPerS: number): void {
    const { dev } = statSync(this.directory);
    const device = `${(dev >> 8) & 0xfff}:${dev & 0xff}`;
    const name = `tickhub-slow-${process.pid}`;
    const isFirstVersion = existsSync(join(CGROUPS, "blkio"));
    if (!isFirstVersion) writeFileSync(join(CGROUPS, "cgroup.subtree_control"), "+io");
    this.#cgroup = join(CGROUPS, isFirstVersion ? "blkio" : "", name);
    mkdirSync(this.#cgroup);
    const [file, text] = isFirstVersion
      ? ["blkio.throttle.write_bps_device", `${device} ${bytesPerS}`]
      : ["io.max", `${device} wbps=${bytesPerS}`];
    writeFileSync(join(this.#cgroup, file), text);
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8");
    for (const pid of [postmaster, ...children.split(" ").filter(Boolean)]) {
      writeFileSync(join(this.#cgroup, "cgroup.procs"), String(pid));
    }
  }

  /** After its processes have ended. */
  unmount(): void {
    if (this.#cgroup) rmdirSync(this.#cgroup);
    execFileSync("umount", ["--lazy", this.directory]);
    rmSync(this.#base, { recursive: true, force: true });
  }
}
