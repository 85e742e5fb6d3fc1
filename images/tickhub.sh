#!/bin/sh
# The command `tickhub` in both images; for `docker exec` too. Secrets come in a file, because a container's
# environment is shown by `docker inspect`; what is in the environment already counts more.
secrets=/run/secrets/tickhub
if [ -r "$secrets" ]; then
  exec node "--env-file=$secrets" /opt/tickhub/app/cli/main.ts "$@"
fi
exec node /opt/tickhub/app/cli/main.ts "$@"
