"""Disks that fail and lie: nothing stays, the right error is said, and lost trust must be won back (S-12, S-13)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto import new_blob_id
from domain.errors import BilagaError, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.file import FileBlobStore
from tests.unit.storage_blobs.lying_disk import GIB, LyingDisk

MIB = 1 << 20
STEPS = ["make_folder", "sync_root", "open_new", "write", "sync", "close", "rename_new", "sync_folder"]
UNTRUSTED = ["sync", "close", "sync_folder"]


def put(store: FileBlobStore, expected: int | None = None) -> BlobId:
    blob_id = new_blob_id()
    with store.create(blob_id, expected) as writer:
        writer.write(b"abc")
        writer.commit()
    return blob_id


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


# -- errors ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EIO, BlobsUnavailable), (errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull)],
    ids=["EIO", "ENOSPC", "EDQUOT"],
)
def test_whatever_fails_leaves_nothing_and_says_so(
    tmp_path: Path, step: str, number: int, said: type[BilagaError]
) -> None:
    store = FileBlobStore(tmp_path, disk=LyingDisk(**{step: number}))
    with pytest.raises(said) as raised:
        put(store)
    assert str(tmp_path) not in str(raised.value)
    assert isinstance(raised.value.__cause__, OSError)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("step", ["write", "sync", "close", "rename_new", "sync_folder"])
def test_a_writer_that_failed_is_over_without_a_block_too(tmp_path: Path, step: str) -> None:
    disk = LyingDisk(**{step: errno.EIO})
    writer = FileBlobStore(tmp_path, disk=disk).create(new_blob_id(), None)
    with pytest.raises(BlobsUnavailable):
        for act in (lambda: writer.write(b"abc"), writer.commit):
            act()
    assert files_in(tmp_path) == []
    assert disk.calls.count("close") == 1
    disk.failing.clear()
    for act in (lambda: writer.write(b"abc"), writer.commit):
        with pytest.raises(BlobsUnavailable):
            act()
    writer.abort()
    assert disk.calls.count("close") == 1


def test_what_cannot_even_be_cleared_away_is_never_readable(tmp_path: Path) -> None:
    disk = LyingDisk(sync=errno.EIO, unlink=errno.EIO)
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable):
        put(store)
    assert [found.finished for found in store.iterate()] == [False]


@pytest.mark.parametrize("step", ["unlink", "sync_folder"])
def test_a_delete_that_failed_says_so_and_is_done_again(tmp_path: Path, step: str) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store)
    disk.failing[step] = errno.EIO
    with pytest.raises(BlobsUnavailable):
        store.delete(blob_id)
    disk.failing.clear()
    store.delete(blob_id)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "act"),
    [
        ("open_old", lambda store, blob_id: store.open(blob_id)),
        ("read", lambda store, blob_id: store.open(blob_id).read_at(0, 1)),
        ("read", lambda store, blob_id: store.digest(blob_id)),
        ("forget", lambda store, blob_id: store.digest(blob_id)),
        ("look", lambda store, blob_id: store.stat(blob_id)),
        ("look", lambda store, blob_id: list(store.iterate())),
        ("names", lambda store, blob_id: list(store.iterate())),
    ],
)
def test_a_disk_that_cannot_be_read_is_unavailable_never_empty(
    tmp_path: Path, step: str, act: Callable[[FileBlobStore, BlobId], object]
) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store)
    disk.failing[step] = errno.EIO
    with pytest.raises(BlobsUnavailable):
        act(store, blob_id)


def test_short_writes_are_completed(tmp_path: Path) -> None:
    disk = LyingDisk()
    disk.longest = 2
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = new_blob_id()
    with store.create(blob_id, None) as writer:
        writer.write(memoryview(b"12345678").cast("I"))
        assert writer.commit().size == 8
    with store.open(blob_id) as reader:
        assert reader.read_at(0, 20) == b"12345678"
    assert disk.calls.count("write") == 4


def test_a_write_that_takes_nothing_is_a_full_disk(tmp_path: Path) -> None:
    disk = LyingDisk()
    disk.longest = 0
    with pytest.raises(StorageFull):
        put(FileBlobStore(tmp_path, disk=disk))
    assert files_in(tmp_path) == []


def test_a_disk_that_writes_less_than_it_says_is_found_out(tmp_path: Path) -> None:
    class Liar(LyingDisk):
        def write(self, descriptor: int, view: memoryview) -> int:
            super().write(descriptor, view[:-1])
            return len(view)

    with pytest.raises(BlobsUnavailable, match="not what was written"):
        put(FileBlobStore(tmp_path, disk=Liar()))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "number", "said"),
    [
        ("allocate", errno.ENOSPC, StorageFull),
        ("allocate", errno.EIO, BlobsUnavailable),
        ("truncate", errno.EIO, BlobsUnavailable),
    ],
)
def test_a_great_blob_that_finds_no_room_leaves_nothing(
    tmp_path: Path, step: str, number: int, said: type[BilagaError]
) -> None:
    disk = LyingDisk(**{step: number})
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(said), store.create(new_blob_id(), 100 * MIB) as writer:
        writer.write(b"abc")
        writer.commit()
    assert files_in(tmp_path) == []
    assert "sync" not in disk.calls


# -- trust -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", UNTRUSTED)
def test_a_failed_sync_is_told_and_never_tried_again_on_those_bytes(
    tmp_path: Path, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk = LyingDisk(**{step: errno.EIO})
    store = FileBlobStore(tmp_path, disk=disk)
    with caplog.at_level(logging.ERROR), pytest.raises(BlobsUnavailable):
        put(store)
    assert disk.calls.count(step) == 1
    assert disk.calls.count("sync") == 1
    assert [(record.getMessage(), record.levelname) for record in caplog.records] == [("blobs.degraded", "ERROR")]
    assert str(tmp_path) not in str(caplog.records[0].__dict__)


@pytest.mark.parametrize("step", UNTRUSTED)
def test_a_degraded_store_takes_nothing_until_a_probe_was_durable(tmp_path: Path, step: str) -> None:
    disk = LyingDisk(**{step: errno.EIO})
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable):
        put(store)
    disk.failing = {"sync": errno.EIO}
    for _ in range(2):
        with pytest.raises(BlobsUnavailable):
            store.ping()
    disk.calls.clear()
    with pytest.raises(BlobsUnavailable):
        store.create(new_blob_id(), None)
    assert "make_folder" not in disk.calls
    assert files_in(tmp_path) == []
    disk.failing.clear()
    store.ping()
    assert "sync" in disk.calls
    disk.calls.clear()
    put(store)
    store.ping()
    assert disk.calls.count("sync") == 1  # the blob's own: a trusted store is not probed


def test_a_store_that_nobody_pings_finds_its_way_back_too(tmp_path: Path) -> None:
    disk = LyingDisk(sync=errno.EIO)
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable):
        put(store)
    disk.failing.clear()
    put(store)


def test_a_degraded_store_does_not_claim_a_delete(tmp_path: Path) -> None:
    """The unlink is done, as it can only help; that it is durable is not believed."""
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store)
    disk.failing["sync"] = errno.EIO
    with pytest.raises(BlobsUnavailable):
        put(store)
    with pytest.raises(BlobsUnavailable):
        store.delete(blob_id)
    assert files_in(tmp_path) == []
    disk.failing.clear()
    store.delete(blob_id)


def test_having_too_many_files_open_is_no_loss_of_bytes(tmp_path: Path) -> None:
    disk = LyingDisk(sync_folder=errno.EMFILE)
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable):
        put(store)
    disk.failing = {"sync": errno.EIO}
    store.ping()


@pytest.mark.parametrize("step", ["open_new", "unlink", "write", "close"])
def test_a_store_that_cannot_be_written_says_so_when_asked(tmp_path: Path, step: str) -> None:
    disk = LyingDisk(**{step: errno.EROFS})
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable):
        store.ping()
    disk.failing.clear()
    store.ping()
    assert [path for path in files_in(tmp_path) if step != "unlink"] == []


# -- room --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("total", "reserve"),
    [(1000 * GIB, 2 * GIB), (40 * GIB, 2 * GIB), (20 * GIB, GIB), (100 * MIB, 5 * MIB)],
)
def test_the_reserve_is_two_gib_or_a_twentieth(tmp_path: Path, total: int, reserve: int) -> None:
    disk = LyingDisk()
    disk.room = (total, reserve + 100)
    store = FileBlobStore(tmp_path, disk=disk)
    assert (store.space().total, store.space().free) == (total, 100)
    store.create(new_blob_id(), 100).abort()
    store.create(new_blob_id(), None).abort()
    disk.calls.clear()
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), 101)
    assert disk.calls == []


@pytest.mark.parametrize("expected", [None, 0, 1])
def test_nothing_more_is_taken_where_only_the_reserve_is_left(tmp_path: Path, expected: int | None) -> None:
    disk = LyingDisk()
    disk.room = (100 * GIB, 2 * GIB)
    store = FileBlobStore(tmp_path, disk=disk)
    assert store.space().free == 0
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), expected)
    assert disk.calls == []


def test_the_reserve_can_be_set(tmp_path: Path) -> None:
    disk = LyingDisk()
    disk.room = (100 * GIB, GIB)
    assert FileBlobStore(tmp_path, disk=disk, reserve=0).space().free == GIB
    assert FileBlobStore(tmp_path, disk=disk, reserve=GIB - 7).space().free == 7


def test_purge_and_probe_work_in_the_reserve(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    blob_id = put(store)
    disk.room = (100 * GIB, 0)
    store.ping()
    store.delete(blob_id)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("expected", [None, 50 * MIB])
def test_an_upload_that_reaches_the_reserve_is_stopped_on_its_way(tmp_path: Path, expected: int | None) -> None:
    disk = LyingDisk()
    disk.room = (2 * GIB, GIB)  # a reserve of some 100 MiB: a look every 6 MiB
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(StorageFull), store.create(new_blob_id(), expected) as writer:
        for written in range(1, 50):
            writer.write(bytes(MIB))
            if written == 10:
                disk.room = (2 * GIB, 50 * MIB)  # others wrote too
            assert written < 17
    assert files_in(tmp_path) == []
