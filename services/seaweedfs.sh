#!/bin/bash
# S3 by SeaweedFS on loopback: a second store beside Ceph, of another make.
#   seaweedfs.sh start|stop|running|env
#   seaweedfs.sh crash|freeze|thaw    start brings back what was crashed
# SEAWEEDFS_PORT  S3 listens here (8333); the inner ports are the seven above it
# DATA            its folder
. "$(dirname "$0")/engine.sh"
SEAWEEDFS_PORT=${SEAWEEDFS_PORT:-8333}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-seaweedfs-$SEAWEEDFS_PORT}
INNER=$((SEAWEEDFS_PORT + 1))

ready() { answers "http://127.0.0.1:$SEAWEEDFS_PORT/healthz" && answers "http://127.0.0.1:$INNER/dir/assign"; }

start() {
    if ! running seaweedfs; then
        local weed; weed=$(program weed)
        mkdir -p "$DATA/volumes"
        cat >"$DATA/accounts.json" <<ACCOUNTS
{"identities": [{"name": "bilaga", "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
ACCOUNTS
        # It keeps files of its own in the home folder and where it is started; its gates for lakes of tables stay shut.
        cd "$DATA"
        HOME=$DATA launch seaweedfs "$weed" -logtostderr server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$DATA/volumes" \
            -master.port="$INNER" -volume.port=$((INNER + 1)) -filer -filer.port=$((INNER + 2)) \
            -master.port.grpc=$((INNER + 3)) -volume.port.grpc=$((INNER + 4)) -filer.port.grpc=$((INNER + 5)) -s3.port.grpc=$((INNER + 6)) \
            -master.volumeSizeLimitMB=512 -volume.max=300 -s3 -s3.port="$SEAWEEDFS_PORT" -s3.config="$DATA/accounts.json" \
            -s3.port.iceberg=0 -s3.port.lance=0 -filer.localSocket="$DATA/filer.socket" -s3.localSocket="$DATA/s3.socket"
    fi
    until_ready seaweedfs 60 ready
    print_env
}

print_env() {
    echo "TEST_SEAWEEDFS_URL=http://127.0.0.1:$SEAWEEDFS_PORT"
    print_keys
}

stop() {
    local port
    crash seaweedfs # nothing is kept, so nothing need be drained
    rm -rf "$DATA"
    # Its inner sockets have their place, whatever it is told.
    for ((port = INNER + 3; port < INNER + 7; port++)); do rm -f /tmp/seaweedfs-*-grpc-"$port".sock; done
}

case ${1:-} in
start) start ;;
stop) stop ;;
running) running seaweedfs ;;
env) print_env ;;
crash | freeze | thaw) "$1" seaweedfs ;;
*) die "usage: $0 start|stop|running|env|crash|freeze|thaw" ;;
esac
