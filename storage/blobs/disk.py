"""The calls of the operating system that the file store is made of: a seam for disks that lie, in tests."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)
_SYNC_FILE_RANGE = getattr(_LIBC, "sync_file_range", None)
if _SYNC_FILE_RANGE is not None:
    _SYNC_FILE_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_FALLOCATE = getattr(_LIBC, "fallocate64", None) or getattr(_LIBC, "fallocate", None)
if _FALLOCATE is not None:
    _FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2
_FALLOC_FL_KEEP_SIZE = 1
DIRECT_UNIT = 4096
"""Bytes of which length and offset of a direct write, and its place in memory, are multiples on every usual disk."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# File systems and kernels without RENAME_NOREPLACE say one of these.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Disk:
    """The real one. Every call raises OSError as the system does."""

    # -- folders -------------------------------------------------------------------------------------------------------
    def make_folder(self, path: Path) -> bool:
        """Make a folder for us alone; False where it exists."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return False
        return True

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder."""
        return path.is_dir()

    def names(self, folder: Path) -> list[str]:
        """What is in a folder, in no order."""
        return os.listdir(folder)

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

    def file_system(self, path: Path) -> str:
        """The kind of file system under a path, as the kernel names it (``ext4``); empty where it does not say."""
        device = os.stat(path).st_dev
        mark = f"{os.major(device)}:{os.minor(device)}"
        with suppress(FileNotFoundError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                mount, _, kind = line.partition(" - ")
                if mount.split(" ")[2] == mark:
                    return kind.split(" ", 1)[0]
        return ""

    # -- files by name -------------------------------------------------------------------------------------------------
    def open_new(self, path: Path) -> int:
        """A new file for us alone, for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def open_old(self, path: Path) -> int:
        """A file, for reading."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def rename_new(self, source: Path, target: Path) -> None:
        """Rename without ever overwriting. Raises FileExistsError; after any error only the source may be there."""
        if not self._rename_no_replace(source, target):
            os.link(source, target)
            try:
                self.unlink(source)
            except OSError:
                with suppress(OSError):
                    os.unlink(target)
                raise

    def _rename_no_replace(self, source: Path, target: Path) -> bool:
        """False where this system has no such call."""
        if _RENAMEAT2 is None:
            return False
        if _RENAMEAT2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
            return True
        number = ctypes.get_errno()
        if number in _UNSUPPORTED:
            return False
        raise OSError(number, os.strerror(number), str(target))

    def unlink(self, path: Path) -> bool:
        """Remove a name; False where there is none."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def look(self, path: Path) -> tuple[int, datetime] | None:
        """Size and time of the last change of a file; None: there is none."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return None
        return (found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)) if S_ISREG(found.st_mode) else None

    # -- open files ----------------------------------------------------------------------------------------------------
    def write(self, descriptor: int, view: memoryview) -> int:
        """Bytes written, perhaps fewer than given."""
        return os.write(descriptor, view)

    def go_direct(self, descriptor: int, *, direct: bool) -> bool:
        """Let writes go from our memory to the disk itself, past the page cache, or not; False where the file system
        has no such way. A write that does not fit it (``DIRECT_UNIT``) then fails with EINVAL."""
        try:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_DIRECT
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT if direct else flags)
        except OSError:
            return False
        return direct

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        """Set room aside for a range, the file's size unchanged; where there is no such call, nothing: never glibc's
        ``posix_fallocate``, which then writes zeros."""
        if _FALLOCATE is not None and _FALLOCATE(descriptor, _FALLOC_FL_KEEP_SIZE, offset, length) != 0:
            number = ctypes.get_errno()
            if number in _NO_ROOM:
                raise OSError(number, os.strerror(number))

    def truncate(self, descriptor: int, size: int) -> None:
        """Give back the room that was set aside beyond a size."""
        os.ftruncate(descriptor, size)

    def start_writeback(self, descriptor: int, offset: int, length: int) -> None:
        """Let the kernel begin to write a range, without waiting: the final sync then finds little left to do. Where
        there is no such call, nothing. What goes wrong in it, the final sync still tells."""
        if _SYNC_FILE_RANGE is not None:
            _SYNC_FILE_RANGE(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)

    def sync(self, descriptor: int) -> None:
        """The file's bytes and its size are durable."""
        os.fdatasync(descriptor)

    def size(self, descriptor: int) -> int:
        """Bytes of an open file."""
        return os.fstat(descriptor).st_size

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """Bytes from an offset, perhaps fewer than asked for; none at the end."""
        return os.pread(descriptor, length, offset)

    def forget(self, descriptor: int) -> None:
        """Let later reads come from the disk rather than from memory, as far as the kernel agrees."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, descriptor: int) -> None:
        """Close, and learn of late errors. The descriptor is gone even then."""
        os.close(descriptor)
