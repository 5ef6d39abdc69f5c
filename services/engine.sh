# What every engine's script stands on; sourced, not run. $DATA is the engine's folder.
# Loopback only; a process is ended by the id that its start wrote down, never by its name; start is idempotent and
# comes back when the engine answers.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

die() { echo "error: $*" >&2; exit 1; }

# running NAME: whether the process that start wrote down still runs (a zombie does not).
running() {
    local pid
    pid=$(cat "$DATA/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null
}

# launch NAME COMMAND…: in the background, in a session of its own, with its output in $DATA/NAME.out.
launch() {
    local name=$1; shift
    setsid "$@" >>"$DATA/$name.out" 2>&1 </dev/null &
    echo $! >"$DATA/$name.pid"
}

# until_ready NAME SECONDS COMMAND…: polls until the command succeeds; gives up at once if the engine has ended.
until_ready() {
    local name=$1 tries=$(($2 * 10)); shift 2
    while ! "$@" >/dev/null 2>&1; do
        running "$name" || { tail -n 5 "$DATA/$name.out" >&2; die "$name ended by itself"; }
        [ $((tries -= 1)) -gt 0 ] || die "$name is not ready, see $DATA/$name.out"
        sleep 0.1
    done
}

# finish NAME SECONDS: asks it to end, and ends it when the time is over.
finish() {
    local pid tries=$(($2 * 10))
    running "$1" || { rm -f "$DATA/$1.pid"; return 0; }
    pid=$(cat "$DATA/$1.pid")
    kill "$pid"
    while running "$1" && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
    running "$1" && kill -KILL -- "-$pid"
    rm -f "$DATA/$1.pid"
}
