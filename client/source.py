"""Where the bytes come from: a file, read from any offset, or a stream, read once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

from domain.errors import BadInput

STDIN = "-"
# A block is sent within wire.CONNECT_SECONDS or the line counts as dead: small, for slow lines.
BLOCK = 1 << 16
PIECE = 8 << 20


class FileSource:
    """A file. Its SHA-256 is taken on the way, each byte once; a part that was sent earlier is read for it again."""

    def __init__(self, path: Path) -> None:
        """Raises BadInput: there is none, it may not be read, it is a folder."""
        try:
            # Looked at before it is opened: a pipe would be waited for.
            if not stat.S_ISREG(path.stat().st_mode):
                raise BadInput(f"{path} is no file; a stream can be sent as {STDIN}.", field="file")
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}.", field="file") from error
        found = os.fstat(self._file.fileno())
        self._path = path
        self.size = found.st_size
        self.name = os.fsencode(path.name)
        self.mark = _mark(found)
        """Tells whether a file is still the one that it was."""
        self._digest = sha256()
        self._digested = 0

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def turn_to(self, offset: int) -> None:
        """The next block is the one at ``offset``."""
        while self._digested < offset:
            self._file.seek(self._digested)
            self._take(self._digested, min(1 << 20, offset - self._digested))
        self._file.seek(offset)

    def blocks(self, offset: int, end: int) -> Iterator[bytes]:
        """From ``offset``, once turned to it. Raises BadInput when the file is no longer what it was."""
        while offset < end:
            block = self._take(offset, min(BLOCK, end - offset))
            offset += len(block)
            yield block

    def sha256(self) -> str:
        """Of the whole file. Raises BadInput when it was changed on the way."""
        self.turn_to(self.size)
        if _mark(os.fstat(self._file.fileno())) != self.mark:
            raise self._changed()
        return self._digest.hexdigest()

    def _take(self, offset: int, size: int) -> bytes:
        try:
            block = self._file.read(size)
        except OSError as error:
            raise BadInput(f"{self._path} cannot be read: {error.strerror}.", field="file") from error
        if not block:
            raise self._changed()
        if offset + len(block) > self._digested:
            self._digest.update(block[self._digested - offset :])
            self._digested = offset + len(block)
        return block

    def _changed(self) -> BadInput:
        return BadInput(f"{self._path} was changed while it was sent.", field="file")


class StreamSource:
    """A stream of unknown length. A piece of it is kept until the service has it."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self.name = os.fsencode(name)
        self.size = 0
        """What was read so far."""
        self._digest = sha256()
        self._ahead = self._read()

    def piece(self) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last one; an empty stream has one, and it is empty."""
        piece = self._ahead
        self._ahead = self._read() if len(piece) == PIECE else b""
        self._digest.update(piece)
        self.size += len(piece)
        return piece, not self._ahead

    def sha256(self) -> str:
        """Of all that was read."""
        return self._digest.hexdigest()

    def _read(self) -> bytes:
        piece = bytearray()
        while len(piece) < PIECE:
            try:
                block = self._stream.read(PIECE - len(piece))
            except OSError as error:
                raise BadInput(f"The stream cannot be read: {error.strerror}.", field="file") from error
            if not block:
                break
            piece += block
        return bytes(piece)


class Source(Protocol):
    """What is told of a source, whichever it is."""

    name: bytes
    size: int


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino
