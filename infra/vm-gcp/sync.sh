#!/bin/sh
# Every two minutes: does this machine run what the stack says? The stack says it in attributes of the instance,
# so that a new release, new settings or a new version of these scripts never replaces the machine.
# A new image that does not become healthy gives way to the one before, and is not tried again.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
healthy_seconds=${TICKHUB_HEALTHY_SECONDS:-180}
units="tickhub@sentinel.service tickhub@news.service"

mkdir -p "$state" "$run"
"$(dirname "$0")/egress.sh" || true

# The scripts themselves first: what follows is done by the new ones at the next turn.
attribute startup-script | put "$run/startup.sh" 600
script=$(sha256sum <"$run/startup.sh")
if [ "$script" != "$(cat "$state/script" 2>/dev/null)" ]; then
  # At the first turn this machine has just been prepared by it.
  if [ -e "$state/script" ] && [ -s "$run/startup.sh" ]; then
    say "the startup script has changed"
    sh "$run/startup.sh"
  fi
  printf '%s\n' "$script" | put "$state/script" 644
fi

# pull IMAGE: with the registry's login, which is kept in memory and only for as long as it takes.
pull() {
  login=$run/login
  mkdir -p "$login"
  config=$(secret tickhub-registry) || return 1
  printf '%s\n' "$config" | put "$login/config.json" 600
  code=0
  docker --config "$login" pull --quiet "$1" >/dev/null || code=$?
  rm -rf "$login"
  return "$code"
}

# Whether both containers are healthy before the time is over; one that restarts is not.
healthy() {
  left=$healthy_seconds
  while :; do
    found=0
    for name in sentinel news; do
      # What the egress limit has stopped is not the image's fault.
      if [ "$name" = news ] && [ -e "$state/egress-stopped" ]; then found=$((found + 1)); continue; fi
      health=$(docker inspect --format '{{.State.Health.Status}}' "tickhub-$name" 2>/dev/null || true)
      [ "$health" != healthy ] || found=$((found + 1))
    done
    [ "$found" -lt 2 ] || return 0
    [ "$left" -gt 0 ] || return 1
    sleep 5
    left=$((left - 5))
  done
}

# A unit that has been started stays up by itself; the news stays down while the egress limit says so.
restart() {
  for unit in $units; do
    if [ "$unit" = tickhub@news.service ] && [ -e "$state/egress-stopped" ]; then continue; fi
    systemctl restart "$unit"
  done
}

current=$(cat "$state/image" 2>/dev/null || true)
wanted=$(attribute tickhub-image)
if ! printf '%s' "$wanted" | grep -Eq '^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$'; then
  say "the image is not pinned by digest: $wanted"
  exit 1
fi
news=$(attribute tickhub-news)
sentinel=$(attribute tickhub-sentinel)
settings=$(printf '%s\n%s\n' "$news" "$sentinel" | sha256sum)

if [ "$wanted" != "$current" ] && [ "$wanted" != "$(cat "$state/refused" 2>/dev/null)" ]; then
  say "rolling out $wanted"
  pull "$wanted"
  printf '%s\n' "$wanted" | put "$state/image" 644
  printf '%s\n' "$settings" | put "$state/settings" 644
  restart
  if healthy; then
    rm -f "$state/refused"
    docker image prune --all --force >/dev/null || true
  elif [ -n "$current" ]; then
    say "not healthy within $healthy_seconds s; back to $current"
    printf '%s\n' "$wanted" | put "$state/refused" 644
    printf '%s\n' "$current" | put "$state/image" 644
    restart
    exit 1
  else
    say "not healthy within $healthy_seconds s; there is nothing to go back to"
    exit 1
  fi
elif [ -n "$current" ] && [ "$settings" != "$(cat "$state/settings" 2>/dev/null)" ]; then
  say "the settings have changed"
  printf '%s\n' "$settings" | put "$state/settings" 644
  restart
fi
