#!/bin/bash
# All engines that tests talk to.
#   engines.sh start            starts them, prints NAME=value lines that tell where they are
#   engines.sh stop             stops them and removes what they kept
#   engines.sh around COMMAND…  the command with those names in its environment; stops what it started, keeps what ran
set -euo pipefail
engines=(clamd)
here=$(dirname "$0")

each() { local e; for e in "${engines[@]}"; do "$here/$e.sh" "$1"; done; }

case ${1:-} in
start | stop) each "$1" ;;
around)
    shift
    started=()
    trap 'for e in "${started[@]}"; do "$here/$e.sh" stop; done' EXIT
    for e in "${engines[@]}"; do
        "$here/$e.sh" running || started+=("$e")
        lines=$("$here/$e.sh" start)
        while read -r line; do export "${line?}"; done <<<"$lines"
    done
    "$@"
    ;;
*) echo "usage: $0 start|stop|around COMMAND…" >&2; exit 2 ;;
esac
