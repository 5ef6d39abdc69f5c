"""The store in a folder: one file a blob, durable in the order of S-10, under names that are the service's alone.

``root/ab/ab…32 digits`` is a blob; with ``.part`` behind it, what a writer is at or left behind. 256 folders: creating
and unlinking a million files costs the same in one folder, in 256 and in 65,536 (performance.md §6), so the least that
keeps each folder short enough for people and backup tools (4,000 names of a million) is best: every further folder is
one more to make durable.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from domain.errors import BlobMissing
from domain.ids import BlobId
from storage.blobs.disk import Disk
from storage.blobs.file_reader import FileReader
from storage.blobs.file_writer import FileWriter
from storage.blobs.port import BlobReader, BlobStat, BlobWriter, Space, check_id
from storage.blobs.volume import Volume, translating

PART = ".part"
READ = 1 << 20
_FOLDER = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"([0-9a-f]{32})(?:\.part)?")


class FileBlobStore:
    """``BlobStore`` and ``Digesting`` on a local file system.

    ``reserve``: bytes that stay free; None: 2 GiB or 5 % of the disk, whichever is less (S-13). Raises Misconfigured
    where ``root`` cannot be one, BlobsUnavailable where it cannot be made.
    """

    def __init__(self, root: Path, *, reserve: int | None = None, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        with translating():
            self._volume = Volume(root, self._disk, reserve)
        self._root = root
        self._lock = Lock()
        self._durable: set[Path] = set()

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        check_id(blob_id)
        folder = self._folder(blob_id)
        part = folder / f"{blob_id}{PART}"
        with translating():
            self._volume.prove()
            self._volume.check_room(expected_size or 0)
            self._make(folder)
            try:
                descriptor = self._disk.open_new(part)
            except FileNotFoundError:
                # Somebody cleared the empty folder away.
                with self._lock:
                    self._durable.discard(folder)
                self._make(folder)
                descriptor = self._disk.open_new(part)
        return FileWriter(self._volume, blob_id, part, folder / blob_id, descriptor, expected_size)

    def open(self, blob_id: BlobId) -> BlobReader:
        return self._open(blob_id)

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        check_id(blob_id)
        with translating():
            found = self._disk.look(self._folder(blob_id) / blob_id)
        return None if found is None else BlobStat(blob_id, *found, finished=True)

    def delete(self, blob_id: BlobId) -> None:
        check_id(blob_id)
        folder = self._folder(blob_id)
        with translating():
            # In this order a commit at the same moment finds its part gone, or its blob is found here.
            self._disk.unlink(folder / f"{blob_id}{PART}")
            self._disk.unlink(folder / blob_id)
            # Also where nothing was there: an unlink before a crash may not have been durable (crash row P3).
            with suppress(FileNotFoundError):
                self._volume.sync_folder(folder)
            # Last: a disk that lost our trust is still one to take bytes off, but not one to believe.
            self._volume.prove()

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        if after is not None:
            check_id(after)
        return self._iterate(after or "")

    def _iterate(self, after: str) -> Iterator[BlobStat]:
        """Strangers' files, and ours in the wrong folder, are not ours to judge: they are no blobs."""
        for folder in self._names(self._root):
            if not _FOLDER.fullmatch(folder) or folder < after[:2]:
                continue
            last = ""
            for name in self._names(self._root / folder):
                ours = _NAME.fullmatch(name)
                # Where both names are there, a crash between link and unlink left the second: the blob is whole.
                if ours is None or name[:2] != folder or ours[1] <= after or ours[1] == last:
                    continue
                with translating():
                    found = self._disk.look(self._root / folder / name)
                if found is not None:
                    last = ours[1]
                    yield BlobStat(BlobId(last), *found, finished=not name.endswith(PART))

    def _names(self, folder: Path) -> list[str]:
        with translating(), suppress(FileNotFoundError, NotADirectoryError):
            return sorted(self._disk.names(folder))
        return []

    def space(self) -> Space:
        with translating():
            return self._volume.space()

    def ping(self) -> None:
        with translating():
            self._volume.probe()

    def close(self) -> None:
        return

    def digest(self, blob_id: BlobId) -> bytes:
        digest = hashlib.sha256()
        offset = 0
        with self._open(blob_id) as reader:
            reader.forget()
            while piece := reader.read_at(offset, READ):
                digest.update(piece)
                offset += len(piece)
        return digest.digest()

    def _open(self, blob_id: BlobId) -> FileReader:
        check_id(blob_id)
        with translating():
            try:
                descriptor = self._disk.open_old(self._folder(blob_id) / blob_id)
            except FileNotFoundError as error:
                raise BlobMissing from error
            return FileReader(self._disk, descriptor)

    def _make(self, folder: Path) -> None:
        with self._lock:
            if folder in self._durable:
                return
            self._disk.make_folder(folder)
            # Also where it was there: whoever made it may have crashed before this.
            self._volume.sync_folder(self._root)
            self._durable.add(folder)

    def _folder(self, blob_id: BlobId) -> Path:
        return self._root / blob_id[:2]
