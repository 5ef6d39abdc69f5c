"""Multipart forms as a stream of events, bounded on every side and never spooled (S-29, S-43).

Framing is ``multipart``'s sans-IO parser. Not its strict mode, which refuses good uploads whose last line break comes
in a chunk of its own; what non-strict mode lets through (endless preamble or epilogue, nested forms) is refused here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from domain.errors import BadInput, TypeNotAllowed

MAX_PARTS = 20
MAX_HEADERS = 16
MAX_HEADER_BYTES = 8 << 10
MAX_AROUND = 1 << 10
"""Bytes allowed after the last boundary."""
MAX_BOUNDARY = 70
"""RFC 2046, section 5.1.1."""
MAX_FIELD = 4 << 10
"""Bytes of a part that is no file."""


_EXTENDED = re.compile(r""";\s*filename\*\s*=\s*"?([^;"]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part; ``filename`` None: a plain field. Names are as sent: data, not paths (S-44)."""

    name: str
    filename: str | bytes | None


Event = Part | bytes | bytearray | None
"""A part's head, some of its bytes, or None for its end."""


class _Opening:
    """Holds the first bytes until they cover the boundary: a form that begins with anything else is refused."""

    def __init__(self, boundary: str) -> None:
        self._wanted = (b"--" + boundary.encode(), b"\r\n--" + boundary.encode())
        self._held: bytearray | None = bytearray()

    def pass_on(self, chunk: bytes) -> bytes | bytearray:
        """What may go to the parser now. Raises BadInput."""
        if self._held is None:
            return chunk
        self._held += chunk
        if len(self._held) < len(self._wanted[1]):
            return b""
        if not self._held.startswith(self._wanted):
            raise BadInput("The form does not begin with its boundary.")
        passed, self._held = self._held, None
        return passed


class _Around:
    """Counts what stands in no part: between two parts there is a head at the most, after the last one next to nothing.

    The parser passes over what follows its end without a word, so the end is looked for here too.
    """

    def __init__(self, boundary: bytes) -> None:
        self._end = b"--" + boundary + b"--"
        self._before = b""
        self._ended = False
        self._bytes = 0

    def fed(self, chunk: bytes | bytearray, *, saw: bool, closed: bool) -> None:
        """The parser took a chunk and ``saw`` something of a part in it, the last part being ``closed`` at its end or
        not. Raises BadInput."""
        if self._ended or not saw:
            self._bytes += len(chunk)
        else:
            self._bytes = 0
        if closed and not self._ended:
            seen = self._before + bytes(chunk)
            at = seen.rfind(self._end)
            if at >= 0:
                self._ended = True
                self._bytes = len(seen) - at - len(self._end)
        self._before = (self._before + bytes(chunk[-len(self._end) :]))[-len(self._end) :]
        if self._bytes > MAX_AROUND + (0 if self._ended else MAX_HEADER_BYTES):
            raise BadInput("Something follows the end of the form.")


def _parser(content_type: str) -> tuple[PushMultipartParser, _Opening]:
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data":
        raise TypeNotAllowed("The body must be multipart/form-data.", field="Content-Type")
    if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise BadInput("The boundary is missing or malformed.", field="Content-Type")
    parser = PushMultipartParser(
        boundary,
        max_header_size=MAX_HEADER_BYTES,
        max_header_count=MAX_HEADERS,
        max_segment_count=MAX_PARTS,
        strict=False,
    )
    return parser, _Opening(boundary)


async def events(content_type: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of a ``multipart/form-data`` body. Raises BadInput, TypeNotAllowed, and whatever ``chunks`` raises."""
    parser, opening = _parser(content_type)
    around = _Around(parser.boundary)
    try:
        async for chunk in chunks:
            fed = opening.pass_on(chunk)
            saw, closed = False, True
            for event in parser.parse(fed) if fed else ():
                saw, closed = True, event is None
                yield _part(event) if isinstance(event, MultipartSegment) else event
            around.fed(fed, saw=saw, closed=closed)
        parser.close()
    except MultipartError as error:
        raise BadInput("The form is malformed, or ended before its end.") from error


def _part(segment: MultipartSegment) -> Part:
    if sum(len(name) + len(value) for name, value in segment.headerlist) > MAX_HEADER_BYTES:
        raise BadInput("The head of a part of the form is too long.")
    dispositions = [value for name, value in segment.headerlist if name == "Content-Disposition"]
    if len(dispositions) != 1 or segment.disposition != "form-data" or not segment.name:
        raise BadInput("A part of the form has no name.")
    if (segment.content_type or "").startswith("multipart/"):
        raise BadInput("A part of the form is a form itself.")
    coding = (segment.header("Content-Transfer-Encoding") or "binary").lower()
    if coding not in {"binary", "8bit", "7bit"}:
        raise BadInput("A part of the form is coded.")
    return Part(segment.name, _filename(segment, dispositions[0]))


def _filename(segment: MultipartSegment, disposition: str) -> str | bytes | None:
    """``filename*`` (RFC 8187) where there is one, as some programs send it though RFC 7578 forbids it."""
    extended = _EXTENDED.search(disposition)
    if extended is None:
        named: str | None = segment.filename
        return named
    charset, _, rest = extended.group(1).strip().partition("'")
    _, separator, value = rest.partition("'")
    if charset.lower() != "utf-8" or not separator:
        raise BadInput("The file name is coded in an unknown way.", field="filename")
    return unquote_to_bytes(value)
