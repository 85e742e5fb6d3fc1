# shellcheck shell=sh
# Shared by the scripts of this machine; read with `.`, never run.
# shellcheck disable=SC2034
# TICKHUB_ROOT and TICKHUB_METADATA (tests) stand in for / and for the metadata server.
root=${TICKHUB_ROOT:-}
state=$root/var/lib/tickhub
run=$root/run/tickhub
metadata=${TICKHUB_METADATA:-http://metadata.google.internal/computeMetadata/v1}
secret_manager=${TICKHUB_SECRET_MANAGER:-https://secretmanager.googleapis.com/v1}

say() { echo "tickhub: $*" >&2; }

# attribute NAME: an attribute of the instance; fails where there is none.
attribute() { about "instance/attributes/$1"; }

# about PATH: of the metadata server, outside the attributes.
about() {
  curl --silent --show-error --fail --max-time 10 --header 'Metadata-Flavor: Google' "$metadata/$1"
}

# secret NAME: its latest version. The machine's token is asked for anew each time and is in no argument list.
secret() {
  token=$(about instance/service-accounts/default/token) || return 1
  token=$(printf '%s' "$token" | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')
  project=$(about project/project-id) || return 1
  answer=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --silent --show-error --fail --max-time 20 --retry 3 --config - \
      "$secret_manager/projects/$project/secrets/$1/versions/latest:access") || return 1
  printf '%s' "$answer" | sed -n 's/.*"data" *: *"\([^"]*\)".*/\1/p' | base64 --decode
}

# put FILE MODE: standard input becomes FILE, whole or not at all.
put() {
  (umask 077 && cat >"$1.new")
  chmod "$2" "$1.new"
  mv "$1.new" "$1"
}
