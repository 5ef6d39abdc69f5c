"""The real disk, but it notes what it is asked, and lies where it is told to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.blobs.disk import Disk

CHANGING = (
    "make_folder",
    "open_new",
    "write",
    "allocate",
    "truncate",
    "start_writeback",
    "sync",
    "close",
    "rename_new",
    "unlink",
    "sync_folder",
)
READING = ("open_old", "read", "forget", "names", "look")
GIB = 1 << 30


class LyingDisk(Disk):
    """``calls``: those that change something, in order; ``reads``: the others. ``failing``: a call's name and errno;
    it then does nothing, but for a close. Syncing the store's own folder, or one above, is called ``sync_root``.
    """

    def __init__(self, **failing: int) -> None:
        self.calls: list[str] = []
        self.reads: list[str] = []
        self.failing = failing
        self.longest = 1 << 40
        """Bytes that one write or read does at most."""
        self.room = (100 * GIB, 50 * GIB)
        self.kind = "ext4"
        self.rooms: list[int] = []
        """Bytes of each room that was set aside."""

    def note(self, call: str, args: tuple[Any, ...]) -> None:
        if call == "sync_folder":
            call = f"sync_{'root' if len(args[0].name) > 2 else 'folder'}"
        (self.reads if call in READING else self.calls).append(call)
        number = self.failing.get(call)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def space(self, path: Path) -> tuple[int, int]:
        return self.room

    def file_system(self, path: Path) -> str:
        return self.kind


def _noted(call: str) -> Callable[..., Any]:
    real = getattr(Disk, call)

    def noted(disk: LyingDisk, *args: Any) -> Any:
        if call == "close":  # the system closes it, whatever it says
            real(disk, *args)
            return disk.note(call, args)
        disk.note(call, args)
        if call == "allocate":
            disk.rooms.append(args[2])
        if call == "write":
            return real(disk, args[0], args[1][: disk.longest])
        if call == "read":
            return real(disk, args[0], min(args[1], disk.longest), args[2])
        return real(disk, *args)

    return noted


for _call in (*CHANGING, *READING):
    setattr(LyingDisk, _call, _noted(_call))
