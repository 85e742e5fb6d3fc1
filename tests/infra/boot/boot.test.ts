// A VM's boot as it happens: the user data through real cloud-init, the units under real systemd, the volume a
// real block device. Stand-ins: tailscaled, dockerd, the package manager and Oracle's cloud (support/fakes.ts).
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { hubUserData, packedUserData } from "../../../infra/lib/cloud-init.ts";
import type { HubBoot } from "../../../infra/lib/cloud-init.ts";
import { FAKE_OCI, FAKES } from "./support/fakes.ts";
import { image, releaseOf } from "./support/machine.ts";
import { reasonAgainst } from "./support/root.ts";
import { Vm, Volume } from "./support/vm.ts";

const reason = reasonAgainst();
if (reason !== null && process.env.TICKHUB_CI === "1")
  throw new Error(`The boot cannot be tried: ${reason}`);

const BOOT: HubBoot = {
  hostname: "tickhub-hub",
  tags: ["tag:hub"],
  tailnetKey: "tskey-auth-good",
  stack: "oci",
  region: "ap-seoul-1",
  namespace: "axexample",
  bucket: "tickhub",
  secrets: {
    REGISTRY: "ocid1.vaultsecret.oc1..r",
    TICKHUB_DATABASE_URL: "ocid1.vaultsecret.oc1..d",
  },
  kiwoomProxy: false,
  swapGb: 0,
  arch: process.arch === "arm64" ? "arm64" : "amd64",
};

/** Only what touches files: the host's disks and clock are none of a test's business. */
const CLOUD_CFG = `
datasource_list: [NoCloud]
cloud_init_modules: [write-files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
network: {config: disabled}
`;
const CLOUD_INIT = `
  cat >/usr/local/bin/systemctl <<'END'
#!/bin/bash
# Nothing runs yet that could be told; what a unit's links are is known all the same.
if [[ $1 == enable ]]; then exec /usr/bin/systemctl enable "\${@: -1}"; fi
END
  chmod +x /usr/local/bin/systemctl; trap 'rm /usr/local/bin/systemctl' EXIT
  cp /root/user-data.gz /var/lib/cloud/seed/nocloud/user-data
  printf 'instance-id: one\\n' >/var/lib/cloud/seed/nocloud/meta-data
  cloud-init init --local && cloud-init init && cloud-init modules --mode=config && cloud-init modules --mode=final`;

describe.skipIf(reason !== null)(`a hub's VM${reason ? ` (not tried: ${reason})` : ""}`, () => {
  const vms: Vm[] = [];
  const volumes: Volume[] = [];

  /** A machine as it comes out of its first cloud-init, switched off. */
  function delivered(volume: Volume, boot: Partial<HubBoot> = {}): Vm {
    const vm = new Vm(volume);
    vms.push(vm);
    for (const [path, body, mode] of FAKES) vm.write(path, body, mode);
    vm.write(
      "/usr/local/bin/docker",
      readFileSync(join(import.meta.dirname, "support/docker")),
      0o755,
    );
    vm.write("/etc/cloud/cloud.cfg", CLOUD_CFG);
    vm.write("/var/lib/cloud/seed/nocloud/.keep", "");
    const text = hubUserData({ ...BOOT, ...boot });
    vm.write("/root/user-data", text);
    // As the metadata service hands it out; cloud-init unpacks it itself.
    vm.write("/root/user-data.gz", Buffer.from(packedUserData(text), "base64"));
    const { code, out } = vm.offline(CLOUD_INIT);
    expect(code, out.replace(/^.*DEBUG.*\n/gm, "")).toBe(0);
    const [path, body, mode] = FAKE_OCI;
    vm.write(path, body, mode);
    vm.write(
      "/etc/systemd/system/tickhub-release.service.d/fake.conf",
      "[Service]\nEnvironment=FAKE=/var/lib/fake\n",
    );
    vm.write("/var/lib/fake/bucket.json", JSON.stringify(releaseOf(1)));
    return vm;
  }

  function newVolume(): Volume {
    const volume = new Volume();
    volumes.push(volume);
    return volume;
  }
  const attach = (vm: Vm, volume: Volume) =>
    vm.run(`mkdir -p /dev/oracleoci && ln -s ${volume.device} /dev/oracleoci/oraclevdb`);
  /** What udev does with a volume that has the label already. */
  const attachLabelled = (vm: Vm, volume: Volume) => {
    attach(vm, volume);
    vm.run(`udevadm ${volume.device}`);
  };
  const calls = (vm: Vm) => vm.run("cat /var/lib/fake/calls").out;
  const setUp = (vm: Vm) =>
    vm.until("the set-up's end", () => vm.run("test -f /var/lib/tickhub/setup-done").code === 0);

  afterEach(async () => {
    for (const vm of vms.splice(0)) await vm.remove();
    for (const volume of volumes.splice(0)) volume.remove();
  });

  test("cloud-init takes the user data: schema, files with their modes, the set-up enabled", () => {
    const vm = delivered(newVolume());
    const schema = vm.offline("cloud-init schema --config-file /root/user-data");
    expect(schema.out).toContain("Valid cloud-config");
    const files = vm.offline(
      "stat -c '%a %n' /usr/local/sbin/tickhub-release /etc/tickhub/tailnet.key /etc/tickhub/secrets; ls /etc/systemd/system/multi-user.target.wants",
    ).out;
    expect(files).toContain("755 /usr/local/sbin/tickhub-release");
    expect(files).toContain("600 /etc/tickhub/tailnet.key");
    expect(files).toContain("600 /etc/tickhub/secrets");
    expect(files).toContain("tickhub-setup.service");
  });

  test("systemd finds no fault in the units, apt and Perl none in their files", () => {
    const vm = delivered(newVolume());
    const verified = vm.offline(
      "systemd-analyze verify /etc/systemd/system/tickhub-*.{service,timer} srv-tickhub.mount docker.service tailscaled.service apt-daily-upgrade.timer",
    );
    expect(verified).toEqual({ code: 0, out: "" });
    expect(vm.offline("perl -c /etc/needrestart/conf.d/tickhub.conf").code).toBe(0);
    const apt = vm.offline("apt-config dump Unattended-Upgrade").out;
    expect(apt).toContain('Allowed-Origins:: "${distro_id}:${distro_codename}-security"');
    expect(apt).toContain('Package-Blacklist:: "containerd$"');
    expect(apt).toContain('Automatic-Reboot "false"');
    const upgrade = vm.offline(
      "systemd-analyze calendar --iterations=4 'Sat *-*-* 09:00:00 Asia/Seoul'",
    ).out;
    expect(upgrade.match(/Sat \d{4}-\d\d-\d\d 00:00:00 UTC/g)?.length).toBeGreaterThanOrEqual(4);
  });

  test("from the first boot to a release that runs; then a reboot; then another machine", async () => {
    const volume = newVolume();
    const first = delivered(volume);
    await first.start();

    // The volume is not there: all that needs it waits, and nothing is where the database would be.
    await first.until(
      "the wait for the volume",
      () => first.unit("tickhub-volume.service") === "activating",
    );
    await first.until("the set-up's wait", () =>
      calls(first).includes("install --yes --no-install-recommends tailscale"),
    );
    expect(first.unit("docker.service")).toBe("inactive");
    expect(first.unit("tailscaled.service")).toBe("inactive");
    expect(first.run("ls /srv/tickhub/postgres").code).not.toBe(0);
    expect(calls(first)).not.toContain("dockerd");

    attach(first, volume);
    await setUp(first);
    first.run("systemctl start docker.service");
    expect(volume.identity()).toContain("tickhub-data");
    expect(first.run("findmnt -no FSTYPE,OPTIONS /srv/tickhub").out).toMatch(/^ext4 .*noatime/);
    expect(first.run("stat -c '%a %u' /srv/tickhub/postgres /srv/tickhub/tailscale").out).toBe(
      "700 70\n700 0",
    );
    const told = calls(first);
    expect(told).toContain("tailscaled --statedir=/srv/tickhub/tailscale");
    expect(told).toContain("--hostname=tickhub-hub --advertise-tags=tag:hub");
    expect(told.match(/dockerd .*/g)).toEqual(["dockerd address volume guarded"]);
    expect(told).toContain("apt-mark hold docker.io docker-compose-v2 containerd runc");
    expect(first.run("ls /etc/tickhub/tailnet.key").code).not.toBe(0);
    expect(first.run("cat /run/tickhub/tailnet.env").out).toBe("TICKHUB_TAILNET_IP=100.64.0.7");
    expect(
      first.run("stat -c %a /run/tickhub /run/tickhub/secrets.env; cat /run/tickhub/secrets.env")
        .out,
    ).toBe("700\n444\nTICKHUB_DATABASE_URL='value of ocid1.vaultsecret.oc1..d'");
    expect(first.run("jq -r '.auths[].auth' /run/tickhub/docker/config.json | base64 -d").out).toBe(
      "u:p",
    );
    expect(first.run("systemctl start tickhub-release.service").code).toBe(0);
    expect(first.run("cat /var/lib/fake/hub").out).toBe(image("hub", 1));
    expect(first.run("jq -r .outcome /var/lib/fake/report.json").out).toBe("running");
    expect(first.run("iptables -S DOCKER-USER").out.split("\n")).toEqual([
      "-N DOCKER-USER",
      "-A DOCKER-USER -d 169.254.169.254/32 -p udp -m udp --dport 53 -j RETURN",
      "-A DOCKER-USER -d 169.254.169.254/32 -p tcp -m tcp --dport 53 -j RETURN",
      "-A DOCKER-USER -d 169.254.0.0/16 -j REJECT --reject-with icmp-port-unreachable",
    ]);

    // The plug is pulled, and the machine comes again: nothing is formatted, no key is asked for.
    const identity = volume.identity();
    first.run("echo kept >/srv/tickhub/postgres/kept; sync; : >/var/lib/fake/calls");
    await first.stop();
    await first.start();
    expect(first.unit("docker.service")).not.toBe("active");
    attachLabelled(first, volume);
    await first.until("Docker", () => first.unit("docker.service") === "active");
    expect(volume.identity()).toBe(identity);
    expect(first.run("cat /srv/tickhub/postgres/kept").out).toBe("kept");
    expect(calls(first)).not.toContain("tailscale up");
    expect(calls(first)).not.toContain("apt-get");
    expect(calls(first)).toContain("dockerd address volume guarded");
    await first.stop();

    // Another machine with the same volume, and a key that is no good: it has the name and address, and needs none.
    const second = delivered(volume, { tailnetKey: "tskey-auth-spent" });
    await second.start();
    attachLabelled(second, volume);
    await setUp(second);
    expect(volume.identity()).toBe(identity);
    expect(second.run("cat /srv/tickhub/postgres/kept").out).toBe("kept");
    expect(second.run("cat /run/tickhub/tailnet.env").out).toBe("TICKHUB_TAILNET_IP=100.64.0.7");
    expect(calls(second)).not.toContain("tailscale up");
    expect(second.run("ls /etc/tickhub/tailnet.key").code).not.toBe(0);
    expect(second.run("systemctl start tickhub-release.service").code).toBe(0);
    expect(second.run("jq -r .version /srv/tickhub/releases/current.json").out).toBe("0.1.0");
  });

  test("Docker that is there before Tailscale has an address waits for it", async () => {
    const volume = newVolume();
    const vm = delivered(volume, { tailnetKey: "tskey-auth-spent" });
    vm.offline("systemctl enable docker.service srv-tickhub.mount");
    await vm.start();
    attach(vm, volume);
    await vm.until("a try to log in", () => calls(vm).includes("tailscale up"));
    expect(vm.unit("tickhub-tailnet.service")).toBe("activating");
    expect(vm.unit("docker.service")).toBe("inactive");
    expect(calls(vm)).not.toContain("dockerd");
    vm.run("echo tskey-auth-good >/etc/tickhub/tailnet.key");
    await vm.until("Docker", () => vm.unit("docker.service") === "active");
    expect(calls(vm)).toContain("dockerd address volume guarded");
  });

  test("a volume with somebody's file system is left alone, and Docker does not start", async () => {
    const volume = newVolume();
    execFileSync("mkfs.ext4", ["-q", "-L", "somebodys", volume.device]);
    const identity = volume.identity();
    const vm = delivered(volume);
    vm.offline("systemctl enable docker.service srv-tickhub.mount");
    await vm.start();
    attach(vm, volume);
    await vm.until("the refusal", () => vm.unit("tickhub-volume.service") === "failed");
    expect(vm.run("journalctl -u tickhub-volume --no-pager").out).toContain("left alone");
    expect(volume.identity()).toBe(identity);
    await vm.until("Docker's end", () => !vm.run("systemctl list-jobs").out.includes("docker"));
    expect(vm.unit("docker.service")).toBe("inactive");
    expect(calls(vm)).not.toContain("dockerd");
    expect(vm.run("ls /srv/tickhub/postgres").code).not.toBe(0);
  });
});
