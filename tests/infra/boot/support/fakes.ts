// What the cloud and Tailscale would bring, as files of a VM: just enough to be waited for, and a record of
// what was asked, in /var/lib/fake/calls.

/** The test's stand-in for Tailscale's package: its daemon keeps the address while it is logged in. */
const TAILSCALED = `#!/bin/bash
echo "tailscaled $*" >>/var/lib/fake/calls
state=$(sed -n 's/.*--state=\\([^ ]*\\).*/\\1/p' <<<"$*")
while true; do
  if [[ -s $state ]]; then ip addr add "$(<"$state")/32" dev lo 2>/dev/null; fi
  sleep 0.2
done
`;
const TAILSCALE = `#!/bin/bash
state=/srv/tickhub/tailscale/tailscaled.state
case $1 in
  status) if [[ -s $state ]]; then echo '{"BackendState":"Running"}'; else echo '{"BackendState":"NeedsLogin"}'; fi ;;
  ip) cat $state ;;
  up)
    echo "tailscale $*" >>/var/lib/fake/calls
    key=$(sed -n 's/.*--auth-key=file:\\([^ ]*\\).*/\\1/p' <<<"$*")
    [[ $(<$key) == tskey-auth-good ]] || exit 1
    echo 100.64.0.7 >$state
    ;;
esac
`;
const TAILSCALED_UNIT = `[Unit]
Description=a stand-in for tailscaled
[Service]
ExecStart=/usr/sbin/tailscaled
[Install]
WantedBy=multi-user.target
`;
/** Says what is there at the moment it starts. */
const DOCKERD = `#!/usr/bin/python3
import os, socket, subprocess, time
address = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True).stdout
rules = subprocess.run(["iptables", "-S", "DOCKER-USER"], capture_output=True, text=True).stdout
facts = [
    "address" if "100.64.0.7/32" in address else "no-address",
    "volume" if os.path.ismount("/srv/tickhub") else "no-volume",
    "guarded" if "169.254.0.0/16" in rules else "unguarded",
]
open("/var/lib/fake/calls", "a").write("dockerd " + " ".join(facts) + "\\n")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    time.sleep(3600)
`;
/** The vault and the bucket, as folders. */
const OCI = `#!/bin/bash
echo "tickhub-oci $*" >>/var/lib/fake/calls
case $1 in
  secrets) while read -r name ocid; do echo "value of $ocid" >"$3/$name"; done <"$2"
    if [[ -f $3/REGISTRY ]]; then echo '{"address":"ghcr.io","username":"u","password":"p"}' >"$3/REGISTRY"; fi ;;
  object-get) [[ -f /var/lib/fake/bucket.json ]] || exit 3; cp /var/lib/fake/bucket.json "$3" ;;
  object-put) cp "$3" /var/lib/fake/report.json ;;
esac
`;
/** Udev has no part in a VM without a hypervisor: the link it would make, by the script that asks for it. */
const UDEVADM = `#!/bin/bash
mkdir -p /dev/disk/by-label
ln -sf "$(readlink -f "\${@: -1}")" /dev/disk/by-label/tickhub-data
`;
const APT = `#!/bin/bash
echo "apt-get $*" >>/var/lib/fake/calls
`;
const QUIET = `#!/bin/bash
echo "\${0##*/} $*" >>/var/lib/fake/calls
`;
/** The key that pkgs.tailscale.com would give, as gpg shows it. */
const GPG = `#!/bin/bash
echo "fpr:::::::::2596A99EAAB33821893C0A79458CA832957F5868:"
`;
const CURL = `#!/bin/bash
echo "curl $*" >>/var/lib/fake/calls
while [[ $1 != --output ]]; do shift; done
echo key >"$2"
`;

/** Path, body, mode. */
export const FAKES: readonly (readonly [string, string, number])[] = [
  ["/usr/sbin/tailscaled", TAILSCALED, 0o755],
  ["/usr/bin/tailscale", TAILSCALE, 0o755],
  ["/usr/lib/systemd/system/tailscaled.service", TAILSCALED_UNIT, 0o644],
  ["/usr/sbin/dockerd", DOCKERD, 0o755],
  ["/usr/local/bin/udevadm", UDEVADM, 0o755],
  ["/usr/local/bin/apt-get", APT, 0o755],
  ["/usr/local/bin/apt-mark", QUIET, 0o755],
  ["/usr/local/bin/gpg", GPG, 0o755],
  ["/usr/local/bin/curl", CURL, 0o755],
  ["/var/lib/fake/calls", "", 0o644],
];

/** In place of the script that asks Oracle's cloud; put there after the user data was applied. */
export const FAKE_OCI = ["/usr/local/sbin/tickhub-oci", OCI, 0o755] as const;
