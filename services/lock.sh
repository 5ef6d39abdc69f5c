#!/bin/bash
# Writes requirements/run.txt and requirements/dev.txt from pyproject.toml: exact versions with hashes, no hosts, no paths.
#   lock.sh UV [--upgrade]
# Without --upgrade the versions that are locked stay, as long as pyproject.toml allows them.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1; shift
compile=("$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links)
"${compile[@]}" "$@" --extra build --output-file requirements/run.txt
"${compile[@]}" "$@" --extra build --extra dev --constraints requirements/run.txt --output-file requirements/dev.txt
