#!/bin/sh
# Runs one container in the foreground, for its unit: `container.sh news` or `container.sh sentinel`.
# Its secrets are fetched at each start into memory (/run is a tmpfs) and mounted as a file, so that neither
# the disk nor `docker inspect` has them. Each container has a tailscaled of its own, so each is a node of its
# own in the tailnet with one tag: neither has the other's rights, and the sentinel keeps its sight while the
# news restarts.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
name=$1
image=$(cat "$state/image")

mkdir -p "$run"
chmod 711 "$run"
# Into a variable first: a container without its secrets would only crash.
secrets=$(secret "tickhub-$name")
settings=$(attribute "tickhub-$name")
printf '%s\n' "$secrets" | put "$run/$name.env" 400
printf '%s\n' "$settings" | put "$run/$name.settings" 600
# The user of the image; nobody else on this machine.
chown 10001:10001 "$run/$name.env"

# A container must not ask the metadata server for the machine's token. DNS is answered by the same address.
forbid="-d 169.254.169.254 -p tcp ! --dport 53 -j REJECT"
# shellcheck disable=SC2086
iptables -C DOCKER-USER $forbid 2>/dev/null || iptables -I DOCKER-USER $forbid

docker rm --force "tickhub-$name" >/dev/null 2>&1 || true
exec docker run --rm --name "tickhub-$name" --hostname "tickhub-$name" \
  --env-file "$run/$name.settings" \
  --volume "$run/$name.env:/run/secrets/tickhub:ro" \
  --read-only --tmpfs /tmp:rw,nosuid,nodev,size=32m \
  --cap-drop ALL --security-opt no-new-privileges \
  --memory 300m --memory-swap 600m --pids-limit 200 \
  --pull never "$image"
