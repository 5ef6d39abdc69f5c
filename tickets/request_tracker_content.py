"""A file out of Request Tracker's answer: base64 in JSON, read as it comes, so that a big one takes no memory.

Within JSON a quotation mark inside of a text is always escaped: ``"Content":`` with bare ones can only be the name of
the field, whatever stands in the others.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator

from domain.errors import DeskUnavailable

_BEGINNING = re.compile(rb'"Content"\s*:\s*(")?')
_LONGEST = 256 << 10
"""Bytes of an answer without a content that are looked through at a time: header fields of mail are among them."""
_ESCAPED = re.compile(rb"\\[nr]|\\(?=/)")


def content(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of a file; nothing for one without any. Raises DeskUnavailable for an answer that is none or breaks
    off."""
    held = b""
    for piece in pieces:
        held += piece
        found = _BEGINNING.search(held)
        if found is not None and found.end() < len(held):
            if found[1] is None:  # null: an empty one
                return
            yield from _decoded(held[found.end() :], pieces)
            return
        held = held if len(held) <= _LONGEST else held[-64:]


def _decoded(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    while True:
        text, end, _ = held.partition(b'"')
        # An escape may be cut in two.
        text, kept = (text[:-1], b"\\") if not end and text.endswith(b"\\") else (text, b"")
        rest += _ESCAPED.sub(b"", text)
        whole = len(rest) if end else len(rest) - len(rest) % 4
        try:
            decoded = b64decode(rest[:whole], validate=True)
        except Error as error:
            raise DeskUnavailable("Request Tracker's answer is no file.") from error
        rest = rest[whole:]
        if decoded:
            yield decoded
        if end:
            return
        more = next(pieces, None)
        if more is None:
            raise DeskUnavailable("Request Tracker's answer broke off.")
        held = kept + more
