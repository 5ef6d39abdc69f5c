"""``Range`` and ``If-Range`` (RFC 9110 §13.1.5, §14; S-56): one range of bytes or nothing, parsed strictly.

aiohttp's ``http_range`` makes the whole file of ``bytes=-0`` and raises on lists: the header's own text is read here.
"""

from __future__ import annotations

import re

from domain.errors import RangeNotSatisfiable

# The unit's name is case-insensitive (§14.1); OWS may stand around the list's elements (§5.6.1), nowhere else.
_ONE_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))[ \t]*", re.IGNORECASE | re.ASCII)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The wanted bytes ``start, stop`` (stop exclusive) of ``size``; None: the header is to be ignored.

    Ignored are other units, several ranges, and everything malformed, a first position after the last one included
    (RFC 9110 §14.1.1: such a range is invalid). Raises RangeNotSatisfiable for a suffix of 0 and for a start at or
    past the end.
    """
    match = _ONE_RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        wanted = int(suffix)
        if wanted == 0 or size == 0:
            raise RangeNotSatisfiable(size=size)
        return max(0, size - wanted), size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size=size)
    return start, min(size, int(last) + 1) if last else size


def select(range_header: str | None, if_range: str | None, *, size: int, etag: str) -> tuple[int, int] | None:
    """The range that a GET asks for, ``If-Range`` honoured; None: the whole.

    Only our own strong entity tag makes a range conditional on it hold (RFC 9110 §13.1.5: a weak tag never matches;
    a date does not either, since no ``Last-Modified`` is sent).
    """
    if range_header is None:
        return None
    if if_range is not None and if_range.strip(" \t") != etag:
        return None
    return parse_range(range_header, size)
