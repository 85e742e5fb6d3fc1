// First-boot text of the small machine that lends its address to Kiwoom's collector (kiwoomEgress
// `oci-micro`): Tailscale, and a proxy from the distribution that knows Kiwoom's hosts and no others. It has
// no secret but the one-time tailnet key, no image to pull and nothing to keep.
import { readFileSync } from "node:fs";

export interface EgressBoot {
  hostname: string;
  tags: string[];
  /** One-time; removed once the machine has joined. */
  tailnetKey: string;
}

const SETUP_UNIT = `[Unit]
Description=tickhub: the proxy that lends its address
ConditionPathExists=!/var/lib/tickhub-egress-done
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
EnvironmentFile=/etc/tickhub/egress.env
ExecStart=/usr/local/sbin/tickhub-egress-setup
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
`;

const PROXY_UNIT = `[Unit]
Wants=tailscaled.service
After=tailscaled.service

[Service]
# As root, because tinyproxy's own user may not write its configuration.
ExecStartPre=+/usr/local/sbin/tickhub-egress-listen
TimeoutStartSec=infinity
Restart=always
RestartSec=5
`;

/** `#cloud-config`, whose body is JSON, which is YAML. The same input is the same text. */
export function egressUserData(boot: EgressBoot): string {
  const file = (path: string, content: string, permissions = "0644") => ({
    path,
    content,
    permissions,
  });
  const config = {
    preserve_hostname: false,
    hostname: boot.hostname,
    write_files: [
      file("/etc/tickhub/tailnet.key", `${boot.tailnetKey}\n`, "0600"),
      file(
        "/etc/tickhub/egress.env",
        `TICKHUB_HOSTNAME=${boot.hostname}\nTICKHUB_TAGS=${boot.tags.join(",")}\n`,
      ),
      file("/etc/tickhub/tinyproxy.conf", fileOf("tinyproxy.conf")),
      file("/etc/tinyproxy/kiwoom.filter", fileOf("kiwoom.filter")),
      file("/usr/local/sbin/tickhub-egress-setup", fileOf("tickhub-egress-setup"), "0755"),
      file("/usr/local/sbin/tickhub-egress-listen", fileOf("tickhub-egress-listen"), "0755"),
      file("/etc/systemd/system/tickhub-egress-setup.service", SETUP_UNIT),
      file("/etc/systemd/system/tinyproxy.service.d/tickhub.conf", PROXY_UNIT),
    ],
    runcmd: [
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "--now", "--no-block", "tickhub-egress-setup.service"],
    ],
  };
  return `#cloud-config\n${JSON.stringify(config, null, 1)}\n`;
}

const fileOf = (name: string): string =>
  readFileSync(new URL(`../egress/${name}`, import.meta.url), "utf8");
