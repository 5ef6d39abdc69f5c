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

# family PID: the process and all that descends from it; an engine's workers may sit in sessions of their own.
family() {
    local child
    echo "$1"
    for child in $(pgrep -P "$1" || true); do family "$child"; done
}

# each_of NAME SIGNAL: to the process and its family at once.
each_of() {
    local pids
    running "$1" || return 0
    mapfile -t pids < <(family "$(cat "$DATA/$1.pid")")
    kill "-$2" "${pids[@]}" 2>/dev/null || true
}

# crash NAME: what a lost machine does to it. Comes back when all of it is gone.
crash() {
    local pids pid
    running "$1" || return 0
    mapfile -t pids < <(family "$(cat "$DATA/$1.pid")")
    kill -KILL "${pids[@]}" 2>/dev/null || true
    for pid in "${pids[@]}"; do
        while grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null; do sleep 0.02; done
    done
    rm -f "$DATA/$1.pid"
}

# freeze NAME, thaw NAME: a machine that hangs, and goes on.
freeze() { each_of "$1" STOP; }
thaw() { each_of "$1" CONT; }

# finish NAME SECONDS [SIGNAL]: asks it to end, and ends it when the time is over.
finish() {
    local tries=$(($2 * 20))
    running "$1" || { rm -f "$DATA/$1.pid"; return 0; }
    thaw "$1"
    kill "-${3:-TERM}" "$(cat "$DATA/$1.pid")"
    while running "$1" && [ $((tries -= 1)) -gt 0 ]; do sleep 0.05; done
    crash "$1"
    rm -f "$DATA/$1.pid"
}

# listening PORT: whether something does, on loopback.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# answers URL: whether what listens there speaks HTTP and is not in trouble.
answers() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$1"; }

# program NAME: where a program of the project's environment, else of the path, is. Scripts may be started from anywhere.
program() {
    local place here; here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
    for place in "${VIRTUAL_ENV:-}/bin/$1" "$here/../.venv/bin/$1" "$(command -v "$1" || true)"; do
        if [ -x "$place" ]; then readlink -f "$(dirname "$place")" | sed "s|\$|/$1|"; return; fi
    done
    die "$1 is missing: make install-dev"
}

# Whatever keys the person at the keyboard has stay out of it: the engines and the tests know this pair only.
S3_ACCESS_KEY=bilaga-tests S3_SECRET_KEY=bilaga-tests-secret
print_keys() {
    echo "AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY"
    echo "AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY"
    echo "AWS_DEFAULT_REGION=us-east-1"
    echo "AWS_EC2_METADATA_DISABLED=true"
}
