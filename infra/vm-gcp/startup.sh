#!/bin/sh
# Prepares the e2-micro for its two containers. Comes as the instance's startup-script, behind the files that
# lib/gcp-startup.ts puts in front of it, and runs at each boot, and again when the script itself has changed:
# everything here may be done twice. It holds no secret, as everybody on the machine can read it.
#
# TICKHUB_ROOT (tests): a folder in place of /, where nothing is started.
set -eu
root=${TICKHUB_ROOT:-}

say() { echo "tickhub-startup: $*"; }

# The containers' 1 GB has to be enough for the system as well; what sleeps may leave.
if ! [ -e "$root/swapfile" ]; then
  say "making the swap file"
  fallocate -l 1G "$root/swapfile.new"
  chmod 600 "$root/swapfile.new"
  mkswap "$root/swapfile.new"
  mv "$root/swapfile.new" "$root/swapfile"
fi
grep -q '^/swapfile ' "$root/etc/fstab" || echo '/swapfile none swap sw 0 0' >>"$root/etc/fstab"
swapon --all

# Debian's own Docker: it comes with the security updates.
if ! command -v docker >/dev/null 2>&1; then
  say "installing docker.io"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends docker.io curl ca-certificates iptables
fi
# An upgrade of these ends the containers; they are upgraded by a new machine image.
apt-mark hold docker.io containerd runc

systemctl daemon-reload
systemctl restart systemd-journald
# Reads daemon.json, which was written before; containers come back by their units.
if ! cmp -s "$root/etc/docker/daemon.json" "$root/var/lib/tickhub/daemon.json"; then
  systemctl restart docker
  cp "$root/etc/docker/daemon.json" "$root/var/lib/tickhub/daemon.json"
fi
systemctl enable tickhub@sentinel.service tickhub@news.service
systemctl enable --now tickhub-sync.timer
# The first image, now and not in two minutes.
systemctl start --no-block tickhub-sync.service
say "done"
