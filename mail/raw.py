"""A message as it comes, taken apart at its delimiter lines without ever being held whole (RFC 2046, section 5.1.1).

The standard library's parser keeps every line of a message in memory; nothing here keeps more than a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from mail.replies import Refusal

HEADER_MAX = 256 << 10
"""Bytes of a header, the message's or a part's."""
_LINE_MAX = 1000
"""A delimiter line is never longer (boundaries have 70 characters); of a longer one nobody waits for the end."""
_TAIL = 4
"""Bytes kept back at the end of a batch: a line break and two hyphens may begin there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A delimiter line: of which of the boundaries asked for, whether it closes, and its bytes with the line break
    before it, which belongs to it."""

    index: int
    closing: bool
    raw: bytes


class RawMessage:
    """Read from its beginning to its end, once, by one thread: ``header``, then ``body``, and so on.

    ``hit`` is the delimiter line that ended what was read last; None: the message's end did.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._digest = sha256()
        self.hit: Hit | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of what has come so far."""
        return self._digest.digest()

    def header(self, boundaries: Sequence[bytes] = ()) -> bytes:
        """The bytes up to and with the next empty line; a delimiter line or the end of the message ends them too.
        Raises Refusal where there are too many."""
        self.hit = None
        lines: list[bytes] = []
        size = 0
        while line := self._line(HEADER_MAX - size + 1):
            self.hit = _match(line, boundaries, b"") if line.startswith(b"--") else None
            if self.hit is not None:
                break
            lines.append(line)
            size += len(line)
            if size > HEADER_MAX:
                raise Refusal("554 5.6.0 a header of the message is too long")
            if line in {b"\r\n", b"\n"}:
                break
        return b"".join(lines)

    def body(self, boundaries: Sequence[bytes] = ()) -> Iterator[bytes]:
        """The bytes up to the next delimiter line of one of the boundaries, or to the end of the message.

        After a header that a delimiter line ended there is no body: ``hit`` stays as it is.
        """
        if self.hit is not None:
            return
        # What begins here begins a line: a line break of our own makes it look like all others.
        self._buffer = b"\n" + self._buffer
        given = 1
        scan = 0
        while True:
            at = self._buffer.find(b"\n--", scan)
            if at < 0:
                end = len(self._buffer) - _TAIL
                if end > given:
                    piece, self._buffer = self._buffer[given:end], self._buffer[end:]
                    given = scan = 0
                    yield piece
                if not self._more():
                    rest, self._buffer = self._buffer[given:], b""
                    if rest:
                        yield rest
                    return
                continue
            end = self._buffer.find(b"\n", at + 3) + 1
            if end == 0 and len(self._buffer) - at < _LINE_MAX and self._more():
                scan = at
                continue
            line = self._buffer[at + 1 : end or len(self._buffer)]
            before = at - 1 if at > given and self._buffer[at - 1] == 13 else at
            hit = _match(line, boundaries, self._buffer[max(before, given) : at + 1])
            if hit is None:
                scan = at + 1
                continue
            piece, self._buffer = self._buffer[given:before], self._buffer[at + 1 + len(line) :]
            if piece:
                yield piece
            self.hit = hit
            return

    def proceed(self) -> None:
        """Go on behind the delimiter line: what follows is no header but more bytes."""
        self.hit = None

    def _line(self, longest: int) -> bytes:
        scan = 0
        while (end := self._buffer.find(b"\n", scan) + 1) == 0:
            scan = len(self._buffer)
            if scan > longest or not self._more():
                end = scan
                break
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line

    def _more(self) -> bool:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self._buffer += chunk
            return True
        return False


def _match(line: bytes, boundaries: Sequence[bytes], line_break: bytes) -> Hit | None:
    """The innermost boundary counts: the last one."""
    said = line.rstrip(b" \t\r\n")[2:]
    for index in range(len(boundaries) - 1, -1, -1):
        if said == boundaries[index]:
            return Hit(index, closing=False, raw=line_break + line)
        if said == boundaries[index] + b"--":
            return Hit(index, closing=True, raw=line_break + line)
    return None
