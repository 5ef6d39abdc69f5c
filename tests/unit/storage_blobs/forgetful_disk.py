"""A disk in memory that keeps apart what a reader sees and what survives a power cut, as POSIX promises no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, product
from pathlib import Path

from storage.blobs.disk import Disk

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class PowerCut(BaseException):
    """The machine stopped. No clean-up code runs after it."""


@dataclass
class File:
    seen: bytes = b""
    kept: bytes = b""


Names = dict[str, File | None]  # None: a folder of that name


class ForgetfulDisk(Disk):
    """``cut_at``: how many more calls that change something are done. ``cut_in``: the call that was not."""

    def __init__(self, folders: dict[Path, Names]) -> None:
        self.seen = folders
        self.kept = {path: dict(names) for path, names in folders.items()}
        self.cut_at: int | None = None
        self.cut_in: str | None = None
        self._open: dict[int, File] = {}
        self._numbers = count(1_000_000)

    def _change(self, call: str) -> None:
        if self.cut_at == 0:
            self.cut_in = self.cut_in or call
            raise PowerCut
        if self.cut_at is not None:
            self.cut_at -= 1

    def futures(self) -> Iterator[ForgetfulDisk]:
        """Every disk that may be found afterwards: each folder's names, and all bytes, as last synced or last seen."""
        folders = sorted(self.seen)
        for bytes_kept, *names_kept in product([True, False], repeat=1 + len(folders)):
            files: dict[int, File] = {}
            found: dict[Path, Names] = {}
            for path, kept in zip(folders, names_kept, strict=True):
                if path != folders[0] and found.get(path.parent, {}).get(path.name, 0) is not None:
                    continue  # its own name did not survive
                names = (self.kept if kept else self.seen).get(path, {})
                for file in filter(None, names.values()):
                    content = file.kept if bytes_kept else file.seen
                    files.setdefault(id(file), File(content, content))
                found[path] = {name: file and files[id(file)] for name, file in names.items()}
            yield ForgetfulDisk(found)

    # -- folders -------------------------------------------------------------------------------------------------------
    def _names(self, path: Path) -> Names:
        if path not in self.seen:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.seen[path]

    def make_folder(self, path: Path) -> bool:
        self._change("make_folder")
        if path in self.seen:
            return False
        self._names(path.parent)[path.name] = None
        self.seen[path] = {}
        return True

    def is_folder(self, path: Path) -> bool:
        return path in self.seen

    def names(self, folder: Path) -> list[str]:
        return list(self._names(folder))

    def sync_folder(self, path: Path) -> None:
        self._change(f"sync_{'root' if len(path.name) > 2 else 'folder'}")
        self.kept[path] = dict(self._names(path))

    def space(self, path: Path) -> tuple[int, int]:
        return 1 << 40, 1 << 39

    def file_system(self, path: Path) -> str:
        return "forgetful"

    # -- files ---------------------------------------------------------------------------------------------------------
    def open_new(self, path: Path) -> int:
        self._change("open_new")
        if path.name in self._names(path.parent):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        return self._opened(self._names(path.parent).setdefault(path.name, File()))

    def open_old(self, path: Path) -> int:
        if path.parent not in self.seen or path.name not in self.seen[path.parent]:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._opened(self.seen[path.parent][path.name])

    def _opened(self, file: File | None) -> int:
        assert file is not None
        number = next(self._numbers)
        self._open[number] = file
        return number

    def rename_new(self, source: Path, target: Path) -> None:
        self._change("rename_new")
        assert source.parent == target.parent
        names = self._names(source.parent)
        if target.name in names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        names[target.name] = names.pop(source.name)

    def unlink(self, path: Path) -> bool:
        self._change("unlink")
        names = self.seen.get(path.parent, {})
        return names.pop(path.name, None) is not None

    def look(self, path: Path) -> tuple[int, datetime] | None:
        file = self.seen.get(path.parent, {}).get(path.name)
        return None if file is None else (len(file.seen), NOW)

    def write(self, descriptor: int, view: memoryview) -> int:
        if self.cut_at == 0:
            self._open[descriptor].seen += bytes(view[: len(view) // 2])
        self._change("write")
        self._open[descriptor].seen += bytes(view)
        return len(view)

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        self._change("allocate")

    def truncate(self, descriptor: int, size: int) -> None:
        self._change("truncate")
        self._open[descriptor].seen = self._open[descriptor].seen[:size]

    def start_writeback(self, descriptor: int, offset: int, length: int) -> None:
        self._change("start_writeback")

    def sync(self, descriptor: int) -> None:
        self._change("sync")
        self._open[descriptor].kept = self._open[descriptor].seen

    def size(self, descriptor: int) -> int:
        return len(self._open[descriptor].seen)

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        return self._open[descriptor].seen[offset : offset + length]

    def forget(self, descriptor: int) -> None:
        return

    def close(self, descriptor: int) -> None:
        self._change("close")
        del self._open[descriptor]
