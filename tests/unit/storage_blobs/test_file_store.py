"""The file store's own promises: the order of S-10, names and modes, what it makes of strangers, and its readers."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import random
import stat
from pathlib import Path
from threading import Event, Thread

import pytest

from crypto import new_blob_id
from domain.errors import BlobsUnavailable, Misconfigured
from domain.ids import BlobId
from storage.blobs.disk import Disk
from storage.blobs.file import FileBlobStore
from storage.blobs.file_reader import FileReader
from tests.unit.storage_blobs.lying_disk import LyingDisk

MIB = 1 << 20


def put(store: FileBlobStore, content: bytes = b"abc", blob_id: BlobId | None = None) -> BlobId:
    blob_id = blob_id or new_blob_id()
    with store.create(blob_id, None) as writer:
        writer.write(content)
        writer.commit()
    return blob_id


def path_of(store_root: Path, blob_id: BlobId) -> Path:
    return store_root / blob_id[:2] / blob_id


# -- order -------------------------------------------------------------------------------------------------------------
def test_a_blob_is_made_durable_in_the_one_right_order(tmp_path: Path) -> None:
    disk = LyingDisk()
    put(FileBlobStore(tmp_path, disk=disk))
    assert disk.calls == [
        "make_folder",
        "sync_root",
        "open_new",
        "write",
        "sync",
        "close",
        "rename_new",
        "sync_folder",
    ]


def test_a_folder_is_made_durable_once(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    put(store, blob_id=BlobId("ab" * 16))
    disk.calls.clear()
    put(store, blob_id=BlobId("ab" * 15 + "00"))
    assert "make_folder" not in disk.calls
    assert "sync_root" not in disk.calls


def test_the_store_s_own_folders_are_durable_each_in_the_one_above(tmp_path: Path) -> None:
    disk = LyingDisk()
    FileBlobStore(tmp_path / "one" / "two", disk=disk)
    assert disk.calls == ["make_folder", "sync_root"] * 2
    disk.calls.clear()
    FileBlobStore(tmp_path / "one" / "two", disk=disk)
    assert disk.calls == []


class CachelessDisk(LyingDisk):
    """``direct``: whether it can write past the cache; such writes are noted, and what does not fit them refused."""

    def __init__(self, *, direct: bool = True, refuses: bool = False) -> None:
        super().__init__()
        self._can = direct
        self._refuses = refuses
        self._on = False
        self.past: list[int] = []

    def go_direct(self, descriptor: int, *, direct: bool) -> bool:
        self._on = self._can and direct
        return self._on

    def write(self, descriptor: int, view: memoryview) -> int:
        if self._on and (self._refuses or len(view) % 4096):
            raise OSError(errno.EINVAL, "does not fit")
        if self._on:
            self.past.append(len(view))
        return super().write(descriptor, view)


@pytest.mark.parametrize("end", [0, 1, 4096, 5000])
@pytest.mark.parametrize("how", [{}, {"refuses": True}, {"direct": False}], ids=["can", "refuses", "cannot"])
def test_whole_segments_of_a_large_blob_go_past_the_cache_where_the_disk_lets_them(tmp_path: Path, end, how) -> None:
    disk = CachelessDisk(**how)
    pieces = [bytes([number]) * MIB for number in range(12)] + [b"e" * end]
    store = FileBlobStore(tmp_path, disk=disk)
    with store.create(blob_id := new_blob_id(), 12 * MIB + end) as writer:
        for piece in pieces:
            writer.write(piece)
        writer.commit()
    assert path_of(tmp_path, blob_id).read_bytes() == b"".join(pieces)
    assert disk.past == ([] if how else [MIB] * 12 + [4096] * (end == 4096))
    assert ("start_writeback" in disk.calls) == bool(how)


def test_a_short_write_past_the_cache_is_gone_on_with_in_the_cache(tmp_path: Path) -> None:
    disk = CachelessDisk()
    disk.longest = 5000
    with FileBlobStore(tmp_path, disk=disk).create(blob_id := new_blob_id(), 12 * MIB) as writer:
        for number in range(12):
            writer.write(bytes([number]) * MIB)
        writer.commit()
    assert path_of(tmp_path, blob_id).read_bytes() == b"".join(bytes([number]) * MIB for number in range(12))


def test_a_real_disk_takes_segments_past_the_cache_or_says_that_it_cannot(tmp_path: Path) -> None:
    segment = memoryview(mmap.mmap(-1, MIB))
    segment[:] = random.Random(1).randbytes(MIB)
    with FileBlobStore(tmp_path).create(blob_id := new_blob_id(), 9 * MIB + 7) as writer:
        for _ in range(9):
            writer.write(segment)
        writer.write(segment[:7])
        writer.commit()
    assert path_of(tmp_path, blob_id).read_bytes() == bytes(segment) * 9 + bytes(segment[:7])


def test_writeback_is_started_as_a_blob_grows(tmp_path: Path) -> None:
    disk = LyingDisk()
    with FileBlobStore(tmp_path, disk=disk).create(new_blob_id(), None) as writer:
        for _ in range(20):
            writer.write(bytes(MIB))
        assert disk.calls.count("start_writeback") == 2
        assert disk.calls.index("start_writeback") == disk.calls.index("write") + 8
        assert "sync" not in disk.calls


@pytest.mark.parametrize(
    ("expected", "written", "rooms"),
    [
        (None, 8, []),  # small, and one that never said it would not be
        (8, 8, []),
        (9, 9, [9]),
        (150, 9, [64]),  # ended early
        (150, 150, [64, 64, 22]),
        (9, 80, [9, 64, 64]),  # went on
        (None, 80, [64, 64]),
    ],
)
def test_room_is_set_aside_as_a_blob_grows_and_what_is_left_given_back(
    tmp_path: Path, expected: int | None, written: int, rooms: list[int]
) -> None:
    """All in MiB."""
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = new_blob_id()
    with store.create(blob_id, None if expected is None else expected * MIB) as writer:
        for _ in range(written):
            writer.write(bytes(MIB))
        writer.commit()
    assert [length // MIB for length in disk.rooms] == rooms
    first = 8 if expected is None or expected <= 8 else 0
    given_back = bool(rooms) and first + sum(rooms) > written
    assert disk.calls[-5:] == [
        *(["truncate"] if given_back else disk.calls[-5:-4]),
        "sync",
        "close",
        "rename_new",
        "sync_folder",
    ]
    found = path_of(tmp_path, blob_id).stat()
    assert found.st_size == written * MIB
    assert found.st_blocks * 512 <= (written + 1) * MIB


def test_one_great_piece_finds_room_for_itself(tmp_path: Path) -> None:
    disk = LyingDisk()
    with FileBlobStore(tmp_path, disk=disk).create(new_blob_id(), None) as writer:
        writer.write(bytes(70 * MIB))
        assert writer.commit().size == 70 * MIB
    assert disk.rooms == [70 * MIB]


def test_a_delete_is_durable_even_where_nothing_was_left(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store)
    for _ in range(2):
        disk.calls.clear()
        store.delete(blob_id)
        assert disk.calls == ["unlink", "unlink", "sync_folder"]


def test_a_digest_comes_from_the_disk_not_from_the_memory_of_the_writing(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store, b"abc")
    disk.reads.clear()
    assert store.digest(blob_id) == hashlib.sha256(b"abc").digest()
    assert disk.reads[:3] == ["open_old", "forget", "read"]
    path_of(tmp_path, blob_id).write_bytes(b"abd")
    assert store.digest(blob_id) == hashlib.sha256(b"abd").digest()


# -- names and modes ---------------------------------------------------------------------------------------------------
def test_only_we_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = FileBlobStore(tmp_path / "new" / "blobs")
        put(store)
        store.create(new_blob_id(), None)
    finally:
        os.umask(before)
    folders = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()}
    files = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert (folders, files) == ({0o700}, {0o600})


def test_another_start_finds_what_was_committed(tmp_path: Path) -> None:
    blob_id = put(FileBlobStore(tmp_path), b"abc")
    again = FileBlobStore(tmp_path)
    assert [found.blob_id for found in again.iterate()] == [blob_id]
    assert again.digest(blob_id) == hashlib.sha256(b"abc").digest()


def test_strangers_in_the_folder_are_no_blobs(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store, blob_id=BlobId("ab" * 16))
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found" / ("cd" * 16)).write_bytes(b"x")
    (tmp_path / "README").write_bytes(b"x")
    (tmp_path / ("ef" * 16)).write_bytes(b"x")
    (tmp_path / "cd").write_bytes(b"a file where a folder is expected")
    folder = tmp_path / "ab"
    (folder / ("cd" * 16)).write_bytes(b"in the wrong folder")
    (folder / ("ab" * 16 + ".bak")).write_bytes(b"x")
    (folder / ("AB" * 16)).write_bytes(b"x")
    (folder / ("ab" * 15 + "00")).symlink_to(path_of(tmp_path, blob_id))
    (folder / ("ab" * 15 + "01")).mkdir()
    assert [found.blob_id for found in store.iterate()] == [blob_id]
    assert disk.reads.count("names") == 3  # the root, ab and cd: strangers' folders may not be ours to open
    for name in ("00", "01"):
        assert store.stat(BlobId("ab" * 15 + name)) is None


def test_a_link_in_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path / "blobs")
    (tmp_path / "secret").write_bytes(b"not ours")
    blob_id = BlobId("ab" * 16)
    (tmp_path / "blobs" / "ab").mkdir()
    path_of(tmp_path / "blobs", blob_id).symlink_to(tmp_path / "secret")
    with pytest.raises(BlobsUnavailable):
        store.open(blob_id)


def test_an_empty_folder_that_was_cleared_away_is_made_again(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path)
    blob_id = put(store)
    store.delete(blob_id)
    (tmp_path / blob_id[:2]).rmdir()
    store.delete(blob_id)
    put(store, b"again", BlobId(blob_id[:2] + "0" * 30))
    assert [found.size for found in store.iterate()] == [5]


# -- the place itself --------------------------------------------------------------------------------------------------
def test_a_file_is_no_place_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match="not a folder"):
        FileBlobStore(tmp_path / "file")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    disk = LyingDisk()
    disk.kind = kind
    with pytest.raises(Misconfigured, match=f"not {kind}"):
        FileBlobStore(tmp_path, disk=disk)


def test_a_place_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(BlobsUnavailable):
        FileBlobStore(tmp_path / "blobs", disk=LyingDisk(make_folder=13))


# -- reading -----------------------------------------------------------------------------------------------------------
def test_short_reads_are_completed(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store, bytes(range(100)))
    disk.longest = 7
    with store.open(blob_id) as reader:
        assert reader.read_at(10, 50) == bytes(range(10, 60))
        assert reader.read_at(90, 50) == bytes(range(90, 100))


def test_a_blob_cut_short_behind_our_back_ends_early(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path)
    blob_id = put(store, bytes(100))
    with store.open(blob_id) as reader:
        os.truncate(path_of(tmp_path, blob_id), 30)
        assert reader.read_at(20, 50) == bytes(10)


def test_a_close_waits_for_the_reads_that_are_under_way(tmp_path: Path) -> None:
    """Else the descriptor's number is the next file's, and the read gives that one's bytes."""
    entered, go_on = Event(), Event()

    class SlowDisk(Disk):
        closed = 0

        def read(self, descriptor: int, length: int, offset: int) -> bytes:
            entered.set()
            assert go_on.wait(10)
            return super().read(descriptor, length, offset)

        def close(self, descriptor: int) -> None:
            SlowDisk.closed += 1
            super().close(descriptor)

    (tmp_path / "blob").write_bytes(b"right bytes")
    disk = SlowDisk()
    reader = FileReader(disk, disk.open_old(tmp_path / "blob"))
    got: list[bytes] = []
    thread = Thread(target=lambda: got.append(reader.read_at(0, 11)))
    thread.start()
    assert entered.wait(10)
    reader.close()
    assert SlowDisk.closed == 0
    go_on.set()
    thread.join()
    assert got == [b"right bytes"]
    assert SlowDisk.closed == 1
