#!/bin/bash
# Brings the catalogues of web/pages/locale up to the texts in the sources: new ones come in empty, those that are gone go
# out, nothing is guessed, and what is translated stays. tests/unit/web/test_catalogues.py says what is still empty.
#   words.sh PYBABEL
set -euo pipefail
cd "$(dirname "$0")/.."
pybabel=$1
texts=$(mktemp)
trap 'rm -f "$texts"' EXIT
"$pybabel" --quiet extract --mapping babel.cfg --keyword text --no-location --sort-output --omit-header --output "$texts" .
for catalogue in web/pages/locale/*.po; do
    "$pybabel" --quiet update --input-file "$texts" --output-file "$catalogue" --locale "$(basename "$catalogue" .po)" \
        --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 120
    # Who translated what, and when, is in the history.
    sed -i -E -e '/^"(Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By):/d' \
        -e 's/^"Project-Id-Version:  /"Project-Id-Version: /' -e '${/^$/d}' "$catalogue"
done
