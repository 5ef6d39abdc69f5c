#!/bin/bash
# Postfix on loopback, with a queue and a configuration of its own, in front of a listener of ours.
#   postfix.sh start|stop|running|env|queue|flush
# POSTFIX_PORT    where it listens (2525)
# DOOR_PORT       where it hands mail for bilaga.test on, by LMTP (20024); mail for sink.test is thrown away
# DATA            its folder
# The listener's part of the configuration is deploy/postfix/main.cf, as an operator has it.
. "$(dirname "$0")/engine.sh"
POSTFIX_PORT=${POSTFIX_PORT:-2525} DOOR_PORT=${DOOR_PORT:-20024}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-postfix-$POSTFIX_PORT}
SAMPLE=$(readlink -f "$(dirname "$0")/../deploy/postfix")

write_settings() {
    mkdir -p "$DATA"/{etc,queue,lib,log}
    chown postfix "$DATA/lib"
    chmod 755 "$DATA" "$DATA/log"
    {
        cat "$SAMPLE/main.cf"
        # What a machine of its own would have, and quick retries: what was put off comes again within seconds.
        cat <<SETTINGS
compatibility_level = 3.6
queue_directory = $DATA/queue
data_directory = $DATA/lib
maillog_file = $DATA/log/postfix.log
maillog_file_prefixes = $DATA
myhostname = mx.bilaga.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# Whoever sends in a test is a stranger: the rules of the sample hold for him.
mynetworks = 192.0.2.0/24
address_verify_poll_delay = 1s
mydestination =
alias_maps =
local_recipient_maps =
relay_domains = bilaga.test, sink.test
transport_maps = inline:{ {bilaga.test = lmtp:inet:127.0.0.1:$DOOR_PORT}, {sink.test = discard:} }
default_transport = error:5.1.2 only domains for tests here
smtpd_relay_restrictions = reject_unauth_destination
disable_dns_lookups = yes
smtp_dns_support_level = disabled
minimal_backoff_time = 1s
maximal_backoff_time = 3s
queue_run_delay = 1s
transport_retry_time = 1s
lmtp_connect_timeout = 3s
bounce_queue_lifetime = 0
SETTINGS
    } >"$DATA/etc/main.cf"
    cat >"$DATA/etc/master.cf" <<SERVICES
127.0.0.1:$POSTFIX_PORT inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
SERVICES
}

start() {
    if [ "$(id -u)" != 0 ]; then
        echo "note: Postfix starts for root alone; the test that needs it will say that it is missing" >&2
        exit 0
    fi
    if ! running postfix; then
        command -v postfix >/dev/null || die "postfix is missing: services/packages.sh test"
        write_settings
        export MAIL_CONFIG=$DATA/etc
        postfix check >>"$DATA/postfix.out" 2>&1 || true # lays out the queue
        # -s: in the foreground, as the process that start writes down.
        launch postfix "$(postconf -dh daemon_directory)/master" -s
    fi
    until_ready postfix 30 listening "$POSTFIX_PORT"
    print_env
}

print_env() { echo "TEST_POSTFIX=127.0.0.1:$POSTFIX_PORT"; echo "TEST_POSTFIX_DOOR=lmtp://127.0.0.1:$DOOR_PORT"; }

case ${1:-} in
start) start ;;
stop) finish postfix 10; rm -rf "$DATA" ;;
running) running postfix ;;
env) print_env ;;
queue) postqueue -c "$DATA/etc" -p ;;
flush) postqueue -c "$DATA/etc" -f ;;
*) die "usage: $0 start|stop|running|env|queue|flush" ;;
esac
