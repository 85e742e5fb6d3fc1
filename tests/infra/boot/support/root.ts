// A root filesystem like the hub's, for what must not be installed on the host: cloud-init, systemd, Docker's
// units. Made once by debootstrap under $TICKHUB_CACHE (default ~/.cache/tickhub) and never changed after:
// tests lay their own layer over it. Debian's packages, because Ubuntu's mirror may be out of reach.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const SUITE = "bookworm";
const PACKAGES = [
  ...["ca-certificates", "systemd", "cloud-init", "docker.io", "iptables", "iproute2", "e2fsprogs"],
  ...["jq", "curl", "procps", "gpg", "unattended-upgrades", "needrestart", "shellcheck"],
];
/**
 * Needed by one of these, which names it by what it provides: debootstrap does not look there. Not in the
 * cache's key, because a root that was made without being told has it too.
 */
const PROVIDERS = ["python3-cffi-backend"];

/** Why the VM's boot cannot be tried here; null when it can. */
export function reasonAgainst(): string | null {
  if (process.env.TICKHUB_CI !== "1")
    return "it works on this machine as root: TICKHUB_CI=1 allows it";
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it needs root on Linux";
  if (existsSync(rootPath())) return null;
  const has = (name: string) => spawnSync("which", [name]).status === 0;
  return has("debootstrap") ? null : "debootstrap is missing (apt-get install debootstrap)";
}

/** The root filesystem; the first call makes it, which takes two minutes. */
export function rootFilesystem(): string {
  const path = rootPath();
  if (existsSync(path)) return path;
  const made = `${path}.new-${process.pid}`;
  mkdirSync(made, { recursive: true });
  const args = [
    "--variant=minbase",
    `--include=${[...PACKAGES, ...PROVIDERS].join(",")}`,
    SUITE,
    made,
  ];
  try {
    execFileSync("debootstrap", args, { stdio: ["ignore", "ignore", "inherit"] });
  } catch (error) {
    // Begun on what the first try left, the second one fails for another reason.
    rmSync(made, { recursive: true, force: true });
    throw error;
  }
  renameSync(made, path);
  return path;
}

function rootPath(): string {
  const cache = process.env.TICKHUB_CACHE ?? join(homedir(), ".cache/tickhub");
  const made = createHash("sha256")
    .update(`${SUITE} ${PACKAGES.join(" ")}`)
    .digest("hex");
  return join(cache, `boot-root-${made.slice(0, 12)}`);
}
