"""A store in memory: the fake that passes the same contract suite as the real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import Self

from domain.clock import Clock, system_clock
from domain.errors import BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.port import BlobReader, BlobStat, BlobWriter, Space, check_id


class MemoryBlobStore:
    """``BlobStore`` and ``Digesting`` with room for ``capacity`` bytes."""

    def __init__(self, capacity: int = 1 << 30, clock: Clock = system_clock) -> None:
        self._capacity = capacity
        self._clock = clock
        self._lock = Lock()
        self._blobs: dict[BlobId, tuple[bytes, datetime]] = {}
        self._parts: dict[BlobId, tuple[bytearray, datetime]] = {}

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        check_id(blob_id)
        with self._lock:
            if self._free() < max(expected_size or 0, 1):
                raise StorageFull
            if blob_id in self._blobs or blob_id in self._parts:
                raise BlobsUnavailable("a blob of that id exists")
            self._parts[blob_id] = (bytearray(), self._clock())
        return _Writer(self, blob_id)

    def open(self, blob_id: BlobId) -> BlobReader:
        check_id(blob_id)
        with self._lock:
            if blob_id not in self._blobs:
                raise BlobMissing
            return _Reader(self._blobs[blob_id][0])

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        check_id(blob_id)
        with self._lock:
            found = self._blobs.get(blob_id)
        return None if found is None else BlobStat(blob_id, len(found[0]), found[1], finished=True)

    def delete(self, blob_id: BlobId) -> None:
        check_id(blob_id)
        with self._lock:
            self._blobs.pop(blob_id, None)
            self._parts.pop(blob_id, None)

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        if after is not None:
            check_id(after)
        with self._lock:
            found = [BlobStat(name, len(blob), at, finished=True) for name, (blob, at) in self._blobs.items()]
            found += [BlobStat(name, len(part), at, finished=False) for name, (part, at) in self._parts.items()]
        found.sort(key=lambda stat: stat.blob_id)
        return iter([stat for stat in found if after is None or stat.blob_id > after])

    def space(self) -> Space:
        with self._lock:
            return Space(self._capacity, self._free())

    def ping(self) -> None:
        return

    def close(self) -> None:
        return

    def digest(self, blob_id: BlobId) -> bytes:
        with self.open(blob_id) as reader:
            return hashlib.sha256(reader.read_at(0, reader.size)).digest()

    def _free(self) -> int:
        taken = sum(len(blob) for blob, _ in self._blobs.values()) + sum(len(part) for part, _ in self._parts.values())
        return max(0, self._capacity - taken)

    def _append(self, blob_id: BlobId, view: memoryview | bytes) -> None:
        view = memoryview(view).cast("B")
        with self._lock:
            if len(view) > self._free():
                self._parts.pop(blob_id, None)
                raise StorageFull
            part = self._parts.get(blob_id)
            if part is None:
                raise BlobsUnavailable("the blob is gone")
            part[0].extend(view)

    def _finish(self, blob_id: BlobId) -> BlobStat:
        with self._lock:
            part = self._parts.pop(blob_id, None)
            if part is None or blob_id in self._blobs:
                raise BlobsUnavailable("the blob is gone")
            now = self._clock()
            self._blobs[blob_id] = (bytes(part[0]), now)
            return BlobStat(blob_id, len(part[0]), now, finished=True)

    def _drop(self, blob_id: BlobId) -> None:
        with self._lock:
            self._parts.pop(blob_id, None)


class _Writer:
    def __init__(self, store: MemoryBlobStore, blob_id: BlobId) -> None:
        self._store = store
        self._blob_id = blob_id
        self._ended = False

    def write(self, view: memoryview | bytes) -> None:
        if self._ended:
            raise BlobsUnavailable("the blob was ended")
        self._store._append(self._blob_id, view)  # noqa: SLF001 (the writer is the store's own)

    def commit(self) -> BlobStat:
        if self._ended:
            raise BlobsUnavailable("the blob was ended")
        self._ended = True
        return self._store._finish(self._blob_id)  # noqa: SLF001

    def abort(self) -> None:
        if not self._ended:
            self._ended = True
            self._store._drop(self._blob_id)  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class _Reader:
    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._closed = False

    @property
    def size(self) -> int:
        return len(self._blob)

    def read_at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("a blob has no bytes before its first")
        if self._closed:
            raise BlobsUnavailable("the blob was closed")
        return self._blob[offset : offset + length]

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
