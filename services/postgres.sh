#!/bin/bash
# PostgreSQL on loopback, of the newest version that is installed.
#   postgres.sh start|stop|running|env
#   postgres.sh crash           kills every process of it at once; start recovers from its log
#   postgres.sh freeze|thaw     it hangs, and goes on
# POSTGRES_PORT      its TCP port (54320)
# POSTGRES_SETTINGS  settings in words, as in "fsync=off work_mem=8MB"; without them nothing that makes a commit durable is off
# DATA               its folder: in memory where there is room
# Over TCP a password is asked for; the account is a superuser, so that every test can make a database of its own.
. "$(dirname "$0")/engine.sh"
POSTGRES_PORT=${POSTGRES_PORT:-54320} POSTGRES_SETTINGS=${POSTGRES_SETTINGS:-}

roomy() { [ -w /dev/shm ] && [ "$(df --output=avail /dev/shm | tail -n 1)" -gt 2000000 ]; }
DATA=${DATA:-$(if roomy; then echo /dev/shm; else echo "${TMPDIR:-/tmp}"; fi)/bilaga-postgres-$POSTGRES_PORT}
PASSWORD=bilaga-tests-password
PROGRAMS=$(compgen -G "/usr/lib/postgresql/*/bin" | sort -V | tail -n 1 || true)

# It refuses to run as root: then the account of its package runs it.
as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --init-groups -- "$@"; else "$@"; fi; }

make_cluster() {
    mkdir -p "$DATA/socket" "$DATA/cluster"
    chmod 700 "$DATA/cluster"
    printf %s "$PASSWORD" >"$DATA/password"
    [ "$(id -u)" != 0 ] || chown -R postgres "$DATA"
    as_owner "$PROGRAMS/initdb" --pgdata="$DATA/cluster" --username=bilaga --encoding=UTF8 --locale=C.UTF-8 --no-sync \
        --auth-local=trust --auth-host=scram-sha-256 --pwfile="$DATA/password" >"$DATA/postgres.out" 2>&1 ||
        { tail -n 5 "$DATA/postgres.out" >&2; die "initdb failed"; }
}

start() {
    local word settings=()
    if ! running postgres; then
        [ -x "$PROGRAMS/postgres" ] || die "postgresql is missing: services/packages.sh test"
        [ -e "$DATA/cluster/PG_VERSION" ] || make_cluster
        # A server that was killed may stay behind as a zombie, which the next one would take for alive.
        rm -f "$DATA/cluster/postmaster.pid" "$DATA"/socket/.s.*
        # shellcheck disable=SC2086
        for word in listen_addresses=127.0.0.1 port="$POSTGRES_PORT" unix_socket_directories="$DATA/socket" max_connections=200 \
            dynamic_shared_memory_type=mmap max_wal_size=256MB log_checkpoints=off autovacuum_naptime=10s $POSTGRES_SETTINGS; do
            settings+=(-c "$word")
        done
        cd "$DATA"
        if [ "$(id -u)" = 0 ]; then
            launch postgres setpriv --reuid postgres --regid postgres --init-groups -- "$PROGRAMS/postgres" -D "$DATA/cluster" "${settings[@]}"
        else
            launch postgres "$PROGRAMS/postgres" -D "$DATA/cluster" "${settings[@]}"
        fi
    fi
    until_ready postgres 60 "$PROGRAMS/pg_isready" --host=127.0.0.1 --port="$POSTGRES_PORT"
    print_env
}

print_env() { echo "TEST_POSTGRES_URL=postgresql://bilaga:$PASSWORD@127.0.0.1:$POSTGRES_PORT/postgres"; }

case ${1:-} in
start) start ;;
stop) finish postgres 15 INT; rm -rf "$DATA" ;; # INT: at once, without waiting for those connected
running) running postgres ;;
env) print_env ;;
crash) crash postgres ;;
freeze | thaw) "$1" postgres ;;
*) die "usage: $0 start|stop|running|env|crash|freeze|thaw" ;;
esac
