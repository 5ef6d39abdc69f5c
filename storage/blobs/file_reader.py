"""A finished blob of the file store, open."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Self

from domain.errors import BlobsUnavailable
from storage.blobs.disk import Disk
from storage.blobs.volume import translating


class FileReader:
    """``BlobReader``. ``read_at`` and ``close`` may meet, in any threads: the descriptor is given back only when nobody
    reads, since the system would hand its number to the next file at once, and a late read would give that one's bytes.
    """

    def __init__(self, disk: Disk, descriptor: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._lock = Lock()
        self._users = 1  # whoever opened it, and every read_at that is under way
        self._closed = False
        self._size = disk.size(descriptor)

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("a blob has no bytes before its first")
        with self._lock:
            if self._closed:
                raise BlobsUnavailable("the blob was closed")
            self._users += 1
        try:
            with translating():
                return self._read(offset, min(length, self._size - offset))
        finally:
            self._release()

    def _read(self, offset: int, length: int) -> bytes:
        pieces: list[bytes] = []
        while length > 0 and (piece := self._disk.read(self._descriptor, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def forget(self) -> None:
        """Let what follows be read from the disk, not from the memory it was written through."""
        with translating():
            self._disk.forget(self._descriptor)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._release()

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
        with suppress(OSError):  # nothing was written through it: there is nothing to learn
            self._disk.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
