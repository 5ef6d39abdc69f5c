"""Blobs copied from one store to another, where either does what it should not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock

import pytest

from domain.errors import BlobsUnavailable
from domain.ids import AttachmentId, BlobId
from storage import BlobCopy, Copied, Row, Table, Unit
from storage.blobs.memory import MemoryBlobStore
from storage.records import Value
from tests.small_site import PurgeSite
from tests.unit.storage_check.installation import Around


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PurgeSite]:
    made = PurgeSite(tmp_path)
    yield made
    made.close()


class LyingStore(MemoryBlobStore):
    """Gives back something else than was written."""

    def digest(self, blob_id: BlobId) -> bytes:
        return hashlib.sha256(b"something else").digest()


class Counting(Around):
    """Counts how many blobs are being read at the same time."""

    def __init__(self, store: MemoryBlobStore) -> None:
        super().__init__(store)
        self.most = self._now = 0
        self._lock = Lock()

    def open(self, blob_id: BlobId):
        counting = self

        class Reader:
            def __init__(self) -> None:
                self.inner = counting.store.open(blob_id)
                self.size = self.inner.size

            def read_at(self, offset: int, length: int) -> bytes:
                assert length <= 4 << 20
                return self.inner.read_at(offset, length)

            def __enter__(self) -> Reader:
                with counting._lock:
                    counting._now += 1
                    counting.most = max(counting.most, counting._now)
                return self

            def __exit__(self, *_: object) -> None:
                with counting._lock:
                    counting._now -= 1

        return Reader()


def filled(site: PurgeSite, files: int) -> list[AttachmentId]:
    """So many attachments whose rows say what their blobs are."""
    ticket = site.put("T-1")
    table = site.records.read(lambda unit: next(one for one in unit.tables.all() if one.name == "attachments"))
    made = []
    for n in range(files):
        sent = site.send(ticket, size=n + 1)
        digest = {"sealed_sha256": site.blobs.digest(sent.blob_id)}
        site.records.write(partial(change, table=table, key=(sent.id,), values=digest))
        made.append(sent.id)
    return made


def change(unit: Unit, *, table: Table, key: Row, values: dict[str, Value]) -> None:
    unit.tables.change(table, key, values)


def copy(site: PurgeSite, target: MemoryBlobStore, source=None, **how) -> tuple[Copied, list[AttachmentId]]:
    done: Copied = Copied()
    kept: list[AttachmentId] = []
    trusted = how.pop("trusted", None)
    made = BlobCopy(site.records, source or site.blobs, target, target, **how)
    made.run(done, trusted=trusted, keep=kept.append)
    return done, kept


def test_every_blob_is_copied_once_a_few_at_a_time(site):
    filled(site, 40)
    source, target = Counting(site.blobs), MemoryBlobStore()
    done, kept = copy(site, target, source, at_once=3)
    assert (done.copied, done.there, done.faults) == (40, 0, [])
    assert 1 <= source.most <= 3
    assert len(kept) == 1
    done, _ = copy(site, target, source, at_once=3)
    assert (done.copied, done.there) == (0, 40)


def test_a_mark_is_kept_for_what_is_done_without_a_gap_alone(site):
    ids = filled(site, 70)
    site.blobs.delete(site.records.read(lambda unit: {one.id: one.blob_id for one in unit.inventory.all()})[ids[40]])
    done, kept = copy(site, MemoryBlobStore())
    assert kept == [ids[31]]
    assert [one.attachment_id for one in done.faults] == [ids[40]]


def test_up_to_the_mark_a_blob_is_not_read_again_but_copied_where_it_is_gone(site):
    ids = filled(site, 5)
    target = MemoryBlobStore()
    copy(site, target)
    blobs = site.records.read(lambda unit: {one.id: one.blob_id for one in unit.inventory.all()})
    target.delete(blobs[ids[1]])
    lying = LyingStore()
    lying.__dict__.update(target.__dict__)
    with pytest.raises(BlobsUnavailable):
        copy(site, lying, trusted=ids[4])  # the one that is gone is copied, and read back
    done, _ = copy(site, target, trusted=ids[4])
    assert (done.copied, done.there) == (1, 4)


def test_a_target_that_gives_back_something_else_is_not_believed_not_even_where_damage_is_accepted(site):
    filled(site, 3)
    for accept in (False, True):
        target = LyingStore()
        with pytest.raises(BlobsUnavailable, match="other bytes"):
            copy(site, target, accept=accept)


def test_a_source_that_does_not_answer_ends_it(site):
    filled(site, 3)

    class Down(Around):
        def open(self, blob_id: BlobId):
            raise BlobsUnavailable

    with pytest.raises(BlobsUnavailable):
        copy(site, MemoryBlobStore(), Down(site.blobs))


def test_what_no_living_attachment_has_is_cleared_away(site):
    filled(site, 2)
    target = MemoryBlobStore()
    copy(site, target)
    for blob_id, whole in ((BlobId("ab" * 16), True), (BlobId("cd" * 16), False)):
        writer = target.create(blob_id, 3)
        writer.write(b"abc")
        if whole:
            writer.commit()
    done = Copied()
    BlobCopy(site.records, site.blobs, target, target).clear(done)
    assert done.removed == 2
    assert {stat.blob_id for stat in target.iterate()} == {stat.blob_id for stat in site.blobs.iterate()}
