"""A refused upload leaves nothing: rows, keys, quotas and blobs are what they were, and the log says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import Actor, Role
from domain.errors import (
    BadInput,
    BilagaError,
    BlobsUnavailable,
    ContentMismatch,
    Gone,
    IncompleteBody,
    LinkExpired,
    LinkRevoked,
    NotAllowed,
    NotFound,
    QuotaExceeded,
    StateConflict,
    StorageFull,
    TooLarge,
    TooMany,
    TypeNotAllowed,
)
from domain.ids import OrganisationId, TicketId
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import AUDITOR, MIB, TransferSite, contact
from transfer import Limits


def check_refusal(site: TransferSite, error: type[BilagaError], send) -> BilagaError:
    """Whatever ``send`` tries is refused with exactly this error, and nothing of it is kept."""
    quotas = site.records.write(lambda unit: unit.quotas.open(site.ticket, max_files=None, max_bytes=None))
    assert quotas is None
    before = site.kept()
    events = len(site.events())
    with pytest.raises(error) as refused:
        send()
    assert type(refused.value) is error
    assert _without_limits(site.kept()) == _without_limits(before)
    last = site.events()[events:][-1]
    assert last["kind"] == "upload.refused"
    assert last["facts"]["code"] == error.code
    return refused.value


def _without_limits(kept):
    return kept | {"quotas": [replace(quota, max_files=None, max_bytes=None) for quota in kept["quotas"]]}


class TestBeforeTheBody:
    @pytest.mark.parametrize("name", ["a\0.txt", b"\xff.txt", "x" * 1025])
    def test_a_name_that_is_none(self, site, name):
        check_refusal(site, BadInput, lambda: site.reception.claim(site.by_agent(), name, 1))

    def test_a_size_below_nothing(self, site):
        check_refusal(site, BadInput, lambda: site.reception.claim(site.by_agent(), "a.txt", -1))

    @pytest.mark.parametrize("name", ["a.exe", "rechnung.exe.pdf", "a.LNK"])
    def test_a_type_that_is_never_taken(self, site, name):
        check_refusal(site, TypeNotAllowed, lambda: site.reception.claim(site.by_agent(), name, 1))

    def test_a_type_that_the_link_does_not_take(self, site):
        incoming = site.by_link(site.upload_link(allowed_types=["image/*", ".pdf"]).token)
        check_refusal(site, TypeNotAllowed, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_a_declared_size_above_the_limit(self, make_site):
        site = make_site(limits=Limits(max_file_size=100))
        error = check_refusal(site, TooLarge, lambda: site.reception.claim(site.by_agent(), "a.txt", 101))
        assert error.facts == {"max_size": 100}

    def test_more_bytes_than_the_link_has_left(self, site):
        incoming = site.by_link(site.upload_link(max_bytes=100).token)
        site.receive(b"x" * 60, incoming=incoming)
        check_refusal(site, QuotaExceeded, lambda: site.reception.claim(incoming, "a.txt", 41))

    def test_more_files_than_the_link_has_left(self, site):
        incoming = site.by_link(site.upload_link(max_files=1).token)
        site.receive(b"x", incoming=incoming)
        check_refusal(site, TooMany, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_more_than_the_store_has_room_for(self, make_site):
        site = make_site(blobs=MemoryBlobStore(100))
        check_refusal(site, StorageFull, lambda: site.reception.claim(site.by_agent(), "a.txt", 101))

    def test_a_link_that_has_expired(self, site):
        incoming = site.by_link(site.upload_link(expires_in="PT1H").token)
        site.clock.go(hours=1)
        check_refusal(site, LinkExpired, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_a_link_that_was_revoked(self, site):
        link = site.upload_link()
        incoming = site.by_link(link.token)
        site.revoke(link.link.id)
        check_refusal(site, LinkRevoked, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_a_link_of_another_ticket(self, site):
        incoming = site.by_link(site.upload_link().token)
        other = site.put_ticket("T-2")
        strange = replace(incoming, ticket_id=other, actor=replace(incoming.actor, ticket_id=other))
        check_refusal(site, LinkRevoked, lambda: site.reception.claim(strange, "a.txt", 1))

    def test_a_download_link(self, site):
        attachment = site.received()
        link = site.download_link(attachment.id).link
        incoming = replace(site.by_link(site.upload_link().token), link=link)
        check_refusal(site, LinkRevoked, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_a_ticket_that_was_erased(self, site):
        site.erase_ticket(site.ticket)
        check_refusal(site, Gone, lambda: site.reception.claim(site.by_agent(), "a.txt", 1))

    def test_a_ticket_that_is_not_there(self, site):
        incoming = replace(site.by_agent(), ticket_id=TicketId("0"))
        check_refusal(site, NotFound, lambda: site.reception.claim(incoming, "a.txt", 1))

    def test_a_ticket_of_another_organisation(self, site):
        own, other = site.put_organisation("own"), site.put_organisation("other")
        theirs = site.put_ticket("T-2", other)
        incoming = site.by_agent(theirs, contact(own))
        check_refusal(site, NotFound, lambda: site.reception.claim(incoming, "a.txt", 1))

    @pytest.mark.parametrize("actor", [AUDITOR, Actor(Role.CONTACT), Actor(Role.REQUESTER)])
    def test_somebody_who_may_not(self, site, actor):
        check_refusal(site, NotAllowed, lambda: site.reception.claim(site.by_agent(actor=actor), "a.txt", 1))

    def test_a_requester_of_another_ticket(self, site):
        other = site.put_ticket("T-2")
        actor = Actor(Role.REQUESTER, ticket_id=other, organisation_id=OrganisationId("0"))
        check_refusal(site, NotFound, lambda: site.reception.claim(site.by_agent(actor=actor), "a.txt", 1))


class TestInTheBody:
    def test_more_than_was_declared(self, site):
        claimed = [b"x" * 10]
        check_refusal(site, TooLarge, lambda: send(site, [*claimed, b"y"], declared=10))

    def test_less_than_was_declared(self, site):
        check_refusal(site, IncompleteBody, lambda: send(site, [b"x" * 9], declared=10))

    def test_nothing_where_something_was_declared(self, site):
        check_refusal(site, IncompleteBody, lambda: send(site, [], declared=10))

    def test_more_than_a_file_may_have(self, make_site):
        site = make_site(limits=Limits(max_file_size=2 * MIB))
        check_refusal(site, TooLarge, lambda: send(site, [bytes(MIB), bytes(MIB), b"x"]))

    def test_more_than_the_link_has_left(self, site):
        incoming = site.by_link(site.upload_link(max_bytes=2 * MIB).token)
        check_refusal(site, QuotaExceeded, lambda: send(site, [bytes(MIB), bytes(MIB), b"x"], incoming=incoming))

    def test_another_content_than_the_name_says(self, site):
        check_refusal(site, ContentMismatch, lambda: send(site, [b"\x89PNG\r\n"], name="a.pdf"))

    def test_a_content_that_the_link_does_not_take(self, site):
        incoming = site.by_link(site.upload_link(allowed_types=["image/*"]).token)
        check_refusal(site, TypeNotAllowed, lambda: send(site, [b"text"], name="picture", incoming=incoming))

    def test_a_client_that_vanishes(self, site):
        def chunks():
            yield bytes(MIB)
            yield bytes(MIB)
            raise IncompleteBody

        check_refusal(site, IncompleteBody, lambda: send(site, chunks()))

    def test_a_store_that_is_full_in_the_middle(self, make_site):
        site = make_site(blobs=MemoryBlobStore(2 * MIB))
        check_refusal(site, StorageFull, lambda: send(site, [bytes(MIB)] * 4))

    def test_a_store_that_cannot_commit(self, make_site):
        site = make_site(blobs=BadStore("commit"))
        check_refusal(site, BlobsUnavailable, lambda: send(site, [b"x"]))

    def test_a_store_that_keeps_less(self, make_site):
        site = make_site(blobs=BadStore("short"))
        check_refusal(site, BlobsUnavailable, lambda: send(site, [b"x"]))

    def test_a_store_that_keeps_something_else(self, make_site):
        blobs = BadStore("changed")
        site = make_site(blobs=blobs, readback=blobs)
        check_refusal(site, BlobsUnavailable, lambda: send(site, [b"x"]))

    def test_nothing_is_written_before_the_type_is_known(self, make_site):
        blobs = BadStore("")
        site = make_site(blobs=blobs)

        def chunks():
            for _ in range(15):
                yield b"\x89PNG" * 1024
                assert blobs.created == 0
            yield b"\x89PNG" * 1024
            raise AssertionError

        check_refusal(site, ContentMismatch, lambda: send(site, chunks(), name="a.pdf"))
        assert blobs.created == 0


class TestAfterTheBody:
    def test_a_link_that_was_revoked_meanwhile(self, site):
        link = site.upload_link()
        incoming = site.by_link(link.token)

        def chunks():
            yield bytes(MIB)
            site.revoke(link.link.id)
            yield bytes(MIB)

        check_refusal(site, LinkRevoked, lambda: send(site, chunks(), incoming=incoming))

    def test_a_link_that_expired_meanwhile(self, site):
        incoming = site.by_link(site.upload_link(expires_in="PT1H").token)

        def chunks():
            yield b"x"
            site.clock.go(hours=1)

        check_refusal(site, LinkExpired, lambda: send(site, chunks(), incoming=incoming))

    def test_one_of_two_files_refused_is_both_refused(self, site):
        incoming = site.by_link(site.upload_link(max_files=2).token)

        def both():
            claims = [site.reception.claim(incoming, "a.txt", 1)]
            sealed = [site.reception.seal(claims[0], [b"x"])]
            claims.append(site.reception.claim(incoming, "b.txt", 1))
            try:
                sealed.append(site.reception.seal(claims[1], [b"xx"]))
            except TooLarge as error:
                site.reception.abandon(claims, error)
                raise

        check_refusal(site, TooLarge, both)


def test_a_claim_that_was_ended_is_not_finished(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    sealed = site.reception.seal(claim, [b"x"])
    site.reception.abandon([claim])
    with pytest.raises(StateConflict):
        site.reception.finish([sealed])
    assert site.kept()["blobs"] == []


def test_what_is_sealed_after_its_claim_was_ended_is_thrown_away(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)

    def chunks():
        yield b"x"
        site.reception.abandon([claim])

    with pytest.raises(Gone):
        site.reception.seal(claim, chunks())
    assert site.kept()["blobs"] == []


def test_no_room_is_extended_after_the_claim_was_ended(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", None)
    site.reception.abandon([claim])
    with pytest.raises(Gone):
        site.reception.seal(claim, [b"x"])


def test_ending_twice_gives_room_back_once(site):
    link = site.upload_link(max_files=2, max_bytes=10)
    incoming = site.by_link(link.token)
    one, two = (site.reception.claim(incoming, "a.txt", 5) for _ in range(2))
    for _ in range(3):
        site.reception.abandon([one])
    quota = site.records.read(lambda unit: unit.quotas.get(link.link.id))
    assert (quota.reserved_files, quota.reserved_bytes) == (1, 5)
    assert len(site.events("upload.refused")) == 1
    site.reception.abandon([one, two])
    quota = site.records.read(lambda unit: unit.quotas.get(link.link.id))
    assert (quota.reserved_files, quota.reserved_bytes) == (0, 0)


def test_what_was_acknowledged_is_never_abandoned(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    site.reception.finish([site.reception.seal(claim, [b"x"])])
    before = site.kept()
    claim.ended = False  # as after a finish whose answer was lost
    site.reception.abandon([claim])
    assert site.kept() == before
    assert site.events("upload.refused") == []


def test_an_interrupted_upload_says_so(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    site.reception.abandon([claim], KeyboardInterrupt())
    assert site.events("upload.refused")[0]["facts"]["code"] == "interrupted"


def send(site, chunks, *, name="a.txt", declared=None, incoming=None):
    """The journey of one file, abandoned on any error."""
    claim = site.reception.claim(incoming or site.by_agent(), name, declared)
    try:
        return site.reception.finish([site.reception.seal(claim, chunks)])
    except BilagaError as error:
        site.reception.abandon([claim], error)
        raise


class BadStore(MemoryBlobStore):
    """A store that goes wrong in one way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self.created = 0

    def create(self, blob_id, expected_size):
        self.created += 1
        return super().create(blob_id, expected_size)

    def _finish(self, blob_id):
        if self._way == "commit":
            self._drop(blob_id)
            raise BlobsUnavailable
        stat = super()._finish(blob_id)
        if self._way == "short":
            return replace(stat, size=stat.size - 1)
        return stat

    def digest(self, blob_id):
        found = super().digest(blob_id)
        return found[::-1] if self._way == "changed" else found
