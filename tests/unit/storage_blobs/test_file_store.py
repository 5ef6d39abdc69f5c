"""The file store's own promises: the order of S-10, and what it does when the disk lies."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from crypto import new_blob_id
from domain.errors import BlobsUnavailable, StorageFull
from storage.blobs.disk import Disk
from storage.blobs.file import FileBlobStore


class LyingDisk(Disk):
    """The real disk, which notes every call and fails where it is told to."""

    def __init__(self, **failing: int) -> None:
        self.calls: list[str] = []
        self.failing = failing
        self.short = False

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise OSError(self.failing[call], os.strerror(self.failing[call]))

    def make_folder(self, path: Path) -> bool:
        self._note("make_folder")
        return super().make_folder(path)

    def open_new(self, path: Path) -> int:
        self._note("open_new")
        return super().open_new(path)

    def write(self, descriptor: int, view: memoryview) -> int:
        self._note("write")
        return super().write(descriptor, view[: max(1, len(view) // 2)] if self.short else view)

    def start_writeback(self, descriptor: int, offset: int, length: int) -> None:
        self._note("start_writeback")
        super().start_writeback(descriptor, offset, length)

    def sync(self, descriptor: int) -> None:
        self._note("sync")
        super().sync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._note("close")

    def rename_new(self, source: Path, target: Path) -> None:
        self._note("rename_new")
        super().rename_new(source, target)

    def unlink(self, path: Path) -> bool:
        self._note("unlink")
        return super().unlink(path)

    def sync_folder(self, path: Path) -> None:
        self._note("sync_root" if path.name in {"blobs", path.parent.name} else "sync_folder")
        super().sync_folder(path)


def store_on(tmp_path: Path, disk: Disk, **options: Any) -> FileBlobStore:
    (tmp_path / "blobs").mkdir(exist_ok=True)
    return FileBlobStore(tmp_path / "blobs", disk=disk, **options)


def test_the_order_of_a_durable_blob(tmp_path: Path) -> None:
    disk = LyingDisk()
    with store_on(tmp_path, disk).create(new_blob_id(), None) as writer:
        writer.write(b"a" * (9 << 20))
        writer.commit()
    assert disk.calls == [
        "make_folder",
        "sync_root",
        "open_new",
        "write",
        "start_writeback",
        "sync",
        "close",
        "rename_new",
        "sync_folder",
    ]


def test_a_delete_is_durable_even_where_nothing_was_left(tmp_path: Path) -> None:
    disk = LyingDisk()
    store = store_on(tmp_path, disk)
    blob_id = new_blob_id()
    with store.create(blob_id, 1) as writer:
        writer.write(b"a")
        writer.commit()
    for _ in range(2):
        disk.calls.clear()
        store.delete(blob_id)
        assert disk.calls == ["unlink", "unlink", "sync_folder"]


@pytest.mark.parametrize(
    "call", ["make_folder", "sync_root", "open_new", "write", "sync", "close", "rename_new", "sync_folder"]
)
def test_whatever_fails_leaves_nothing_and_says_so(tmp_path: Path, call: str) -> None:
    disk = LyingDisk(**{call: errno.EIO})
    store = store_on(tmp_path, disk)
    blob_id = new_blob_id()
    with pytest.raises(BlobsUnavailable), store.create(blob_id, 3) as writer:
        writer.write(b"abc")
        writer.commit()
    assert store.stat(blob_id) is None
    assert list(store.iterate()) == []


def test_after_a_failed_sync_the_same_file_is_never_synced_again(tmp_path: Path) -> None:
    disk = LyingDisk(sync=errno.EIO)
    store = store_on(tmp_path, disk)
    with pytest.raises(BlobsUnavailable), store.create(new_blob_id(), 3) as writer:
        writer.write(b"abc")
        try:
            writer.commit()
        finally:
            assert disk.calls.count("sync") == 1
    with pytest.raises(BlobsUnavailable):
        store.ping()
    disk.failing.clear()
    store.ping()
    disk.failing["sync"] = errno.EIO
    store.ping()  # a store that is well again is probed without a sync


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full(tmp_path: Path, number: int) -> None:
    store = store_on(tmp_path, LyingDisk(write=number))
    with pytest.raises(StorageFull), store.create(new_blob_id(), None) as writer:
        writer.write(b"abc")
    assert list(store.iterate()) == []


def test_short_writes_are_completed(tmp_path: Path) -> None:
    disk = LyingDisk()
    disk.short = True
    store = store_on(tmp_path, disk)
    blob_id = new_blob_id()
    with store.create(blob_id, 10) as writer:
        writer.write(b"0123456789")
        writer.commit()
    with store.open(blob_id) as reader:
        assert reader.read_at(0, 20) == b"0123456789"
    assert disk.calls.count("write") > 1


def test_the_reserve_is_kept_free(tmp_path: Path) -> None:
    free = FileBlobStore(tmp_path / "other", reserve=0).space().free
    store = store_on(tmp_path, Disk(), reserve=free - (1 << 20))
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), 100 << 20)
    full = store_on(tmp_path, Disk(), reserve=free * 2)
    with pytest.raises(StorageFull):
        full.create(new_blob_id(), None)


def test_a_file_size_limit_of_the_system_is_a_full_store(tmp_path: Path) -> None:
    """A real refusal by the kernel, in a child of its own, wherever the test runs."""
    child = os.fork()
    if child == 0:
        import resource
        import signal

        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            store = FileBlobStore(tmp_path / "blobs")
            try:
                with store.create(new_blob_id(), None) as writer:
                    writer.write(b"a" * 5000)
            except StorageFull:
                code = 0 if list(store.iterate()) == [] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_we_can_read_it(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path / "blobs")
    blob_id = new_blob_id()
    with store.create(blob_id, 1) as writer:
        writer.write(b"a")
        writer.commit()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {0o700, 0o600}
