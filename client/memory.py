"""What a run must know of an earlier one: which upload a file belongs to. One small file for each, for its owner only.

An upload's address is a credential. Only its last part is kept; the rest is the link, which whoever goes on gives
again. A file's name and place are not kept: its entry is found by a digest of link and path. The receipt's address is
kept whole, since nothing else can make it again, until all files of the run are sent.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from client.link import UploadLink
from domain.errors import Misconfigured, StateConflict

# The service keeps an upload for a day after its last progress.
KEPT_SECONDS = 2 * 86400


@dataclass(frozen=True, slots=True)
class Known:
    """An upload that was begun. ``sha256`` is there when it was sent to its end."""

    upload: str
    receipt_url: str
    mark: tuple[int, int, int]
    sha256: str = ""


class Entry:
    """What is known of one file for one link. While it is open, no other run has it."""

    def __init__(self, path: Path | None) -> None:
        """``path`` None: nothing is kept. Raises StateConflict when another run sends the same file."""
        self._path = path
        self._file = -1 if path is None else _locked(path)

    def load(self, mark: tuple[int, int, int]) -> Known | None:
        """What an earlier run left, if the file is still the same."""
        if self._path is None:
            return None
        try:
            said = json.loads(os.pread(self._file, 1 << 16, 0))
            known = Known(str(said["upload"]), str(said["receipt_url"]), tuple(said["mark"]), str(said["sha256"]))
        except (ValueError, KeyError, TypeError):
            return None
        return known if known.mark == mark else None

    def save(self, known: Known) -> None:
        """Keep it: after this a killed run can be gone on with."""
        if self._path is not None:
            text = json.dumps(asdict(known)).encode()
            os.pwrite(self._file, text, 0)
            os.ftruncate(self._file, len(text))
            os.fsync(self._file)

    def touch(self) -> None:
        """It got further."""
        if self._path is not None:
            os.utime(self._file)

    def forget(self) -> None:
        """There is nothing to go on with."""
        if self._path is not None:
            os.ftruncate(self._file, 0)

    def close(self, *, remove: bool) -> None:
        """Let go of it."""
        if self._path is not None:
            if remove or os.fstat(self._file).st_size == 0:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._path = None


class Memory:
    """The folder of entries."""

    def __init__(self, folder: Path | None) -> None:
        """Made if it is not there; None: nothing is kept. Raises Misconfigured."""
        self._folder = folder
        if folder is None:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep(folder)
        except OSError as error:
            raise Misconfigured(f"{folder} cannot be used: {error.strerror}.") from error

    def entry(self, link: UploadLink, path: Path) -> Entry:
        """What is known of a file. Raises StateConflict, Misconfigured."""
        if self._folder is None:
            return Entry(None)
        named = sha256(b"\n".join([link.url.encode(), os.fsencode(path.resolve())])).hexdigest()
        return Entry(self._folder / f"{named[:40]}.json")

    @staticmethod
    def _sweep(folder: Path) -> None:
        paths = list(folder.glob("*.json"))
        newest = max((path.stat().st_mtime for path in paths), default=0.0)
        # Older than what the newest one can be gone on with: there is no clock to ask here, and none is needed.
        for path in paths:
            with suppress(OSError, StateConflict):
                if path.stat().st_mtime < newest - KEPT_SECONDS:
                    Entry(path).close(remove=True)


def _locked(path: Path) -> int:
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Misconfigured(f"{path.parent} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise StateConflict("Another run is sending this file by this link.", field="file") from error
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # removed by whoever had it, between our opening and our locking
