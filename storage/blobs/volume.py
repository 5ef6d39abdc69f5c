"""The folder under the file store as a whole: how much room it has, and whether its word still counts."""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from domain.errors import BilagaError, BlobsUnavailable, Misconfigured, StorageFull
from storage.blobs.disk import Disk
from storage.blobs.port import Space

log = logging.getLogger(__name__)
RESERVE = 2 << 30
RESERVE_SHARE = 20
"""2 GiB, or a twentieth of a disk where that is less, stay free: purge, audit and the database need room (S-13)."""
AHEAD = 64 << 20
"""Bytes of one blob for which room is looked for, and set aside, at a time; fewer where the reserve is small, so that
16 uploads at once cannot use it up between two looks."""
# There a name that is removed while a reader has it open lives on under another one, beyond that reader's crash: a
# purge would not be one. And a rename that answered may not have happened once.
NOT_LOCAL = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs"})
# Of opening a folder to sync it: no byte was lost.
NOT_THE_DISK = frozenset({errno.ENOENT, errno.EMFILE, errno.ENFILE})


class Volume:
    """``root`` and the disk below it; thread-safe. ``reserve`` in bytes, None: as ``RESERVE`` says.

    Raises OSError as the disk does, but where it says otherwise: the store translates. At the start: Misconfigured
    where the root is no folder or not on a local file system.
    """

    def __init__(self, root: Path, disk: Disk, reserve: int | None) -> None:
        self.root = root
        self.disk = disk
        self._lock = Lock()
        self._failures = 0
        self._forgiven = 0
        if not disk.is_folder(root):
            self._make(root)
        if not disk.is_folder(root):
            raise Misconfigured("the blob store's place is not a folder")
        kind = disk.file_system(root)
        if kind in NOT_LOCAL:
            raise Misconfigured(f"the blob store's folder must be on a local file system, not {kind}")
        total, _ = disk.space(root)
        self.reserve = min(RESERVE, total // RESERVE_SHARE) if reserve is None else reserve
        self.ahead = max(1 << 20, min(AHEAD, self.reserve // 16))

    def _make(self, folder: Path) -> None:
        """A folder and those above it, each durable in the one above (S-10)."""
        if not self.disk.is_folder(folder.parent):
            self._make(folder.parent)
        self.disk.make_folder(folder)
        self.sync_folder(folder.parent)

    # -- room ----------------------------------------------------------------------------------------------------------
    def space(self) -> Space:
        """All of it, and what may be written without touching the reserve."""
        total, free = self.disk.space(self.root)
        return Space(total, max(0, free - self.reserve))

    def check_room(self, size: int) -> None:
        """Raises StorageFull where ``size`` more bytes would eat into the reserve, or where it is touched already."""
        if self.space().free < max(size, 1):
            raise StorageFull

    # -- trust ---------------------------------------------------------------------------------------------------------
    @property
    def degraded(self) -> bool:
        """Whether a sync or a close failed, and no probe was durable since (S-12)."""
        return self._failures != self._forgiven

    def sync(self, descriptor: int) -> None:
        """The bytes are durable. A failure is told once by the kernel, and counts as the loss of them (S-12)."""
        with self._distrusting("sync"):
            self.disk.sync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file that was written."""
        with self._distrusting("close"):
            self.disk.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """The names are durable. A missing folder has none."""
        with self._distrusting("sync-folder"):
            self.disk.sync_folder(path)

    def prove(self) -> None:
        """Where the store is degraded: only a probe that is durable lets it go on."""
        if self.degraded:
            self.probe()

    def probe(self) -> None:
        """Write a little file; where the store is degraded, durably, and then it no longer is."""
        failures = self._failures
        durable = self.degraded
        name = self.root / f"probe-{secrets.token_hex(8)}"
        descriptor = self.disk.open_new(name)
        try:
            self.disk.unlink(name)  # at once: a crash leaves nothing to clear away
            if self.disk.write(descriptor, memoryview(b"probe")) != len(b"probe"):
                raise OSError(errno.ENOSPC, "short write")
            if durable:
                self.sync(descriptor)
                self.sync_folder(self.root)
        finally:
            self.disk.close(descriptor)
        if durable:
            self._forgiven = failures
            log.warning("blobs.trusted-again")

    @contextmanager
    def _distrusting(self, step: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NOT_THE_DISK:
                with self._lock:
                    self._failures += 1
                log.error("blobs.degraded", extra={"step": step, "errno": error_name(error)})
            raise


@contextmanager
def translating() -> Iterator[None]:
    """The border: what the system says, in the words of the house."""
    try:
        yield
    except OSError as error:
        raise translated(error) from error


def translated(error: OSError) -> BilagaError:
    """StorageFull where there is no room (for us: quota, limit of file size), else BlobsUnavailable."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageFull()
    return BlobsUnavailable(f"the file system refused: {error_name(error)}")


def error_name(error: OSError) -> str:
    """``EIO`` and the like; never the text, which holds paths."""
    return errno.errorcode.get(error.errno or 0, "unknown")
