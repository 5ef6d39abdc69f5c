"""Transfer encodings undone as the bytes come (RFC 2045, section 6). Never an error: what is malformed is skipped, as
mail programs do it."""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable, Iterator

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(sorted(set(range(256)) - set(_BASE64) - {ord("=")}))
_PADDING = re.compile(rb"=+")
_LINE_MAX = 1 << 20
"""A quoted-printable line that is longer is decoded in pieces."""


def decoded(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """The bytes behind an encoding; of one that nobody knows, the bytes as they are."""
    if coding == "base64":
        return _base64(chunks)
    if coding == "quoted-printable":
        return _quoted(chunks)
    return iter(chunks)


def _base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        # Padding in the middle: two texts one after the other, each is decoded for itself.
        text = rest + chunk.translate(None, _OTHERS)
        *whole, rest = _PADDING.split(text) if b"=" in text else (text,)
        cut = len(rest) - len(rest) % 4
        piece = b"".join([*map(_group, whole), a2b_base64(rest[:cut])])
        rest = rest[cut:]
        if piece:
            yield piece
    if piece := _group(rest):
        yield piece


def _group(text: bytes) -> bytes:
    """A text of base64 without its padding; a single character left over means nothing."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return a2b_base64(text + b"=" * (-len(text) % 4))


def _quoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        rest += chunk
        cut = rest.rfind(b"\n") + 1
        if cut == 0 and len(rest) > _LINE_MAX:
            cut = len(rest) - 3  # not through an escape
        piece, rest = a2b_qp(rest[:cut]), rest[cut:]
        if piece:
            yield piece
    if rest:
        yield a2b_qp(rest)
