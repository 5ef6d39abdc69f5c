"""An upload that is all there, and cannot be made an attachment of: now, or as it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event
from typing import Any

import pytest

from crypto import new_blob_id, new_id
from domain.attachment import AttachmentState, Scan
from domain.errors import BlobMissing, BlobsUnavailable, Damaged, Gone, LinkRevoked, NotFound
from domain.ids import BlobId
from domain.upload import UploadKind, UploadState
from storage import BlobReader, BlobStore
from tests.small_site import StubbornStore
from tests.transfers import AGENT, TransferSite, sniffed
from tests.unit.transfer.uploads import Sender, blob_count, findings, key_count, refused, text
from transfer import Limits, Reception, Resuming, Sealing, TypePolicy
from transfer.scanner import Verdict

CONTENT = text(100)
PATIENCE = 60.0
WAIT = 0.05


class Shelf(StubbornStore):
    """A store that mislays blobs, does not answer, or keeps whoever wants to read waiting."""

    def __init__(self, inner: BlobStore) -> None:
        super().__init__(inner)
        self.mislaid: set[BlobId] = set()
        self.away = False
        self.open_to_all, self.asked = Event(), Event()
        self.open_to_all.set()

    def open(self, blob_id: BlobId) -> BlobReader:
        self.asked.set()
        assert self.open_to_all.wait(PATIENCE)
        if self.away:
            raise BlobsUnavailable
        if blob_id in self.mislaid:
            raise BlobMissing
        return self.inner.open(blob_id)


@pytest.fixture
def shelf(make_site: Callable[..., TransferSite]) -> tuple[TransferSite, Shelf]:
    site = make_site()
    site.close()
    store = Shelf(site.ground.store())
    return make_site(blobs=store), store


@pytest.fixture
def site(shelf: tuple[TransferSite, Shelf]) -> TransferSite:
    return shelf[0]


@pytest.fixture
def store(shelf: tuple[TransferSite, Shelf]) -> Shelf:
    return shelf[1]


def in_halves(site: TransferSite, store: Shelf | None = None, **more: Any) -> Sender:
    """An upload whose first half is there; and then, in a store, mislaid."""
    sender = Sender(site, len(CONTENT), **more)
    sender.append(CONTENT[:60], 0)
    if store is not None:
        store.mislaid.update(stat.blob_id for stat in store.iterate())
    return sender


def damaged(site: TransferSite, store: Shelf, **more: Any) -> Sender:
    """One whose first half is mislaid when its last byte comes."""
    sender = in_halves(site, store, **more)
    assert isinstance(refused(sender.append, CONTENT[60:], 60), Damaged)
    return sender


def row_of(site: TransferSite, sender: Sender) -> Any:
    return site.records.read(lambda unit: unit.uploads.get(sender.created.upload.id))


def until_settled(site: TransferSite, sender: Sender, resuming: Resuming | None = None) -> Any:
    """The row once the job has done with it."""
    resuming = resuming or site.resuming
    while row_of(site, sender).state is UploadState.RECEIVED:
        site.clock.go(minutes=30)
        resuming.assemble_due()
    return row_of(site, sender)


def test_what_a_store_has_mislaid_is_told_and_called_out_once_and_nothing_of_it_is_thrown_away(site, store):
    keys = key_count(site)
    sender = damaged(site, store)
    row = row_of(site, sender)
    assert (row.state, row.offset, row.failure) == (UploadState.RECEIVED, 100, "integrity-failure")
    assert (blob_count(site), key_count(site)) == (2, keys + 2)
    claim = sender.row()
    assert claim is not None
    assert claim.state is AttachmentState.RECEIVING, "nothing half done can be read"
    for ask in (sender.find, lambda: sender.append(b"", 100), lambda: sender.append(CONTENT, 0)):
        told = refused(ask)
        assert isinstance(told, Gone)
        assert told.facts == {"reason": "integrity-failure"}
    site.clock.go(minutes=30)
    assert site.resuming.assemble_due() == 1
    site.resuming.close()
    (event,) = site.events("integrity.failed")
    assert event["subject"] == claim.id
    assert event["facts"]["cause"] == "BlobMissing"
    assert row_of(site, sender).failure == "integrity-failure"


def test_what_is_found_again_becomes_the_attachment_after_all(site, store):
    sender = damaged(site, store)
    store.mislaid.clear()
    assert until_settled(site, sender).state is UploadState.COMPLETE
    assert row_of(site, sender).failure is None
    assert site.read(AGENT, sender.attachment().id) == CONTENT
    site.resuming.close()
    assert (blob_count(site), findings(site)) == (1, [])


def test_what_is_never_found_goes_a_week_after_its_time(site, store):
    sender = damaged(site, store, link=site.upload_link(expires_in="P20D").token)
    site.clock.go(days=7, hours=23)
    assert site.resuming.sweep() == 0
    site.clock.go(hours=2)
    assert site.resuming.sweep() == 1
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])
    assert site.events("upload.refused")[-1]["facts"]["code"] == "integrity-failure"


def test_its_sender_may_end_it_to_have_the_place_again(site, store):
    link = site.upload_link(max_files=1).token
    sender = damaged(site, store, link=link)
    sender.cancel()
    assert (row_of(site, sender), sender.row(), blob_count(site)) == (None, None, 0)
    again = in_halves(site, link=link)
    assert again.append(CONTENT[60:], 60).state is UploadState.COMPLETE


def test_a_revoked_link_takes_it_with_it(site, store):
    sender = damaged(site, store)
    site.revoke(sender.incoming().link.id)
    assert site.resuming.sweep() == 1
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])


def test_a_link_that_is_revoked_after_the_last_byte_takes_the_file_before_a_byte_of_it_is_read(site, store):
    sender = in_halves(site)
    received(site, sender)
    incoming = sender.incoming()
    site.revoke(incoming.link.id)
    store.asked.clear()
    assert isinstance(refused(site.resuming.append, sender.token, incoming, [], offset=100), LinkRevoked)
    assert until_settled(site, sender).failure == "gone"
    assert not store.asked.is_set()
    site.resuming.close()
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])


def received(site: TransferSite, sender: Sender) -> None:
    """Its second half, brought to a process that is stopping."""
    stopping = site.resuming_on(site.node)
    stopping.close()
    answer = stopping.append(sender.token, sender.incoming(), [CONTENT[60:]], offset=60, size=40)
    assert answer.state is UploadState.RECEIVED


@pytest.mark.parametrize("whose", ["attachment_id", "id"])
def test_a_key_that_is_lost_is_damage_as_well(site, whose):
    sender = in_halves(site)
    received(site, sender)
    site.records.write(lambda unit: unit.keys.destroy(getattr(sender.created.upload, whose)))
    assert isinstance(refused(sender.append, b"", 100), Damaged)
    assert row_of(site, sender).failure == "integrity-failure"
    assert blob_count(site) == 2


def test_a_store_that_is_away_is_waited_for_ever_longer_and_nothing_is_called_damage(site, store):
    sender = in_halves(site)
    store.away = True
    assert sender.append(CONTENT[60:], 60).state is UploadState.RECEIVED
    tries = [0]
    for second in range(1, 120):
        site.clock.go(seconds=1)
        if site.resuming.assemble_due():
            tries.append(second)
            sender.append(b"", 100)  # until it is through
    assert len(tries) < 8
    gaps = [later - before for before, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert (row_of(site, sender).failure, site.events("integrity.failed")) == (None, [])
    store.away = False
    assert until_settled(site, sender).state is UploadState.COMPLETE


def test_the_last_request_is_answered_while_the_store_takes_its_time(site, store):
    sender = in_halves(site)
    impatient = site.resuming_on(site.node, wait_for=WAIT)
    store.open_to_all.clear()
    answered = impatient.append(sender.token, sender.incoming(), [CONTENT[60:]], offset=60, size=40)
    assert store.asked.wait(PATIENCE), "it is being made an attachment of"
    assert (answered.state, answered.offset) == (UploadState.RECEIVED, 100)
    assert impatient.find(sender.token, sender.incoming()).offset == 100
    assert impatient.append(sender.token, sender.incoming(), [], offset=100).state is UploadState.RECEIVED
    row = sender.row()
    assert row is not None
    assert row.state is AttachmentState.RECEIVING, "the store has not let go of a byte"
    store.open_to_all.set()
    assert until_settled(site, sender, impatient).state is UploadState.COMPLETE
    impatient.close()
    assert site.read(AGENT, sender.attachment().id) == CONTENT
    assert (blob_count(site), findings(site)) == (1, [])


class Ponders:
    """A scanner that says nothing before it is let."""

    def __init__(self) -> None:
        self.allowed, self.asked = Event(), Event()

    def ping(self) -> None:
        pass

    def begin(self) -> Ponders:
        return self

    def feed(self, view: bytes) -> None:
        pass

    def verdict(self) -> Verdict:
        self.asked.set()
        assert self.allowed.wait(PATIENCE)
        return Verdict(Scan.CLEAN, None, "engine")

    def abort(self) -> None:
        pass


def test_a_large_file_in_one_request_is_answered_while_the_scanner_ponders(make_site):
    scanner = Ponders()
    site = make_site(scanner=scanner)
    size = (64 << 20) + 1
    sender = Sender(site, size)
    impatient = site.resuming_on(site.node, wait_for=WAIT)
    body = [bytes(1 << 20)] * 64 + [b"\0"]
    answered = impatient.append(sender.token, sender.incoming(), body, offset=0, size=size)
    assert (answered.state, answered.offset) == (UploadState.RECEIVED, size)
    assert scanner.asked.wait(PATIENCE)
    scanner.allowed.set()
    assert until_settled(site, sender, impatient).state is UploadState.COMPLETE
    impatient.close()
    assert sender.attachment().scan is Scan.CLEAN


def with_limit(site: TransferSite, most: int) -> Resuming:
    """As the site's own, after a start with a lower limit."""
    limits, policy = Limits(max_file_size=most), TypePolicy()
    sealing = Sealing(site.records, site.blobs, policy=policy, sniff=sniffed, limits=limits)
    parts: list[Any] = [site.records, site.blobs, site.keys, site.log, site.clock]
    reception = Reception(
        *parts, sealing=sealing, policy=policy, limits=limits, touched=lambda *_: None, node=site.node.id
    )
    return Resuming(*parts, reception=reception, sealing=sealing, limits=limits, node=site.node)


def test_what_was_let_in_is_not_refused_by_a_limit_that_came_later(site):
    sender = in_halves(site)
    lower = with_limit(site, 50)
    done = lower.append(sender.token, sender.incoming(), [CONTENT[60:]], offset=60, size=40)
    assert done.state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == CONTENT
    lower.close()


def test_the_sweep_takes_what_a_dead_node_was_at(site):
    sender, blob_id = in_halves(site), new_blob_id()
    upload = row_of(site, sender)
    dead = new_id()
    assert site.records.write(
        lambda unit: unit.uploads.take(upload.id, after=upload.fence, holder=dead, writing=blob_id)
    )
    with site.blobs.create(blob_id, None) as writer:
        writer.write(b"half")
        writer.commit()
    site.clock.go(hours=25)
    assert site.resuming.sweep() == 1
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])


def test_the_sweep_leaves_what_somebody_is_writing_to(site):
    sender = in_halves(site, link=site.upload_link(expires_in="P20D").token)
    begun, released = Event(), Event()

    def body():
        yield CONTENT[60:80]
        begun.set()
        assert released.wait(PATIENCE)
        yield CONTENT[80:]

    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(sender.append, body(), 60, size=40)
        assert begun.wait(PATIENCE)
        site.clock.go(hours=25)
        assert site.resuming.sweep() == 0
        released.set()
        assert writer.result(PATIENCE).state is UploadState.COMPLETE


def test_pieces_go_with_their_link_before_they_were_joined(site):
    link = site.upload_link().token
    pieces = [Sender(site, 10, link, kind=UploadKind.PARTIAL) for _ in range(2)]
    for piece in pieces:
        piece.append(CONTENT[:10], 0)
    incoming = pieces[0].incoming()
    site.revoke(incoming.link.id)
    assert isinstance(refused(site.resuming.find, pieces[0].token, incoming), LinkRevoked)
    assert isinstance(refused(site.resuming.find, pieces[0].token, incoming), NotFound)
    assert blob_count(site) == 1
    assert site.resuming.sweep() == 1
    assert (blob_count(site), findings(site)) == (0, [])
