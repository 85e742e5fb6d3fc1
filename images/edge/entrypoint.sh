#!/bin/sh
# Process 1 of an edge's container: a tailscaled in userspace mode where TS_AUTHKEY is given, then the
# program, and both ended in the order that loses nothing. Promises:
#   - SIGTERM and SIGINT reach the program first; it drains over a tailnet that is still there, and only
#     then this node logs out (an ephemeral one is gone at once) and tailscaled ends;
#   - when tailscaled dies, the program is told to drain and the container ends with a failure;
#   - without TS_AUTHKEY no tailscaled runs;
#   - the key is in no argument list, in no log and not in the program's environment.
#
#   TICKHUB_ENTRY   edge (default), sentinel or proxy: the command of tickhub; arguments are handed on.
#                   An edge without arguments collects the feed its TICKHUB_EDGE_ID begins with.
#   TS_AUTHKEY      an auth key, or an OAuth client's secret with ?ephemeral=true&preauthorized=true;
#                   else the line of that name in /run/secrets/tickhub
#   TS_HOSTNAME, TS_TAGS, TS_LOGIN_SERVER   name, tags and (not Tailscale's own) control server
#
# tailscaled is started here and not by its image's own entrypoint, so none of that one's other variables
# apply; there is nothing to be set for Kubernetes either. Needs a writable /tmp (a tmpfs will do).
set -u
secrets=/run/secrets/tickhub
proxy=127.0.0.1:1055
up_seconds=60
logout_seconds=5

say() { echo "entrypoint: $*" >&2; }

entry=${TICKHUB_ENTRY:-edge}
key=${TS_AUTHKEY:-}
hostname=${TS_HOSTNAME:-}
tags=${TS_TAGS:-}
server=${TS_LOGIN_SERVER:-}
unset TICKHUB_ENTRY TS_AUTHKEY TS_HOSTNAME TS_TAGS TS_LOGIN_SERVER
if [ -z "$key" ] && [ -r "$secrets" ]; then
  key=$(sed -n "s/^TS_AUTHKEY=//p" "$secrets" | tr -d "'\"")
fi

case $entry in
  edge)
    if [ $# -eq 0 ]; then
      feed=${TICKHUB_EDGE_ID:?names the edge, and with it the feed}
      set -- --feed "${feed%%-*}"
    fi
    ;;
  sentinel | proxy) ;;
  *)
    say "TICKHUB_ENTRY is edge, sentinel or proxy, not $entry"
    exit 2
    ;;
esac

app='' daemon='' is_stopping='' is_cut_off=''
# Before the program runs there is nothing to drain: only the flag is set.
trap 'is_stopping=1; [ -z "$app" ] || kill -TERM "$app" 2>/dev/null' TERM INT
trap 'is_cut_off=1; [ -z "$app" ] || kill -TERM "$app" 2>/dev/null' USR1

# Waits for a child also when a signal comes in between, which ends the shell's own wait early.
await() {
  while :; do
    wait "$1"
    await_code=$?
    kill -0 "$1" 2>/dev/null || return "$await_code"
  done
}

# Says with a signal when tailscaled has ended, as the shell can wait for one child at a time only.
run_tailscaled() {
  trap - USR1 INT
  tailscaled --tun=userspace-networking --socks5-server="$proxy" --no-logs-no-support \
    --state=mem: --statedir="$place" --socket="$place/tailscaled.sock" &
  child=$!
  trap 'kill -TERM "$child" 2>/dev/null' TERM
  await "$child"
  kill -USR1 $$ 2>/dev/null
}

# Interruptible, unlike a program in the foreground, behind which a signal would wait.
in_background() {
  "$@" &
  task=$!
  while kill -0 "$task" 2>/dev/null; do
    wait "$task"
    task_code=$?
    [ -z "$is_stopping$is_cut_off" ] || { kill -TERM "$task" 2>/dev/null; await "$task"; return 1; }
  done
  return "$task_code"
}

leave_tailnet() {
  [ -n "$daemon" ] || return 0
  if [ -z "$is_cut_off" ]; then
    timeout "$logout_seconds" tailscale --socket="$place/tailscaled.sock" logout \
      || say "the logout failed; an ephemeral node vanishes by itself within the hour"
    trap '' USR1
  fi
  kill -TERM "$daemon" 2>/dev/null
  await "$daemon"
  rm -rf "$place"
}

join_tailnet() {
  place=$(mktemp -d /tmp/tailscale.XXXXXX) || { say "/tmp is not writable"; exit 1; }
  # A client that is full of ticks must not starve of tailscaled's memory on 256 MB.
  GOMEMLIMIT=${GOMEMLIMIT:-64MiB}
  export GOMEMLIMIT
  run_tailscaled &
  daemon=$!
  (umask 077 && printf '%s' "$key" >"$place/key")
  key=''
  while [ ! -S "$place/tailscaled.sock" ] && [ -z "$is_stopping$is_cut_off" ]; do
    in_background sleep 0.1
  done
  in_background tailscale --socket="$place/tailscaled.sock" up --auth-key="file:$place/key" \
    --accept-dns=false --timeout="${up_seconds}s" ${hostname:+"--hostname=$hostname"} \
    ${tags:+"--advertise-tags=$tags"} ${server:+"--login-server=$server"}
  joined=$?
  rm -f "$place/key"
  if [ -n "$is_stopping" ] || [ "$joined" -ne 0 ]; then
    [ -n "$is_stopping" ] || say "this machine could not join the tailnet"
    leave_tailnet
    [ -n "$is_stopping" ] && exit 0
    exit 1
  fi
}

if [ -n "$key" ]; then join_tailnet; fi

tickhub "$entry" "$@" &
app=$!
# A signal from before `app` was known.
[ -z "$is_stopping$is_cut_off" ] || kill -TERM "$app" 2>/dev/null
await "$app"
code=$?
if [ -n "$is_cut_off" ]; then
  say "tailscaled ended by itself"
  [ "$code" -ne 0 ] || code=1
fi
leave_tailnet
exit "$code"
