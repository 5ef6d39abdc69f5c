#!/bin/bash
# S3 by Ceph's RADOS gateways on loopback: one monitor, storage daemons (OSDs) and gateways, all on this machine.
#   ceph.sh start|stop|running|env
#   ceph.sh crash|freeze|thaw osd|gateway N     one daemon, counted from 0; start brings back what was crashed
#   ceph.sh admin ARGUMENTS…                    radosgw-admin, as in "gc process"
# CEPH_PORT      gateway N listens on this one plus N (7480); the inner ports are 20 to 219 above it
# CEPH_GATEWAYS  how many gateways (2)
# CEPH_OSDS      how many OSDs (1)
# CEPH_REPLICAS  in how many OSDs an object is kept (1); one fewer is enough to go on
# CEPH_GB        how large each may grow (16); its file is sparse
# DATA           its folder
. "$(dirname "$0")/engine.sh"
CEPH_PORT=${CEPH_PORT:-7480} CEPH_GATEWAYS=${CEPH_GATEWAYS:-2} CEPH_OSDS=${CEPH_OSDS:-1} CEPH_REPLICAS=${CEPH_REPLICAS:-1} CEPH_GB=${CEPH_GB:-16}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-ceph-$CEPH_PORT}
MONITOR=$((CEPH_PORT + 20))
SETTINGS=$DATA/ceph.conf
export CEPH_ARGS= # none of the machine's own

write_settings() {
    cat >"$SETTINGS" <<SETTINGS
[global]
fsid = $(cat "$DATA/fsid")
mon_host = [v2:127.0.0.1:$MONITOR]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_port_min = $((MONITOR + 1))
ms_bind_port_max = $((MONITOR + 199))
# Nobody but this machine reaches it. Without cephx there is no key for a secured session with the monitor, which
# gateways would otherwise ask for, for ever.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
keyring = /dev/null
run_dir = $DATA
admin_socket = $DATA/\$name.socket
pid_file = $DATA/\$name.own-pid
log_file = $DATA/\$name.log
crash_dir = $DATA
osd_pool_default_size = $CEPH_REPLICAS
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
# OSDs are the machines here.
osd_crush_chooseleaf_type = 0
mon_osd_reporter_subtree_level = osd
mon_osd_min_down_reporters = 1
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
[mon]
mon_data = $DATA/monitor
mon_cluster_log_file = $DATA/cluster.log
mon_data_avail_warn = 2
mon_data_avail_crit = 1
# A lost OSD is noticed within seconds, not minutes.
mon_osd_adjust_heartbeat_grace = false
paxos_propose_interval = 0.1
paxos_min_wait = 0.01
[osd]
osd_data = $DATA/osd\$id
bluestore_block_size = $((CEPH_GB << 30))
bluestore_block_db_create = false
bluestore_block_wal_create = false
osd_memory_target = 939524096
osd_heartbeat_interval = 2
osd_heartbeat_grace = 6
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
[client]
# What an OSD that comes back missed is sent anew within a second or two.
ms_max_backoff = 1
objecter_tick_interval = 1
objecter_timeout = 2
rgw_thread_pool_size = 64
rgw_gc_obj_min_wait = 10
rgw_gc_processor_period = 10
SETTINGS
}

admin() { timeout 60 radosgw-admin --conf="$SETTINGS" --name=client.admin "$@"; }
for_each() { local i; for ((i = 0; i < $1; i++)); do "$2" "$i"; done; }
quiet() { "$@" >"$DATA/made.out" 2>&1 || { tail -n 5 "$DATA/made.out" >&2; die "$1 failed"; }; }

make_monitor() {
    mkdir -p "$DATA/monitor"
    cat /proc/sys/kernel/random/uuid >"$DATA/fsid"
    write_settings
    quiet monmaptool --create --clobber --fsid "$(cat "$DATA/fsid")" --addv a "[v2:127.0.0.1:$MONITOR]" "$DATA/monitors"
    quiet ceph-mon --conf="$SETTINGS" --id=a --mkfs --monmap="$DATA/monitors"
}

name_osd() { mkdir -p "$DATA/osd$1" && cat /proc/sys/kernel/random/uuid >"$DATA/osd$1.id"; }
make_osd() {
    ceph-osd --conf="$SETTINGS" --id="$1" --mkfs --no-mon-config --osd-uuid="$(cat "$DATA/osd$1.id")" >"$DATA/osd$1.out" 2>&1 ||
        { tail -n 5 "$DATA/osd$1.out" >&2; die "ceph-osd --mkfs failed"; }
}

# OSDs are made known and pools are made by one client that reads its commands; a client each would take half a second each.
make_pools() {
    local i pool
    {
        for ((i = 0; i < CEPH_OSDS; i++)); do echo "osd new $(cat "$DATA/osd$i.id") $i"; done
        for pool in .rgw.root default.rgw.log default.rgw.control default.rgw.meta default.rgw.buckets.index default.rgw.buckets.data default.rgw.buckets.non-ec; do
            echo "osd pool create $pool 4 4"
            echo "osd pool application enable $pool rgw"
        done
    } | timeout 30 ceph --conf="$SETTINGS" --connect-timeout 10 >"$DATA/pools.out" 2>&1
}

launch_osd() { running "osd$1" || launch "osd$1" ceph-osd --conf="$SETTINGS" --id="$1" -f; }
launch_gateway() {
    # Without tcp_nodelay many answers wait 40 ms for an acknowledgement.
    running "gateway$1" || launch "gateway$1" radosgw --conf="$SETTINGS" --name="client.gateway$1" -f \
        --rgw-frontends="beast endpoint=127.0.0.1:$((CEPH_PORT + $1)) tcp_nodelay=1"
}
await_gateway() { until_ready "gateway$1" 60 answers "http://127.0.0.1:$((CEPH_PORT + $1))/"; }

make() {
    local pids=() i
    for_each "$CEPH_OSDS" name_osd
    for ((i = 0; i < CEPH_OSDS; i++)); do make_osd "$i" & pids+=($!); done
    make_pools
    for i in "${pids[@]}"; do wait "$i"; done
    for_each "$CEPH_OSDS" launch_osd
    quiet admin user create --uid=bilaga --display-name=Bilaga --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY"
    touch "$DATA/made"
}

start() {
    local needed
    for needed in radosgw ceph-mon ceph-osd ceph; do
        command -v "$needed" >/dev/null || die "$needed is missing: services/packages.sh test"
    done
    mkdir -p "$DATA"
    [ -e "$DATA/monitor/kv_backend" ] || make_monitor
    running monitor || launch monitor ceph-mon --conf="$SETTINGS" --id=a -f
    until_ready monitor 30 listening "$MONITOR"
    [ -e "$DATA/made" ] || make
    for_each "$CEPH_OSDS" launch_osd
    for_each "$CEPH_GATEWAYS" launch_gateway
    for_each "$CEPH_GATEWAYS" await_gateway
    # What an OSD that came back holds is not there at once.
    until_ready monitor 60 timeout 20 rados --conf="$SETTINGS" --pool=default.rgw.buckets.index ls
    print_env
}

stop() {
    local name
    # Nothing is kept, so nothing need be drained.
    for name in "$DATA"/gateway*.pid "$DATA"/osd*.pid "$DATA"/monitor.pid; do
        [ ! -e "$name" ] || crash "$(basename "$name" .pid)"
    done
    rm -rf "$DATA"
}

print_env() {
    echo "TEST_CEPH_URL=http://127.0.0.1:$CEPH_PORT"
    [ "$CEPH_GATEWAYS" -lt 2 ] || echo "TEST_CEPH_URL_2=http://127.0.0.1:$((CEPH_PORT + 1))"
    print_keys
}

case ${1:-} in
start) start ;;
stop) stop ;;
running) running monitor ;;
env) print_env ;;
crash | freeze | thaw) "$1" "${2:?osd or gateway}${3:?number}" ;;
admin) admin "${@:2}" ;;
*) die "usage: $0 start|stop|running|env|crash|freeze|thaw|admin" ;;
esac
