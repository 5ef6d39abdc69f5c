#!/bin/bash
# OpenBao, the open branch of Vault, as a key manager on loopback: its transit engine, all in memory, unsealed.
#   openbao.sh start|stop|running|env
#   openbao.sh freeze|thaw    it hangs, and goes on
# OPENBAO_PORT  it listens here (8200)
# DATA          its folder
# Every test makes a transit key of its own. What it forgets at its end is gone, keys and all.
. "$(dirname "$0")/engine.sh"
OPENBAO_PORT=${OPENBAO_PORT:-8200}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-openbao-$OPENBAO_PORT}
URL=http://127.0.0.1:$OPENBAO_PORT
TOKEN=bilaga-tests-root

mount_transit() {
    curl --silent --show-error --fail-with-body --noproxy '*' --header "X-Vault-Token: $TOKEN" \
        --data '{"type": "transit"}' "$URL/v1/sys/mounts/transit"
}

start() {
    if ! running openbao; then
        local bao; bao=$(program bao)
        mkdir -p "$DATA"
        # Its home is not the one of whoever runs the tests: that one may hold a token.
        HOME=$DATA launch openbao "$bao" server -dev -dev-no-store-token -dev-root-token-id="$TOKEN" -dev-listen-address="127.0.0.1:$OPENBAO_PORT"
        until_ready openbao 60 answers "$URL/v1/sys/health"
        mount_transit >"$DATA/mount.out" || die "transit: $(cat "$DATA/mount.out")"
    fi
    until_ready openbao 60 answers "$URL/v1/sys/health"
    print_env
}

print_env() {
    echo "TEST_OPENBAO_URL=$URL"
    echo "TEST_OPENBAO_TOKEN=$TOKEN"
}

case ${1:-} in
start) start ;;
stop) crash openbao; rm -rf "$DATA" ;;
running) running openbao ;;
env) print_env ;;
freeze | thaw) "$1" openbao ;;
*) die "usage: $0 start|stop|running|env|freeze|thaw" ;;
esac
