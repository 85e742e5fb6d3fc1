#!/bin/sh
# Counts what leaves this machine in a calendar month (UTC, as Google bills) and stops the news before the free
# gigabyte is used up; the sentinel, which needs little, goes on. The interface's counter starts anew at each
# boot and counts packets to Google's own services, too: it errs on the safe side.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
limit_bytes=${TICKHUB_EGRESS_LIMIT_BYTES:-900000000}
month=$(date -u +%Y-%m)

# The interface that the default route uses.
interface=$(awk '$2 == "00000000" { print $1; exit }' "$root/proc/net/route")
counter=$(cat "$root/sys/class/net/$interface/statistics/tx_bytes")

# Of the file: the month, its bytes so far, and the counter's reading then.
known_month=$month sent=0 seen=$counter
if [ -s "$state/egress" ]; then read -r known_month sent seen <"$state/egress"; fi
if [ "$counter" -lt "$seen" ]; then seen=0; fi
fresh=$((counter - seen))
if [ "$known_month" != "$month" ]; then sent=0; fi
sent=$((sent + fresh))
printf '%s %s %s\n' "$month" "$sent" "$counter" | put "$state/egress" 644

if [ "$sent" -ge "$limit_bytes" ]; then
  [ -e "$state/egress-stopped" ] || say "$sent bytes have left in $month, the limit is $limit_bytes: no news until the month is over"
  : >"$state/egress-stopped"
  # At every turn, because a boot starts it again.
  systemctl stop tickhub@news.service
elif [ -e "$state/egress-stopped" ]; then
  say "a new month: the news starts again"
  rm "$state/egress-stopped"
  systemctl start tickhub@news.service
fi
