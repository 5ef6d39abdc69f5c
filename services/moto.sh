#!/bin/bash
# moto's server on loopback: stands in for AWS (S3 and KMS), of which there is no other to be had.
#   moto.sh start|stop|running|env
# MOTO_PORT  it listens here (5555)
# DATA       its folder
# It is lenient: disabled keys still open, any secret key is taken. It is never the only proof of a refusal.
. "$(dirname "$0")/engine.sh"
MOTO_PORT=${MOTO_PORT:-5555}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-moto-$MOTO_PORT}

start() {
    if ! running moto; then
        local server; server=$(program moto_server)
        mkdir -p "$DATA"
        launch moto "$server" --host=127.0.0.1 --port="$MOTO_PORT"
    fi
    until_ready moto 60 answers "http://127.0.0.1:$MOTO_PORT/moto-api/data.json"
    print_env
}

print_env() {
    echo "TEST_MOTO_URL=http://127.0.0.1:$MOTO_PORT"
    print_keys
}

case ${1:-} in
start) start ;;
stop) crash moto; rm -rf "$DATA" ;;
running) running moto ;;
env) print_env ;;
freeze | thaw) "$1" moto ;;
*) die "usage: $0 start|stop|running|env|freeze|thaw" ;;
esac
