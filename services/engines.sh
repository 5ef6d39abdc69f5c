#!/bin/bash
# All engines that tests talk to, side by side.
#   engines.sh start            starts them, prints NAME=value lines that tell where they are
#   engines.sh stop             stops them and removes what they kept
#   engines.sh around COMMAND…  the command with those names in its environment; stops what it started, keeps what ran
set -euo pipefail
engines=(ceph clamd moto openbao postfix postgres request-tracker seaweedfs)
here=$(dirname "$0")

# each ACTION NAME…: on all of them at once; what they print, each line once. Fails if one of them does.
each() {
    local action=$1 e failed='' out; shift
    out=$(mktemp -d)
    declare -A jobs=()
    for e in "$@"; do "$here/$e.sh" "$action" >"$out/$e" & jobs[$e]=$!; done
    for e in "$@"; do wait "${jobs[$e]}" || failed+=" $e"; done
    cat "$out"/* | sort -u
    rm -rf "$out"
    [ -z "$failed" ] || { echo "error: engines that did not $action:$failed" >&2; return 1; }
}

case ${1:-} in
start | stop) each "$1" "${engines[@]}" ;;
around)
    shift
    idle=()
    for e in "${engines[@]}"; do "$here/$e.sh" running || idle+=("$e"); done
    trap '[ ${#idle[@]} = 0 ] || each stop "${idle[@]}"' EXIT
    lines=$(each start "${engines[@]}")
    while read -r line; do export "${line?}"; done <<<"$lines"
    "$@"
    ;;
*) echo "usage: $0 start|stop|around COMMAND…" >&2; exit 2 ;;
esac
