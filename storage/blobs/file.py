"""The store in a folder: one file a blob, durable in the order of S-10, under names that are the service's alone.

``root/ab/ab…32 digits`` is a blob; with ``.part`` behind it, what a writer is at or left behind. 256 folders keep each
short enough for tools and backups; more would cost uploads a folder's fsync again and again.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from domain.errors import BilagaError, BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.disk import Disk
from storage.blobs.port import BlobReader, BlobStat, BlobWriter, Space, check_id

log = logging.getLogger(__name__)
PART = ".part"
WRITEBACK = 8 << 20
LOOK_AT_SPACE = 64 << 20
"""Bytes of a blob of unknown size between two looks at the free space."""
RESERVE = 2 << 30
RESERVE_SHARE = 20
"""2 GiB, or a twentieth of a disk where that is less, stay free: purge, audit and the database need room (S-13)."""
READ = 1 << 20


class FileBlobStore:
    """``BlobStore`` and ``Digesting`` on a local file system. ``reserve`` in bytes; None: as above."""

    def __init__(self, root: Path, *, reserve: int | None = None, disk: Disk | None = None) -> None:
        self._root = root
        self._disk = disk or Disk()
        self._lock = Lock()
        self._known: set[Path] = set()
        self._degraded = False
        try:
            if not root.exists():
                root.mkdir(mode=0o700, parents=True)
                self._disk.sync_folder(root.parent)
            total, _ = self._disk.space(root)
        except OSError as error:
            raise translated(error) from error
        self._reserve = min(RESERVE, total // RESERVE_SHARE) if reserve is None else reserve

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        check_id(blob_id)
        self.check_room(expected_size or 0)
        folder = self._folder(blob_id)
        try:
            self._make(folder)
            part = folder / f"{blob_id}{PART}"
            descriptor = self._disk.open_new(part)
        except OSError as error:
            raise translated(error) from error
        return _Writer(self, self._disk, blob_id, part, descriptor)

    def open(self, blob_id: BlobId) -> BlobReader:
        check_id(blob_id)
        try:
            descriptor = os.open(self._path(blob_id), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise BlobMissing from error
        except OSError as error:
            raise translated(error) from error
        return _Reader(descriptor)

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        check_id(blob_id)
        return _stat(self._path(blob_id), blob_id, finished=True)

    def delete(self, blob_id: BlobId) -> None:
        check_id(blob_id)
        folder = self._folder(blob_id)
        try:
            self._disk.unlink(folder / f"{blob_id}{PART}")
            self._disk.unlink(self._path(blob_id))
            # Also where nothing was there: an unlink before a crash may not have been durable (crash row P3).
            with suppress(FileNotFoundError):
                self._disk.sync_folder(folder)
        except OSError as error:
            raise translated(error) from error

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        first = (after or "")[:2]
        for folder in sorted(entry for entry in self._root.iterdir() if entry.is_dir() and entry.name >= first):
            for name in sorted(entry.name for entry in folder.iterdir()):
                blob_id = BlobId(name.removesuffix(PART))
                if after is not None and blob_id <= after:
                    continue
                with suppress(ValueError):  # a stranger's file: not ours to judge
                    check_id(blob_id)
                    stat = _stat(folder / name, blob_id, finished=not name.endswith(PART))
                    if stat is not None:
                        yield stat

    def space(self) -> Space:
        try:
            total, free = self._disk.space(self._root)
        except OSError as error:
            raise translated(error) from error
        return Space(total, max(0, free - self._reserve))

    def ping(self) -> None:
        """After a failed sync the store counts as degraded until a probe was written and synced again (S-12)."""
        probe = self._root / f"probe-{secrets.token_hex(8)}"
        try:
            descriptor = self._disk.open_new(probe)
            try:
                self._disk.write(descriptor, memoryview(b"probe"))
                if self._degraded:
                    self._disk.sync(descriptor)
                    self._degraded = False
            finally:
                self._disk.close(descriptor)
                self._disk.unlink(probe)
        except OSError as error:
            raise translated(error) from error

    def close(self) -> None:
        return

    def digest(self, blob_id: BlobId) -> bytes:
        digest = hashlib.sha256()
        check_id(blob_id)
        with self.open(blob_id) as reader:
            if isinstance(reader, _Reader):
                reader.forget_cache()
            offset = 0
            while chunk := reader.read_at(offset, READ):
                digest.update(chunk)
                offset += len(chunk)
        return digest.digest()

    def check_room(self, size: int) -> None:
        """Raises StorageFull where ``size`` more bytes would eat into the reserve."""
        if self.space().free < size or (size == 0 and self.space().free == 0):
            raise StorageFull

    def degrade(self) -> None:
        """A sync failed: the kernel tells that once, so nothing that was written since the last one can be trusted."""
        self._degraded = True
        log.error("blob store degraded")

    def finish(self, blob_id: BlobId, part: Path) -> BlobStat:
        """Give a synced part its final name, durably."""
        path = self._path(blob_id)
        self._disk.rename_new(part, path)
        try:
            self._disk.sync_folder(path.parent)
        except OSError:
            self.degrade()
            with suppress(OSError):
                self._disk.unlink(path)
            raise
        stat = _stat(path, blob_id, finished=True)
        if stat is None:
            raise BlobsUnavailable("the blob vanished")
        return stat

    def _make(self, folder: Path) -> None:
        with self._lock:
            if folder in self._known:
                return
            self._disk.make_folder(folder)
            # Even if it was there: whoever made it may have crashed before this.
            self._disk.sync_folder(self._root)
            self._known.add(folder)

    def _folder(self, blob_id: BlobId) -> Path:
        return self._root / blob_id[:2]

    def _path(self, blob_id: BlobId) -> Path:
        return self._folder(blob_id) / blob_id


class _Writer:
    def __init__(self, store: FileBlobStore, disk: Disk, blob_id: BlobId, part: Path, descriptor: int) -> None:
        self._store = store
        self._disk = disk
        self._blob_id = blob_id
        self._part = part
        self._descriptor: int | None = descriptor
        self._size = 0
        self._flushed = 0
        self._looked = 0

    def write(self, view: memoryview | bytes) -> None:
        descriptor = self._open()
        left = memoryview(view).cast("B")
        try:
            while left:
                written = self._disk.write(descriptor, left)
                if written <= 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._size += written
                left = left[written:]
            if self._size - self._flushed >= WRITEBACK:
                self._disk.start_writeback(descriptor, self._flushed, self._size - self._flushed)
                self._flushed = self._size
            if self._size - self._looked >= LOOK_AT_SPACE:
                self._looked = self._size
                self._store.check_room(0)
        except (OSError, BilagaError) as error:
            self.abort()
            raise (translated(error) if isinstance(error, OSError) else error) from error

    def commit(self) -> BlobStat:
        descriptor = self._open()
        try:
            self._sync(descriptor)
            self._descriptor = None
            self._disk.close(descriptor)
            return self._store.finish(self._blob_id, self._part)
        except OSError as error:
            self._discard()
            raise translated(error) from error

    def abort(self) -> None:
        if self._descriptor is not None:
            self._discard()

    def _sync(self, descriptor: int) -> None:
        try:
            self._disk.sync(descriptor)
        except OSError:
            self._store.degrade()
            raise

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


class _Reader:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            first = os.pread(self._descriptor, length, offset)
            if len(first) in {0, length}:
                return first
            pieces = [first]
            got = len(first)
            while got < length and (piece := os.pread(self._descriptor, length - got, offset + got)):
                pieces.append(piece)
                got += len(piece)
        except OSError as error:
            raise translated(error) from error
        return b"".join(pieces)

    def forget_cache(self) -> None:
        """Let later reads come from the disk rather than from what was just written, as far as the kernel agrees."""
        with suppress(OSError):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def translated(error: OSError) -> BilagaError:
    """The error as the house knows it."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageFull()
    return BlobsUnavailable(f"the file system refused: {errno.errorcode.get(error.errno or 0, 'unknown')}")


def _stat(path: Path, blob_id: BlobId, *, finished: bool) -> BlobStat | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translated(error) from error
    return BlobStat(blob_id, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC), finished)
