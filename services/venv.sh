#!/bin/bash
# Makes a virtual environment what the lock says, and installs the project into it, editable.
#   venv.sh FOLDER run|dev
# Fast when nothing changed: the environment remembers a digest of what it was made from. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 kind=$2

die() { echo "error: $*" >&2; exit 1; }

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local p
    for p in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14}; do
        if recent "$p"; then echo "$p"; return; fi
    done
    die "no Python 3.11 or newer found; install python3 or set PYTHON"
}

make_venv() {
    local python; python=$(find_python)
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # Debian without python3-venv: the system's pip works on the environment from outside (see below).
        "$python" -m venv --without-pip "$venv"
    else
        die "python3-venv is missing (as root: apt-get install python3-venv)"
    fi
}

digest() { cat "requirements/$1.txt" pyproject.toml services/venv.sh | sha256sum | cut -d ' ' -f 1; }

current() { [ "$(cat "$venv/.bilaga-$1" 2>/dev/null)" = "$(digest "$1")" ]; }

recent "$venv/bin/python" || make_venv
# The larger set holds the smaller one, at the same versions.
if current dev || { [ "$kind" = run ] && current run; }; then exit 0; fi

echo "installing into $venv (requirements/$kind.txt)"
rm -f "$venv"/.bilaga-*
if [ -x "$venv/bin/pip" ]; then pip=("$venv/bin/python" -m pip); else pip=("$(find_python)" -m pip --python "$venv/bin/python"); fi
pip+=(--disable-pip-version-check --quiet --quiet) # errors only
# Wheels only: building an sdist would fetch build tools that no hash covers.
"${pip[@]}" install --require-hashes --no-deps --only-binary :all: -r "requirements/$kind.txt"
"${pip[@]}" install --no-deps --no-build-isolation --editable .
"${pip[@]}" check
digest "$kind" >"$venv/.bilaga-$kind"
