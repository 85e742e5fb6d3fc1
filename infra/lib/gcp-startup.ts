// The startup-script of the light edge's VM: the files of infra/vm-gcp/, put in their places by one shell
// script that ends with vm-gcp/startup.sh. And what its two containers are told: settings as plain attributes of
// the instance, secrets as files in Secret Manager. Pure but for reading vm-gcp/.
import { readFileSync } from "node:fs";
import { drainPlan } from "./drain.ts";
import { EDGE_HOSTS, PORTS, TAGS } from "./names.ts";

/** News is text and comes rarely: a small outbox holds hours of it. */
export const NEWS_OUTBOX_MB = 32;

/** Where each file of vm-gcp/ goes, and its mode. Order is the script's. */
const FILES: readonly [string, path: string, mode: string][] = [
  ["lib.sh", "/usr/local/lib/tickhub/lib.sh", "644"],
  ["container.sh", "/usr/local/lib/tickhub/container.sh", "755"],
  ["sync.sh", "/usr/local/lib/tickhub/sync.sh", "755"],
  ["egress.sh", "/usr/local/lib/tickhub/egress.sh", "755"],
  ["tickhub@.service", "/etc/systemd/system/tickhub@.service", "644"],
  ["tickhub-sync.service", "/etc/systemd/system/tickhub-sync.service", "644"],
  ["tickhub-sync.timer", "/etc/systemd/system/tickhub-sync.timer", "644"],
  ["daemon.json", "/etc/docker/daemon.json", "644"],
  ["journald.conf", "/etc/systemd/journald.conf.d/tickhub.conf", "644"],
  ["upgrades.conf", "/etc/systemd/system/apt-daily-upgrade.timer.d/tickhub.conf", "644"],
];

const END = "TICKHUB_END_OF_FILE";

/** The script, the same for every stack and release; without any secret, because all of the VM can read it. */
export function gcpStartupScript(): string {
  const { gracePeriodSeconds } = drainPlan(NEWS_OUTBOX_MB);
  const filled = (text: string) =>
    text
      .replaceAll("@GRACE_SECONDS@", String(gracePeriodSeconds))
      .replaceAll("@STOP_SECONDS@", String(gracePeriodSeconds + 15));
  const files = FILES.map(([name, path, mode]) => {
    return `file '${path}' ${mode} <<'${END}'\n${filled(read(name))}${END}\n`;
  });
  return [
    "#!/bin/sh",
    "# Made by infra/lib/gcp-startup.ts from the files of infra/vm-gcp/.",
    "set -eu",
    "root=${TICKHUB_ROOT:-}",
    'mkdir -p "$root/var/lib/tickhub" "$root/run/tickhub"',
    "file() {",
    '  mkdir -p "$(dirname "$root$1")"',
    '  cat >"$root$1.new"',
    '  chmod "$2" "$root$1.new"',
    '  mv "$root$1.new" "$root$1"',
    "}",
    ...files,
    read("startup.sh").replace(/^#!.*\n/, ""),
  ].join("\n");
}

const read = (name: string): string =>
  readFileSync(new URL(`../vm-gcp/${name}`, import.meta.url), "utf8");

/** What the container of the news feed is told; nothing in it is secret. */
export function newsSettings(gatewayUrl: string): string {
  return lines({
    TICKHUB_ENTRY: "edge",
    TICKHUB_EDGE_ID: "news",
    TICKHUB_HUB_URL: gatewayUrl,
    TICKHUB_UPLINK_PROXY: "socks5://127.0.0.1:1055",
    TICKHUB_OUTBOX_MB: String(NEWS_OUTBOX_MB),
    TICKHUB_DRAIN_SECONDS: String(drainPlan(NEWS_OUTBOX_MB).drainSeconds),
    TICKHUB_STATUS_PORT: String(PORTS.edgeStatus),
    TS_HOSTNAME: EDGE_HOSTS.news,
    TS_TAGS: TAGS.edgeNews,
  });
}

/**
 * What the container of the sentinel is told: it watches over the tailnet, and has nothing to drain. Names in full,
 * because a userspace tailscaled's proxy resolves no others. An edge that is not deployed yet is no alert.
 */
export function sentinelSettings(hubName: string): string {
  const domain = hubName.slice(hubName.indexOf(".") + 1);
  const edges = (["kis", "kiwoom", "news"] as const).map(
    (edge) => `${edge}=http://${EDGE_HOSTS[edge]}.${domain}:${PORTS.edgeStatus}`,
  );
  return lines({
    TICKHUB_ENTRY: "sentinel",
    TICKHUB_SENTINEL_HUB: `http://${hubName}:${PORTS.web}`,
    TICKHUB_SENTINEL_EDGES: edges.join(","),
    TICKHUB_UPLINK_PROXY: "socks5://127.0.0.1:1055",
    TICKHUB_STATUS_PORT: String(PORTS.sentinelStatus),
    TS_HOSTNAME: EDGE_HOSTS.sentinel,
    TS_TAGS: TAGS.sentinel,
  });
}

/** Keys with these names are the sentinel's (a messenger to call somebody by, its settings); the others are the news'. */
const SENTINEL_KEY = /^(SENTINEL_|TICKHUB_SENTINEL_|TICKHUB_LANG$)/;

/** Names of the config's secrets that a container gets: no more than it needs. */
export function keysFor(container: "news" | "sentinel", names: readonly string[]): string[] {
  return names.filter((name) => SENTINEL_KEY.test(name) === (container === "sentinel"));
}

/** Lines of a file that Node reads with --env-file. Throws on a value that such a file cannot hold. */
export function secretFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      if (/[\r\n]/.test(value) || (value.includes("'") && value.includes('"'))) {
        throw new Error(
          `${name} has a line break or both kinds of quotes, which no env file holds`,
        );
      }
      const quote = value.includes("'") ? '"' : "'";
      return `${name}=${quote}${value}${quote}\n`;
    })
    .join("");
}

/** docker's config.json with one login. */
export function dockerLogin(address: string, username: string, password: string): string {
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return `${JSON.stringify({ auths: { [address]: { auth } } })}\n`;
}

/** As `docker run --env-file` takes them: no quotes, to the end of the line. */
function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
