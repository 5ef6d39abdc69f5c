"""The calls of the operating system that the file store is made of: a seam for disks that lie, in tests."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)
_SYNC_FILE_RANGE = getattr(_LIBC, "sync_file_range", None)
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2
# File systems without RENAME_NOREPLACE say one of these.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Disk:
    """The real one. Raises OSError as the system does."""

    def make_folder(self, path: Path) -> bool:
        """Make a folder for us alone; False where it exists."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        return True

    def open_new(self, path: Path) -> int:
        """A new file for us alone, for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def write(self, descriptor: int, view: memoryview) -> int:
        """Bytes written, perhaps fewer than given."""
        return os.write(descriptor, view)

    def start_writeback(self, descriptor: int, offset: int, length: int) -> None:
        """Let the kernel begin to write a range, without waiting: the final sync then finds little left to do
        (performance.md §3: 3-10 % for durability instead of 22-24 %). Where there is no such call, nothing."""
        if _SYNC_FILE_RANGE is not None:
            _SYNC_FILE_RANGE(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), _SYNC_FILE_RANGE_WRITE)

    def sync(self, descriptor: int) -> None:
        """The file's bytes and its size are durable."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close, and learn of late errors."""
        os.close(descriptor)

    def rename_new(self, source: Path, target: Path) -> None:
        """Rename without ever overwriting. Raises FileExistsError."""
        if _RENAMEAT2 is not None:
            old, new = os.fsencode(source), os.fsencode(target)
            if _RENAMEAT2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
                return
            number = ctypes.get_errno()
            if number not in _UNSUPPORTED:
                raise OSError(number, os.strerror(number), str(target))
        os.link(source, target)
        os.unlink(source)

    def unlink(self, path: Path) -> bool:
        """Remove a name; False where there is none."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def sync_folder(self, path: Path) -> None:
        """The names in a folder are durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def space(self, path: Path) -> tuple[int, int]:
        """Bytes in all and free for us, of the file system under a path."""
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
