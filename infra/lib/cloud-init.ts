// What the hub's VM is told at its first boot: the files of infra/vm in their places, what tells this stack
// from another, and the start of tickhub-setup.service, which installs the rest and tries until it has.
// Promises: nothing long-lived and nothing secret but the one-time tailnet key; the same input is the same
// text; as user data less than USER_DATA_MAX, because metadata as a whole ends at 32,000 bytes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { PORTS } from "./names.ts";
import { tarOf } from "./tar.ts";

export interface HubBoot {
  hostname: string;
  tags: string[];
  /** One-time; used on first boot only, and not even then when the volume knows this machine already. */
  tailnetKey: string;
  stack: string;
  region: string;
  /** Of the object storage that the bucket is in. */
  namespace: string;
  bucket: string;
  /**
   * OCIDs of the vault's secrets, by the name of the variable they become in the containers. `REGISTRY` is
   * no variable: its secret is the JSON `{address, username, password}` with which Docker pulls.
   */
  secrets: Record<string, string>;
  /** Runs the CONNECT proxy to Kiwoom's hosts here. */
  kiwoomProxy: boolean;
  swapGb: number;
  /** What the releases' images are built for; the set-up stops on a machine of another kind. */
  arch: "arm64" | "amd64";
}

/** Of what stands in the metadata, in base64; the rest is for the SSH keys beside it. */
const USER_DATA_MAX = 29_000;

/** On the VM, until it is unpacked. */
const ARCHIVE = "/var/lib/tickhub/files.tar.gz";
const SBIN = "/usr/local/sbin";
const SYSTEMD = "/etc/systemd/system";

/** Where each file of infra/vm goes. */
export const VM_FILES: readonly { file: string; path: string; mode: string }[] = [
  ...[
    ...["database-upgrade", "imds-guard", "kiwoom-proxy", "oci", "release"],
    ...["restore", "secrets", "setup", "tailnet", "volume", "wal-upload"],
  ].map((name) => ({ file: `tickhub-${name}`, path: `${SBIN}/tickhub-${name}`, mode: "0755" })),
  ...[
    ...["srv-tickhub.mount", "tickhub-kiwoom-proxy.service", "tickhub-reboot.service"],
    ...["tickhub-reboot.timer", "tickhub-release.service", "tickhub-release.timer"],
    ...["tickhub-secrets.service", "tickhub-setup.service", "tickhub-tailnet.service"],
    ...["tickhub-volume.service", "tickhub-wal-upload.service", "tickhub-wal-upload.timer"],
  ].map((unit) => ({ file: `units/${unit}`, path: `${SYSTEMD}/${unit}`, mode: "0644" })),
  ...Object.entries({
    "units/apt-daily-upgrade.conf": `${SYSTEMD}/apt-daily-upgrade.timer.d/tickhub.conf`,
    "units/data-device.conf": `${SYSTEMD}/dev-disk-by\\x2dlabel-tickhub\\x2ddata.device.d/tickhub.conf`,
    "units/docker.conf": `${SYSTEMD}/docker.service.d/tickhub.conf`,
    "units/tailscaled.conf": `${SYSTEMD}/tailscaled.service.d/tickhub.conf`,
    "etc/apt.conf": "/etc/apt/apt.conf.d/90tickhub",
    "etc/docker.json": "/etc/docker/daemon.json",
    "etc/journald.conf": "/etc/systemd/journald.conf.d/tickhub.conf",
    "etc/needrestart.conf": "/etc/needrestart/conf.d/tickhub.conf",
    "etc/sysctl.conf": "/etc/sysctl.d/90-tickhub.conf",
  }).map(([file, path]) => ({ file, path, mode: "0644" })),
];

/**
 * A text as an instance's metadata carries it: packed, which cloud-init undoes by itself, in base64.
 * Asserts that it fits.
 */
export function packedUserData(text: string): string {
  const encoded = packed(Buffer.from(text)).toString("base64");
  assert(
    encoded.length <= USER_DATA_MAX,
    `user data of ${encoded.length} bytes; ${USER_DATA_MAX} fit`,
  );
  return encoded;
}

/** The `#cloud-config` text of a hub. Its body is JSON, which is YAML. */
export function hubUserData(boot: HubBoot): string {
  const config = {
    preserve_hostname: false,
    hostname: boot.hostname,
    ssh_pwauth: false,
    ...(boot.swapGb > 0
      ? {
          swap: {
            filename: "/swapfile",
            size: boot.swapGb * 2 ** 30,
            maxsize: boot.swapGb * 2 ** 30,
          },
        }
      : {}),
    write_files: [
      archive(),
      plain("/etc/tickhub/stack.env", "0644", settingsOf(boot)),
      plain("/etc/tickhub/secrets", "0600", secretsOf(boot.secrets)),
      plain("/etc/tickhub/tailnet.key", "0600", boot.tailnetKey),
    ],
    runcmd: [
      ["tar", "--extract", "--gzip", "--no-overwrite-dir", "--file", ARCHIVE, "--directory", "/"],
      ["systemctl", "daemon-reload"],
      // Not waited for: it waits for the volume, which comes when this machine is there already.
      ["systemctl", "enable", "--now", "--no-block", "tickhub-setup.service"],
    ],
  };
  return `#cloud-config\n${JSON.stringify(config)}\n`;
}

/** What the units read as EnvironmentFile. */
function settingsOf(boot: HubBoot): string {
  const settings: Record<string, string> = {
    TICKHUB_STACK: boot.stack,
    TICKHUB_HOSTNAME: boot.hostname,
    TICKHUB_TAGS: boot.tags.join(","),
    TICKHUB_REGION: boot.region,
    TICKHUB_NAMESPACE: boot.namespace,
    TICKHUB_BUCKET: boot.bucket,
    TICKHUB_ARCH: boot.arch,
    TICKHUB_KIWOOM_PROXY: boot.kiwoomProxy ? "1" : "0",
    TICKHUB_PORT_PROXY: String(PORTS.kiwoomProxy),
  };
  return lines(Object.entries(settings).map(([name, value]) => `${name}=${word(name, value)}`));
}

function secretsOf(secrets: Record<string, string>): string {
  const names = Object.keys(secrets).sort();
  return lines(
    names.map((name) => {
      assert(/^[A-Z][A-Z0-9_]*$/.test(name), `${name} is no name of a variable`);
      return `${name} ${word(name, secrets[name]!)}`;
    }),
  );
}

/** These files are read by shell and systemd alike: one word each, so that nobody quotes. */
function word(name: string, value: string): string {
  assert(/^[A-Za-z0-9._:,/-]+$/.test(value), `${name} is not one plain word`);
  return value;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

interface WrittenFile {
  path: string;
  permissions: string;
  content: string;
  encoding?: "b64";
}

function plain(path: string, permissions: string, content: string): WrittenFile {
  return { path, permissions, content };
}

/** All of infra/vm in one archive: packed together they take two thirds of what they take one by one. */
function archive(): WrittenFile {
  const files = VM_FILES.map(({ file, path, mode }) => ({
    path: path.slice(1),
    mode: Number.parseInt(mode, 8),
    body: readFileSync(new URL(`../vm/${file}`, import.meta.url)),
  }));
  return {
    ...plain(ARCHIVE, "0600", packed(tarOf(files)).toString("base64")),
    encoding: "b64",
  };
}

/** The same bytes for the same input, on every system. */
function packed(bytes: Buffer): Buffer {
  const gz = gzipSync(bytes, { level: 9 });
  // The byte that says which system packed it (RFC 1952): "unknown".
  gz[9] = 255;
  return gz;
}
