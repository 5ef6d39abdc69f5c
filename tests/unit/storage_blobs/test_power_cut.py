"""The crash table's rows of the store (U1-U3, P2, P3): the power is cut before every single call, and every disk that
may be found afterwards is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from domain.ids import BlobId
from storage.blobs.file import FileBlobStore
from tests.unit.storage_blobs.forgetful_disk import ForgetfulDisk, PowerCut

SITE = Path("/site")
ROOT = SITE / "a" / "blobs"
BLOB = BlobId("ab" * 16)
OTHER = BlobId("ab" * 15 + "cd")
CONTENT = b"sealed bytes of one attachment"
Act = Callable[[FileBlobStore], object]


def upload(store: FileBlobStore) -> None:
    with store.create(BLOB, len(CONTENT)) as writer:
        writer.write(CONTENT[:7])
        writer.write(CONTENT[7:])
        writer.commit()


def purge(store: FileBlobStore) -> None:
    store.delete(BLOB)


def nothing(store: FileBlobStore) -> None:
    return


def store_on(disk: ForgetfulDisk) -> FileBlobStore:
    return FileBlobStore(ROOT, disk=disk)


def found_on(disk: ForgetfulDisk) -> list[tuple[BlobId, bytes | None]]:
    """What the next start finds: ids, with the content where a blob is finished."""
    store = store_on(disk)
    found: list[tuple[BlobId, bytes | None]] = []
    for stat in store.iterate():
        content = None
        if stat.finished:
            with store.open(stat.blob_id) as reader:
                content = reader.read_at(0, 1 << 20)
            assert len(content) == stat.size
        found.append((stat.blob_id, content))
    return found


def cuts(before: Act, act: Act) -> Iterator[tuple[ForgetfulDisk, bool]]:
    """The disk after the power was cut before each of the act's calls in turn, then after all of it was done."""
    for steps in count():
        disk = ForgetfulDisk({SITE: {}})
        store = store_on(disk)
        before(store)
        disk.cut_at = steps
        try:
            act(store)
        except PowerCut:
            yield disk, False
        else:
            yield disk, True
            return


def cut_anywhere(before: Act, act: Act) -> Iterator[tuple[ForgetfulDisk, bool]]:
    for disk, done in cuts(before, act):
        for future in disk.futures():
            yield future, done


def test_an_upload_is_whole_or_absent_wherever_the_power_goes() -> None:
    seen = set()
    for future, done in cut_anywhere(nothing, upload):
        found = found_on(future)
        assert found in ([], [(BLOB, None)], [(BLOB, CONTENT)])
        if done:
            assert found == [(BLOB, CONTENT)]
        seen.add((done, str(found)))
    assert len(seen) == 4  # the model did try all of it: nothing, a part, the blob; and the blob when it was done


def test_a_neighbour_is_not_touched_by_an_upload_that_dies() -> None:
    def neighbour(store: FileBlobStore) -> None:
        with store.create(OTHER, 1) as writer:
            writer.write(b"n")
            writer.commit()

    for future, _ in cut_anywhere(neighbour, upload):
        assert (OTHER, b"n") in found_on(future)


def test_what_a_purge_removed_never_comes_back() -> None:
    seen = set()
    for future, done in cut_anywhere(upload, purge):
        found = found_on(future)
        assert found in ([], [(BLOB, CONTENT)])
        if done:
            assert found == []
        seen.add((done, str(found)))
        # Interrupted or not, it is done again, and once that is done it is gone for good.
        store_on(future).delete(BLOB)
        for later in future.futures():
            assert found_on(later) == []
    assert len(seen) == 3


def test_a_purge_takes_what_a_dead_upload_left() -> None:
    for future, _ in cut_anywhere(nothing, upload):
        for later, done in cut_anywhere_from(future, purge):
            if done:
                assert found_on(later) == []


def cut_anywhere_from(disk: ForgetfulDisk, act: Act) -> Iterator[tuple[ForgetfulDisk, bool]]:
    state = next(iter(disk.futures()))  # nothing was changed since the start: all of its futures are alike
    for steps in count():
        again = next(iter(state.futures()))
        store = store_on(again)
        again.cut_at = steps
        try:
            act(store)
        except PowerCut:
            done = False
        else:
            done = True
        for future in again.futures():
            yield future, done
        if done:
            return


def test_a_folder_whose_maker_died_is_made_durable_by_the_next_one() -> None:
    """A later upload in a folder that is there, though perhaps not for good."""

    def another(store: FileBlobStore) -> None:
        with store.create(OTHER, 1) as writer:
            writer.write(b"o")
            writer.commit()

    for disk, _ in cuts(nothing, upload):
        disk.cut_at = None
        another(store_on(disk))
        for future in disk.futures():
            assert (OTHER, b"o") in found_on(future)


@pytest.mark.parametrize(
    ("killed_in", "left"),
    [
        ("make_folder", []),
        ("sync_root", []),
        ("open_new", []),
        ("write", [(BLOB, None)]),  # U1
        ("sync", [(BLOB, None)]),  # U1
        ("close", [(BLOB, None)]),  # U2
        ("rename_new", [(BLOB, None)]),  # U2
        ("sync_folder", [(BLOB, CONTENT)]),  # U3: a blob that no row names
    ],
)
def test_what_a_killed_upload_leaves_where_the_machine_runs_on(
    killed_in: str, left: list[tuple[BlobId, bytes | None]]
) -> None:
    disks = [disk for disk, done in cuts(nothing, upload) if not done and disk.cut_in == killed_in]
    assert disks != []
    for disk in disks:
        disk.cut_at = None
        assert found_on(disk) == left


@pytest.mark.parametrize(
    ("killed_in", "left"), [("unlink", [[(BLOB, CONTENT)], [(BLOB, CONTENT)]]), ("sync_folder", [[]])]
)
def test_what_a_killed_purge_leaves_where_the_machine_runs_on(killed_in: str, left: list[object]) -> None:
    disks = [disk for disk, done in cuts(upload, purge) if not done and disk.cut_in == killed_in]
    for disk in disks:
        disk.cut_at = None
    assert [found_on(disk) for disk in disks] == left
