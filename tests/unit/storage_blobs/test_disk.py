"""The system's own calls, as the kernel that runs the tests really answers them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crypto import new_blob_id
from domain.errors import BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.disk import Disk
from storage.blobs.file import FileBlobStore
from tests.unit.storage_blobs.lying_disk import LyingDisk

TREE = Path(__file__).parents[3]
BLOB = BlobId("ab" * 16)


class OldDisk(LyingDisk):
    """A system that cannot rename without overwriting."""

    def _rename_no_replace(self, source: Path, target: Path) -> bool:
        return False


class FullDisk(Disk):
    """The kernel's own full device in place of every new file."""

    def open_new(self, path: Path) -> int:
        os.close(super().open_new(path))
        return os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC)


@pytest.mark.parametrize("disk", [Disk(), OldDisk()], ids=["new", "old"])
def test_renaming_never_overwrites(tmp_path: Path, disk: Disk) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        disk.rename_new(one, two)
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    disk.rename_new(one, three)
    assert (one.exists(), three.read_bytes()) == (False, b"1")
    with pytest.raises(FileNotFoundError):
        disk.rename_new(one, tmp_path / "four")
    assert sorted(disk.names(tmp_path)) == ["three", "two"]


def test_a_store_on_an_old_system_keeps_its_promises(tmp_path: Path) -> None:
    disk = OldDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    for content in (b"first", b"second"):
        with store.create(BLOB, None) as writer:
            writer.write(content)
            if content == b"second":
                with pytest.raises(BlobsUnavailable):
                    writer.commit()
            else:
                writer.commit()
    with store.open(BLOB) as reader:
        assert reader.read_at(0, 10) == b"first"
    assert [found.finished for found in store.iterate()] == [True]


def test_an_old_system_that_fails_half_way_leaves_no_blob(tmp_path: Path) -> None:
    disk = OldDisk()
    store = FileBlobStore(tmp_path, disk=disk)
    with pytest.raises(BlobsUnavailable), store.create(BLOB, None) as writer:
        writer.write(b"abc")
        disk.failing["unlink"] = errno.EIO
        writer.commit()
    assert store.stat(BLOB) is None


def test_a_crash_between_link_and_unlink_leaves_one_whole_blob(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path)
    writer = store.create(BLOB, None)
    writer.write(b"abc")
    os.link(tmp_path / "ab" / f"{BLOB}.part", tmp_path / "ab" / BLOB)
    again = FileBlobStore(tmp_path)
    assert [(found.blob_id, found.finished) for found in again.iterate()] == [(BLOB, True)]
    again.delete(BLOB)
    assert os.listdir(tmp_path / "ab") == []
    writer.abort()


def test_a_new_file_is_new(tmp_path: Path) -> None:
    disk = Disk()
    disk.close(disk.open_new(tmp_path / "new"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("new", "link"):
        with pytest.raises(FileExistsError):
            disk.open_new(tmp_path / name)


def test_the_kernel_is_asked_what_lies_under_a_folder(tmp_path: Path) -> None:
    disk = Disk()
    assert disk.file_system(Path("/proc")) == "proc"
    assert disk.file_system(tmp_path) != "proc"


def test_room_is_set_aside_without_a_change_of_size(tmp_path: Path) -> None:
    disk = Disk()
    descriptor = disk.open_new(tmp_path / "new")
    disk.write(descriptor, memoryview(b"abc"))
    disk.allocate(descriptor, 3, 10_000_000)
    assert disk.size(descriptor) == 3
    disk.truncate(descriptor, 3)
    assert os.fstat(descriptor).st_blocks * 512 < 1_000_000
    with pytest.raises(OSError, match=r"No space|too large"):
        disk.allocate(descriptor, 0, 1 << 60)
    disk.close(descriptor)


def test_what_cannot_set_room_aside_does_not(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    Disk().allocate(writing, 0, 100)
    os.close(reading)
    os.close(writing)


def test_writeback_begins_and_is_no_promise(tmp_path: Path) -> None:
    disk = Disk()
    descriptor = disk.open_new(tmp_path / "new")
    disk.write(descriptor, memoryview(bytes(100_000)))
    disk.start_writeback(descriptor, 0, 100_000)
    disk.start_writeback(-1, 0, 100_000)  # whatever it says: the sync tells
    disk.sync(descriptor)
    disk.close(descriptor)
    assert disk.look(tmp_path / "new") is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.sync(descriptor)


def test_a_device_that_is_full_is_a_full_store(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path, disk=FullDisk())
    with pytest.raises(StorageFull), store.create(BLOB, None) as writer:
        writer.write(bytes(100_000))
    assert list(store.iterate()) == []


def test_the_system_s_limit_of_a_file_s_size_is_a_full_store(tmp_path: Path) -> None:
    """The kernel itself first writes a part of what it is given, and then nothing more."""
    kept = FileBlobStore(tmp_path)
    with kept.create(BLOB, None) as writer:
        writer.write(b"kept")
        writer.commit()
    script = f"""
import resource
from pathlib import Path
from domain.errors import StorageFull
from storage.blobs.file import FileBlobStore
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
store = FileBlobStore(Path({str(tmp_path)!r}))
with store.create({new_blob_id()!r}, None) as writer:
    writer.write(bytes(4000))
    try:
        writer.write(bytes(1000))
    except StorageFull:
        print([stat.size for stat in store.iterate()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(TREE)}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[4]\n", "")
