"""The header of a message or a part, read: type, disposition, coding and file name, however they are written."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value
from functools import cached_property

NAME_MAX = 1000
"""Bytes of UTF-8 of a file name; the rest of a longer one is cut off, its extension with it (S-44 takes 1 KiB)."""
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n?)*|[^\n]+$")


class Head:
    """A header's fields. ``raw`` is the header as it came, with the empty line."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def _fields(self) -> Message:
        # What is neither ASCII nor UTF-8 is most often what Windows in Western Europe writes.
        try:
            text = self.raw.decode()
        except UnicodeDecodeError:
            text = self.raw.decode("cp1252", errors="replace")
        return HeaderParser(policy=compat32).parsestr(text.replace("\r\n", "\n"))

    def get(self, field: str) -> str:
        """A field's text, encoded words read; empty where there is none."""
        return _words(str(self._fields.get(field, "")))

    def all(self, field: str) -> list[str]:
        """The texts of all fields of a name."""
        return [str(value) for value in self._fields.get_all(field, [])]

    @cached_property
    def type(self) -> str:
        """The media type in lower case; ``text/plain`` where it is missing or malformed (RFC 2045, section 5.2)."""
        return self._fields.get_content_type()

    @cached_property
    def disposition(self) -> str:
        """``attachment``, ``inline``, another word, or empty."""
        return str(self._fields.get_content_disposition() or "")

    @cached_property
    def coding(self) -> str:
        """The transfer encoding in lower case."""
        return str(self._fields.get("Content-Transfer-Encoding", "")).split(";")[0].strip().lower()

    @cached_property
    def content_id(self) -> str:
        """Without its angle brackets; empty where there is none."""
        return str(self._fields.get("Content-ID", "")).strip().strip("<>")

    def parameter(self, name: str) -> str:
        """A parameter of the type; empty where there is none."""
        return _parameter(self._fields, name, "content-type")

    @cached_property
    def boundary(self) -> bytes:
        """The boundary of a multipart; empty where there is none."""
        return self.parameter("boundary").rstrip().encode(errors="surrogateescape")

    @cached_property
    def name(self) -> str:
        """The file name: RFC 2231 in all its forms, encoded words although forbidden there; empty: none."""
        for parameter, field in (("filename", "content-disposition"), ("name", "content-type")):
            said = _parameter(self._fields, parameter, field)
            name = " ".join(_words(said).replace("\0", "").split())
            if name:
                return name.encode(errors="replace")[:NAME_MAX].decode(errors="ignore")
        return ""

    def fields(self) -> list[bytes]:
        """The fields as they came, each with its continuation lines."""
        return [field for field in _FIELD.findall(self.raw) if field.strip()]


def _parameter(fields: Message, name: str, field: str) -> str:
    try:
        value = fields.get_param(name, "", field)
        # A charset that nobody knows, or a section that is no number: Python's parser trips over both.
        return collapse_rfc2231_value(value) if value else ""
    except (LookupError, ValueError, TypeError):
        return ""


def _words(text: str) -> str:
    """The text with its encoded words read (RFC 2047); those that cannot be stay as they are."""
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(piece if isinstance(piece, str) else _decoded(piece, charset) for piece, charset in pieces)


def _decoded(piece: bytes, charset: str | None) -> str:
    try:
        return piece.decode(charset or "ascii", errors="replace")
    except LookupError:
        return piece.decode("utf-8", errors="replace")
