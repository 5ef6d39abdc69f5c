"""A new file on the operator's disk: whole under its name, or not there at all; never in the place of another one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from domain.errors import BadInput, StorageFull

MODE = 0o600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def new_file(path: Path, *, nameless: bool = True) -> Iterator[BinaryIO]:
    """Write into a file that gets its name when the block ends well, durable by then; otherwise nothing is left of it.

    Where the system can, and ``nameless`` says so, it has no name until then: not even a killed process leaves one.
    Raises BadInput (field ``to``) where the name is taken or the folder takes no file, StorageFull.
    """
    if path.is_symlink() or path.exists():
        raise BadInput(f"{path.name} is there already; nothing is overwritten", field="to")
    try:
        with (_unnamed(path.parent) if nameless else None) or _Named(path.parent) as made:
            yield made.stream
            made.keep(path)
    except FileExistsError as error:
        raise BadInput(f"{path.name} is there already; nothing is overwritten", field="to") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise BadInput(f"{path.name}: {error.strerror}", field="to") from error


class _Unnamed:
    """A file that no name leads to yet (O_TMPFILE)."""

    def __init__(self, descriptor: int) -> None:
        self.stream: BinaryIO = os.fdopen(descriptor, "wb")

    def __enter__(self) -> _Unnamed:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def keep(self, path: Path) -> None:
        _settle(self.stream)
        here = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
        try:
            # With a folder's descriptor it is linkat, which follows the link that /proc shows.
            os.link(str(self.stream.fileno()), path, src_dir_fd=here, follow_symlinks=True)
        finally:
            os.close(here)
        _sync_folder(path.parent)


class _Named:
    """Where there are no files without a name: one beside, which gets a second name and loses its first."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f".{secrets.token_hex(8)}.part"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        self.stream: BinaryIO = os.fdopen(descriptor, "wb")

    def __enter__(self) -> _Named:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def keep(self, path: Path) -> None:
        _settle(self.stream)
        os.link(self._path, path)  # and not a rename, which would take the place of another
        _sync_folder(path.parent)


def _unnamed(folder: Path) -> _Unnamed | None:
    try:
        return _Unnamed(os.open(folder, os.O_WRONLY | os.O_TMPFILE, MODE))
    except OSError:  # which of several errors it is differs by file system; a true one comes again by name
        return None


def _settle(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
