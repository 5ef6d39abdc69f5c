"""What others do to a site while an upload waits in it for its next bytes: fsck, its repair, and a move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.errors import Damaged
from domain.ids import AttachmentId, BlobId
from domain.upload import UploadPart, UploadState
from storage import BlobCopy, Check, Copied
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import AGENT, StoreDigests, TransferSite
from tests.unit.transfer.uploads import Sender, blob_count, findings, refused, text

CONTENT = text(3000)
Change = Callable[[bytes], bytes | None]
CHANGES: dict[str, Change] = {
    "blob-missing": lambda _: None,
    "size-differs": lambda sealed: sealed[:-7],
    "digest-differs": lambda sealed: sealed[:-7] + bytes(7),
}


@pytest.fixture
def sender(site: TransferSite) -> Sender:
    """An upload of which two pieces are there, and one is missing."""
    made = Sender(site, len(CONTENT))
    for at in (0, 1000):
        made.append(CONTENT[at : at + 1000], at)
    return made


def parts_of(site: TransferSite, sender: Sender) -> list[UploadPart]:
    return site.records.read(lambda unit: list(unit.upload_parts.of(sender.created.upload.id)))


def said(site: TransferSite, *, repair: bool) -> list[tuple[str, str, bool]]:
    """What fsck finds, where nobody serves; and whether it mended that."""
    check = Check(site.records, site.blobs, site.clock, digesting=StoreDigests(site.blobs), grace=timedelta())
    return [(one.kind.value, one.subject_id, one.repaired) for one in check.run(repair=repair, digests=True)]


def damage(site: TransferSite, blob_id: BlobId, change: Change) -> bytes:
    """Change a blob past all our code; as it was before."""
    before = site.ground.sealed(blob_id)
    site.ground.put_sealed(blob_id, change(before))
    return before


def put_back(site: TransferSite, blob_id: BlobId, sealed: bytes) -> None:
    """As it was, from a backup, as docs/operations.md says."""
    site.blobs.delete(blob_id)
    with site.blobs.create(blob_id, None) as writer:
        writer.write(sealed)
        writer.commit()


@pytest.mark.parametrize("kind", CHANGES)
def test_a_part_that_is_not_what_it_was_is_named_and_nothing_is_mended_by_deleting(site, sender, kind):
    first, second = parts_of(site, sender)
    before = damage(site, second.blob_id, CHANGES[kind])
    left = blob_count(site)
    for repair in (False, True, True):
        assert said(site, repair=repair) == [(kind, sender.created.upload.id, False)]
    assert (parts_of(site, sender), blob_count(site)) == ([first, second], left)
    assert sender.find().offset == 2000
    put_back(site, second.blob_id, before)
    assert said(site, repair=True) == []
    assert sender.append(CONTENT[2000:], 2000).state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == CONTENT
    assert (blob_count(site), findings(site)) == (1, [])


@pytest.mark.parametrize("kind", CHANGES)
def test_nothing_comes_of_it_as_long_as_it_is_so(site, sender, kind):
    damage(site, parts_of(site, sender)[1].blob_id, CHANGES[kind])
    assert isinstance(refused(sender.append, CONTENT[2000:], 2000), Damaged)
    assert said(site, repair=True) == [(kind, sender.created.upload.id, False)]
    assert len(parts_of(site, sender)) == 3


def test_what_a_dead_writer_left_is_its_upload_s_and_no_orphan(site, sender):
    upload = sender.find()
    blob_id = BlobId("ab" * 16)
    assert site.records.write(
        lambda unit: unit.uploads.take(upload.id, after=upload.fence, holder="0" * 32, writing=blob_id)
    )
    with site.blobs.create(blob_id, None) as writer:
        writer.write(b"half")
        writer.commit()
    assert said(site, repair=True) == []
    assert blob_count(site) == 3
    assert sender.append(CONTENT[2000:], 2000).state is UploadState.COMPLETE
    assert (blob_count(site), findings(site)) == (1, [])


def copied(site: TransferSite, target: MemoryBlobStore, *, accept: bool = False) -> Copied:
    done = Copied()
    copy = BlobCopy(site.records, site.blobs, target, StoreDigests(target), accept=accept)
    copy.clear(done)
    copy.run(done, trusted=None, keep=lambda _: None)
    return done


def test_a_move_takes_its_parts_along_and_takes_them_once(site, sender):
    target = MemoryBlobStore()
    assert copied(site, target).copied == 2
    again = copied(site, target)
    assert (again.copied, again.there, again.removed) == (0, 2, 0)
    assert {stat.blob_id for stat in target.iterate()} == {part.blob_id for part in parts_of(site, sender)}
    sender.cancel()
    assert copied(site, target).removed == 2


@pytest.mark.parametrize("kind", CHANGES)
def test_a_move_names_the_upload_whose_part_is_damaged(site, sender, kind):
    broken = parts_of(site, sender)[1]
    damage(site, broken.blob_id, CHANGES[kind])
    target = MemoryBlobStore()
    done = copied(site, target)
    upload_id = AttachmentId(sender.created.upload.id)
    assert [(one.attachment_id, one.blob_id, one.known) for one in done.faults] == [(upload_id, broken.blob_id, False)]
    assert target.stat(broken.blob_id) is None
    assert len(copied(site, target, accept=True).faults) == 1
    assert (target.stat(broken.blob_id) is None) is (kind == "blob-missing")
