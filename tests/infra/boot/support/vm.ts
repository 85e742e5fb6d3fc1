// A VM without a hypervisor: real systemd as process 1 of its own namespaces, on the root filesystem of
// root.ts. What differs from the cloud is put into its layer by the test: tailscaled, dockerd, the cloud.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rootFilesystem } from "./root.ts";

const BOOT = join(import.meta.dirname, "boot-vm");
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface Ran {
  code: number | null;
  out: string;
}

/** A block device of 64 MB that outlives VMs, as a cloud's volume does. */
export class Volume {
  readonly device: string;
  readonly #folder = mkdtempSync("/var/tmp/tickhub-volume-");

  constructor() {
    const file = join(this.#folder, "disk");
    execFileSync("truncate", ["--size=64M", file]);
    this.device = execFileSync("losetup", ["--find", "--show", file]).toString().trim();
  }

  /** What blkid calls it: label and UUID. Empty when nothing is on it. */
  identity(): string {
    const args = ["-c", "/dev/null", "-o", "value", "-s", "LABEL", "-s", "UUID", this.device];
    return spawnSync("blkid", args).stdout.toString().trim();
  }

  remove(): void {
    execFileSync("losetup", ["--detach", this.device]);
    rmSync(this.#folder, { recursive: true });
  }
}

export class Vm {
  readonly #layer = mkdtempSync("/dev/shm/tickhub-vm-");
  readonly #device: string;
  #boot: ChildProcess | null = null;
  #pid = 0;

  constructor(volume: Volume) {
    this.#device = volume.device;
  }

  /** Puts a file into the layer; while the VM is off. */
  write(path: string, body: string | Uint8Array, mode = 0o644): void {
    const file = join(this.#layer, "upper", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, body, { mode });
  }

  /** Runs a command in the VM's files alone, as an installer would: no process 1, no network. */
  offline(command: string): Ran {
    mkdirSync(join(this.#layer, "upper"), { recursive: true });
    mkdirSync(join(this.#layer, "work"), { recursive: true });
    mkdirSync(join(this.#layer, "root"), { recursive: true });
    const enter = `set -e
      mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
      mount -t proc proc "$2/root/proc"
      mount -o remount,bind,ro "$2/root/proc"
      mount -t tmpfs -o mode=755 tmpfs "$2/root/dev"
      for node in null urandom; do touch "$2/root/dev/$node"; mount --bind "/dev/$node" "$2/root/dev/$node"; done
      mount -t tmpfs tmpfs "$2/root/run"
      exec env -i PATH=${PATH} HOME=/root chroot "$2/root" /bin/bash -c "$3"`;
    // Not of its own processes: systemctl sees that it is not process 1 it would talk to.
    const flags = ["--mount", "--net", "--uts", "--ipc"];
    const args = [...flags, "bash", "-c", enter, "offline", rootFilesystem(), this.#layer, command];
    const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    return { code: status, out: stdout + stderr };
  }

  async start(): Promise<void> {
    const args = [rootFilesystem(), this.#layer, this.#device];
    const boot = spawn(BOOT, args, { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const stream of [boot.stdout, boot.stderr])
      stream.on("data", (text) => (log += String(text)));
    this.#boot = boot;
    await this.until("process 1", () => {
      if (boot.exitCode !== null) throw new Error(`the VM did not start: ${log}`);
      this.#pid = childOf(boot.pid!);
      return this.#pid !== 0 && this.run("systemctl list-jobs").code === 0;
    });
  }

  /** Pulls the plug. */
  async stop(): Promise<void> {
    if (this.#boot === null) return;
    const boot = this.#boot;
    const gone = new Promise((resolve) => boot.once("exit", resolve));
    process.kill(this.#pid, "SIGKILL");
    await gone;
    this.#boot = null;
    removeCgroup(boot.pid!);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#layer, { recursive: true });
  }

  run(command: string): Ran {
    const args = ["--target", String(this.#pid), "--all", "env", "-i", `PATH=${PATH}`];
    const { status, stdout, stderr } = spawnSync("nsenter", [...args, "bash", "-c", command], {
      encoding: "utf8",
    });
    return { code: status, out: (stdout + stderr).trim() };
  }

  /** `active`, `activating`, `inactive`, `failed`. */
  unit(name: string): string {
    return this.run(`systemctl is-active ${name}`).out;
  }

  /** Waits for a condition; says what the VM was at when it never came. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!holds()) {
      if (performance.now() > deadline) {
        const state = this.run(
          "systemctl list-jobs; systemctl --failed; journalctl -b -n 40 --no-pager",
        );
        throw new Error(`never came: ${what}\n${state.out}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function childOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim() || 0);
  } catch {
    return 0;
  }
}

/** Folders from the leaves up; a cgroup without processes is removed by rmdir alone. */
function removeCgroup(pid: number): void {
  for (const parent of ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"]) {
    const path = join(parent, `tickhub-boot-${pid}`);
    const inside = readdirSync(parent).includes(`tickhub-boot-${pid}`);
    if (inside) spawnSync("find", [path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
  }
}
