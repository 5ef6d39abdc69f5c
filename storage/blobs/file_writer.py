"""A blob on its way into the file store: a part beside its final name, in the order of S-10."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import BilagaError, BlobsUnavailable
from domain.ids import BlobId
from storage.blobs.disk import DIRECT_UNIT
from storage.blobs.port import BlobStat
from storage.blobs.volume import Volume, translating

WRITEBACK = 8 << 20
"""Bytes between two starts of writeback (performance.md §3: durability then costs 3-10 % instead of 22-24 %)."""
SMALL = 8 << 20
"""Up to here a blob is written without further questions."""


class FileWriter:
    """``BlobWriter``. ``part`` is open as ``descriptor``, empty, and becomes ``path``; ``expected`` bytes, or None.

    Room is set aside as the blob grows (0.24 instead of 0.30 s of CPU a GiB on ext4, best of ten), but never all of it
    at once: what somebody only declares takes nothing from the others. A large blob's whole segments go to the disk
    past the page cache, which would cost a copy and the memory for it (docs/performance.md); its end, and all of it
    where the file system cannot do that, goes through the cache.
    """

    def __init__(
        self, volume: Volume, blob_id: BlobId, part: Path, path: Path, descriptor: int, expected: int | None
    ) -> None:
        self._volume = volume
        self._disk = volume.disk
        self._blob_id = blob_id
        self._part = part
        self._path = path
        self._descriptor: int | None = descriptor
        self._size = 0
        self._flushed = 0
        self._expected = expected or 0
        self._allocated = 0
        self._room = SMALL if self._expected <= SMALL else 0
        self._direct: bool | None = None

    def write(self, view: memoryview | bytes) -> None:
        descriptor = self._open()
        try:
            with translating():
                self._write(descriptor, memoryview(view).cast("B"))
        except BilagaError:
            self.abort()
            raise

    def _write(self, descriptor: int, left: memoryview) -> None:
        if self._size + len(left) > self._room:
            self._find_room(descriptor, len(left))
            if self._direct is None:
                self._direct = self._disk.go_direct(descriptor, direct=True)
        while left:
            written = self._write_some(descriptor, left)
            if written <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += written
            left = left[written:]
        if self._direct:
            self._flushed = self._size
        elif self._size - self._flushed >= WRITEBACK:
            self._disk.start_writeback(descriptor, self._flushed, self._size - self._flushed)
            self._flushed = self._size

    def _write_some(self, descriptor: int, left: memoryview) -> int:
        if self._direct and not self._size % DIRECT_UNIT and not len(left) % DIRECT_UNIT:
            try:
                return self._disk.write(descriptor, left)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        if self._direct:
            self._direct = self._disk.go_direct(descriptor, direct=False)
        return self._disk.write(descriptor, left)

    def _find_room(self, descriptor: int, wanted: int) -> None:
        """Whatever was declared and found at the beginning: others write too, and the reserve is everybody's."""
        length = self._volume.ahead
        if self._expected > self._size:
            length = min(length, self._expected - self._size)
        length = max(length, wanted)
        self._volume.check_room(length)
        self._disk.allocate(descriptor, self._size, length)
        self._room = self._allocated = self._size + length

    def commit(self) -> BlobStat:
        descriptor = self._open()
        try:
            with translating():
                if self._allocated > self._size:
                    self._disk.truncate(descriptor, self._size)
                self._volume.sync(descriptor)
                self._descriptor = None
                self._volume.close(descriptor)
                self._disk.rename_new(self._part, self._path)
                return self._settle()
        except BilagaError:
            self._discard()
            raise

    def _settle(self) -> BlobStat:
        """Make the new name durable, or take it back."""
        try:
            self._volume.sync_folder(self._path.parent)
            found = self._disk.look(self._path)
            if found is None or found[0] != self._size:
                raise BlobsUnavailable("the blob is not what was written")
        except (OSError, BilagaError):
            with suppress(OSError):
                self._disk.unlink(self._path)
            raise
        return BlobStat(self._blob_id, *found, finished=True)

    def abort(self) -> None:
        if self._descriptor is not None:
            self._discard()

    def _discard(self) -> None:
        """Close and remove, as far as the disk lets us; what stays is swept later, and never readable."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self._disk.close(descriptor)
        with suppress(OSError):
            self._disk.unlink(self._part)

    def _open(self) -> int:
        if self._descriptor is None:
            raise BlobsUnavailable("the blob was ended")
        return self._descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
