#!/bin/bash
# Debian packages that Bilaga (run), its tests (test) and its comparison with others (bench) need: installs what is
# missing where it may, else names it.
#   packages.sh run|test|bench
set -euo pipefail

# PACKAGE:TEST, where the test tells whether what the package gives is there, from wherever it came.
run=(
    "libmagic1:library libmagic.so.1"
)
test=(
    "ceph-common:command ceph"
    "ceph-mon:command ceph-mon"
    "ceph-osd:command ceph-osd"
    "chromium:command chromium"
    "clamav-daemon:command clamd"
    "fonts-dejavu-core:font DejaVuSans.ttf"
    "fonts-noto-color-emoji:font NotoColorEmoji.ttf"
    "nginx-light:command nginx"
    "nodejs:command node"
    "npm:command npm"
    "postfix:command postfix"
    "postgresql:server postgres"
    "radosgw:command radosgw"
    "request-tracker5:command rt-setup-database-5"
    "rt5-db-sqlite:package rt5-db-sqlite"
    "rt5-standalone:package rt5-standalone"
    "strace:command strace"
)
bench=(
    "rclone:command rclone"
)

# clamd sits in /usr/sbin, which is not on everybody's path.
PATH=$PATH:/usr/sbin:/sbin
has() {
    case $1 in
    command) command -v "$2" >/dev/null ;;
    library) ldconfig -p | grep "$2" >/dev/null ;; # to the end: with -q ldconfig would die of a broken pipe at times
    server) compgen -G "/usr/lib/postgresql/*/bin/$2" >/dev/null ;;
    package) dpkg-query --show --showformat '${db:Status-Status}' "$2" 2>/dev/null | grep -x installed >/dev/null ;;
    font) [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name "$2" 2>/dev/null)" ] ;;
    esac
}

missing() {
    local row
    for row in "${wanted[@]}"; do
        # shellcheck disable=SC2086
        has ${row#*:} || echo "${row%%:*}"
    done
}

case ${1:-} in
run) wanted=("${run[@]}") ;;
test) wanted=("${run[@]}" "${test[@]}") ;;
bench) wanted=("${run[@]}" "${test[@]}" "${bench[@]}") ;;
*) echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

names=$(missing)
[ -n "$names" ] || exit 0
names=${names//$'\n'/ }
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: these Debian packages are missing: $names (as root: apt-get install $names)" >&2
    exit 1
fi

echo "installing Debian packages: $names"
# While this file is there, packages do not start their daemons: tests start their own, on loopback.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
# Postfix asks what it is for, and Request Tracker for a database; the tests write their configurations themselves.
! command -v debconf-set-selections >/dev/null || debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select No configuration
request-tracker5 request-tracker5/dbconfig-install boolean false
request-tracker5 request-tracker5/rtname string bilaga.test
request-tracker5 request-tracker5/webbaseurl string http://127.0.0.1
ANSWERS
out=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y -o DPkg::Lock::Timeout=300 --no-install-recommends $names; } >"$out" 2>&1; then
    tail -n 20 "$out" >&2
    echo "error: apt-get install $names failed" >&2
    exit 1
fi
rm -f "$out"
