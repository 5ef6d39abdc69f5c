#!/bin/bash
# clamd on loopback with a signature database of a few lines, so that nothing is downloaded.
#   clamd.sh start|stop|running|env
# CLAMD_PORT  its TCP port (3310)
# DATA        its folder; the socket is $DATA/clamd.sock
# STREAM_MAX  what it takes in one stream (200M)
# It finds: the EICAR test file, any file with the text BILAGA-TEST-PATTERN-1, and any with both BILAGA-HALF-LEFT and
# BILAGA-HALF-RIGHT.
. "$(dirname "$0")/engine.sh"
CLAMD_PORT=${CLAMD_PORT:-3310} STREAM_MAX=${STREAM_MAX:-200M}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-clamd-$CLAMD_PORT}

hex() { printf %s "$1" | od -An -tx1 -v | tr -d ' \n'; }

write_signatures() {
    # In hex, so that no scanner takes this script for the test file.
    local eicar=58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a
    mkdir -p "$DATA/signatures"
    # name:target (0 any):offset (* anywhere):hex
    cat >"$DATA/signatures/bilaga.ndb" <<SIGNATURES
Eicar-Test-Signature:0:*:$eicar
Bilaga.Test.Pattern1:0:*:$(hex BILAGA-TEST-PATTERN-1)
SIGNATURES
    # name;engine and target;expression;subsignature 0;subsignature 1
    cat >"$DATA/signatures/bilaga.ldb" <<SIGNATURES
Bilaga.Test.Pair;Engine:51-255,Target:0;0&1;$(hex BILAGA-HALF-LEFT);$(hex BILAGA-HALF-RIGHT)
SIGNATURES
}

write_settings() {
    mkdir -p "$DATA/scratch"
    cat >"$DATA/clamd.conf" <<SETTINGS
Foreground yes
TCPAddr 127.0.0.1
TCPSocket $CLAMD_PORT
LocalSocket $DATA/clamd.sock
LocalSocketMode 666
FixStaleSocket yes
DatabaseDirectory $DATA/signatures
TemporaryDirectory $DATA/scratch
StreamMaxLength $STREAM_MAX
MaxFileSize $STREAM_MAX
MaxScanSize $STREAM_MAX
# What was not scanned to its end is not clean.
AlertExceedsMax yes
AlertEncrypted yes
MaxThreads 4
ReadTimeout 30
CommandReadTimeout 10
SelfCheck 0
SETTINGS
    # clamd started by root goes on as the account of its package.
    [ "$(id -u)" != 0 ] || { echo "User clamav" >>"$DATA/clamd.conf"; chown -R clamav: "$DATA"; }
}

ping() ( # in a shell of its own, which a refused connection ends
    exec 3<>"/dev/tcp/127.0.0.1/$CLAMD_PORT"
    printf 'zPING\0' >&3
    IFS= read -r -t 2 -d '' answer <&3
    [ "$answer" = PONG ]
)

start() {
    if ! running clamd; then
        command -v clamd >/dev/null || die "clamd is missing: services/packages.sh test"
        mkdir -p "$DATA"
        write_signatures
        write_settings
        launch clamd clamd --config-file="$DATA/clamd.conf"
    fi
    until_ready clamd 60 ping
    print_env
}

print_env() {
    echo "TEST_CLAMD_URL=tcp://127.0.0.1:$CLAMD_PORT"
    echo "TEST_CLAMD_SOCKET_URL=unix:$DATA/clamd.sock"
}

case ${1:-} in
start) start ;;
stop) finish clamd 10; rm -rf "$DATA" ;;
running) running clamd ;;
env) print_env ;;
*) die "usage: $0 start|stop|running|env" ;;
esac
