"""Sending: by rights of now, proven before the first byte, counted and written down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.actor import Action, Actor, Role
from domain.attachment import AttachmentState
from domain.errors import (
    AlreadyPurged,
    BlobMissing,
    BlobsUnavailable,
    Damaged,
    KeysUnavailable,
    LinkUsedUp,
    NotAllowed,
    NotFound,
    NotReady,
    Quarantined,
    RangeNotSatisfiable,
    SegmentForged,
    StreamTruncated,
    WrongContext,
)
from domain.ids import AttachmentId, PrincipalId
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import ADMIN, AGENT, AUDITOR, MIB, contact
from transfer import Reading

S = AttachmentState
CONTENT = bytes(range(256)) * (3 * MIB // 256) + b"end"
SEGMENT = MIB - 16


def flip(offset: int):
    return lambda blob: blob[:offset] + bytes([blob[offset] ^ 1]) + blob[offset + 1 :]


class TestRights:
    def test_an_agent_reads_and_a_connector_does_not(self, site):
        attachment = site.received()
        assert site.read(AGENT, attachment.id) == b"hello"
        for actor in (AUDITOR, ADMIN, Actor(Role.CONNECTOR), Actor(Role.REQUESTER, ticket_id=site.ticket)):
            with pytest.raises(NotAllowed):
                site.open(actor, attachment.id)

    def test_an_admin_reads_where_the_site_says_so(self, site):
        attachment = site.received()
        admin = Actor(Role.ADMIN, PrincipalId("admin-1"), granted=frozenset({Action.READ_FILE}))
        assert site.read(admin, attachment.id) == b"hello"

    def test_a_contact_reads_its_own_organisations_files_and_no_others(self, site):
        own, other = site.put_organisation("own"), site.put_organisation("other")
        mine = site.receive(b"mine", incoming=site.by_agent(site.put_ticket("T-2", own))).files[0].attachment
        theirs = site.receive(b"theirs", incoming=site.by_agent(site.put_ticket("T-3", other))).files[0].attachment
        assert site.read(contact(own), mine.id) == b"mine"
        for attachment_id in (theirs.id, site.received().id, AttachmentId("0")):
            with pytest.raises(NotFound):
                site.open(contact(own), attachment_id)

    def test_a_grant_gives_its_own_attachment_and_no_other(self, site):
        one, other = site.received(b"one"), site.received(b"other")
        grant, _ = site.take(site.download_link(one.id).token)
        assert site.read(Reading.by_grant(grant), one.id) == b"one"
        with pytest.raises(NotFound):
            site.open(Reading.by_grant(grant), other.id)

    @pytest.mark.parametrize(
        ("state", "error"),
        [
            (S.SCANNING, NotReady),
            (S.QUARANTINED, Quarantined),
            (S.DAMAGED, Damaged),
            (S.PURGING, AlreadyPurged),
            (S.PURGED, AlreadyPurged),
        ],
    )
    def test_a_state_that_gives_nothing_says_which(self, site, state, error):
        attachment = site.received()
        grant, _ = site.take(site.download_link(attachment.id).token)
        site.change(attachment.id, state=state)
        events = site.events()
        for reading in (Reading(AGENT), Reading.by_grant(grant)):
            for look in (site.sending.open, site.sending.look):
                with pytest.raises(error) as refused:
                    look(reading, attachment.id)
                assert type(refused.value) is error
        assert site.events() == events

    def test_what_is_still_coming_in_is_not_there(self, site):
        claim = site.reception.claim(site.by_agent(), "a.txt", 1)
        with pytest.raises(NotFound):
            site.open(AGENT, claim.attachment_id)

    def test_a_destroyed_key_is_a_purged_file(self, site):
        attachment = site.received()
        site.records.write(lambda unit: site.keys.destroy(unit, attachment.id))
        with pytest.raises(AlreadyPurged):
            site.open(AGENT, attachment.id)

    def test_keys_that_cannot_be_reached_are_no_missing_file(self, site):
        attachment = site.received()
        site.ring.reachable = False
        with pytest.raises(KeysUnavailable):
            site.open(AGENT, attachment.id)


class TestHeaders:
    def test_a_download_says_what_headers_need(self, site):
        attachment = site.receive(b"\x89PNG\r\n", "bild.png").files[0].attachment
        download = site.open(AGENT, attachment.id)
        assert (download.name, download.media_type, download.size) == ("bild.png", "image/png", 6)
        assert (download.start, download.stop, download.length, download.partial) == (0, 6, 6, False)
        assert download.etag == f'"{attachment.sha256.hex()}"'
        download.close(0)

    def test_a_look_says_the_same_and_leaves_no_trace(self, site):
        attachment = site.received()
        events = site.events()
        content = site.sending.look(Reading(AGENT), attachment.id)
        assert (content.name, content.media_type, content.size) == ("notes.txt", "text/plain", 5)
        assert content.etag == f'"{attachment.sha256.hex()}"'
        assert site.events() == events
        assert site.row(attachment.id).download_count == 0

    def test_the_etag_does_not_change_when_keys_are_wrapped_anew(self, site):
        attachment = site.received()
        before = site.sending.look(Reading(AGENT), attachment.id).etag
        row = site.records.read(lambda unit: unit.keys.get(attachment.id, "attachment"))
        site.ring.rotate(site.clock())
        key = site.records.read(lambda unit: site.keys.get(unit, attachment.id, "attachment"))
        wrapped = site.ring.wrap(key, site.keys.context(attachment.id, "attachment"))
        new = type(row)(row.owner_id, row.purpose, wrapped.generation, wrapped.sealed)
        assert site.records.write(lambda unit: unit.keys.replace(new, generation=row.generation))
        assert site.sending.look(Reading(AGENT), attachment.id).etag == before
        assert site.read(AGENT, attachment.id) == b"hello"

    def test_a_type_that_a_browser_might_run_is_not_named(self, site):
        attachment = site.received()
        site.change(attachment.id, media_type="text/html")
        assert site.sending.look(Reading(AGENT), attachment.id).media_type == "application/octet-stream"


class TestRanges:
    @pytest.mark.parametrize(
        ("header", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=5-9", 5, 10),
            (f"bytes={SEGMENT - 41}-{SEGMENT - 40}", SEGMENT - 41, SEGMENT - 39),
            (f"bytes={MIB}-", MIB, len(CONTENT)),
            ("bytes=-3", len(CONTENT) - 3, len(CONTENT)),
            ("bytes=0-", 0, len(CONTENT)),
        ],
    )
    def test_a_range_gives_exactly_its_bytes(self, site, header, start, stop):
        attachment = site.received(CONTENT)
        download = site.open(AGENT, attachment.id, range_header=header)
        assert (download.start, download.stop, download.partial) == (start, stop, True)
        assert b"".join(download.chunks()) == CONTENT[start:stop]
        download.close(stop - start)

    def test_a_range_of_something_else_gives_the_whole(self, site):
        attachment = site.received()
        assert site.read(AGENT, attachment.id, range_header="bytes=1-2", if_range='"other"') == b"hello"
        assert site.read(AGENT, attachment.id, range_header="bytes=1-2,4-4") == b"hello"
        etag = site.sending.look(Reading(AGENT), attachment.id).etag
        assert site.read(AGENT, attachment.id, range_header="bytes=1-2", if_range=etag) == b"el"

    def test_a_range_outside_is_refused_and_costs_nothing(self, site):
        attachment = site.received()
        grant, token = site.take(site.download_link(attachment.id).token)
        with pytest.raises(RangeNotSatisfiable):
            site.open(Reading.by_grant(grant), attachment.id, range_header="bytes=5-")
        assert site.records.read(lambda unit: site.redeeming.grant(unit, token)).spent == 0


class TestCounting:
    def test_a_whole_download_is_counted_and_told(self, site):
        attachment = site.received()
        site.read(AGENT, attachment.id)
        assert site.row(attachment.id).download_count == 1
        started, ended = site.events("download.started", "download.ended")
        assert started["facts"] == {"start": 0, "stop": 5}
        assert ended["facts"] == {"delivered": 5, "complete": True}
        assert started["actor"] == {"role": "agent", "principal_id": "agent-1"}

    def test_going_on_with_a_download_is_no_new_one(self, site):
        attachment = site.received()
        site.read(AGENT, attachment.id, range_header="bytes=0-1")
        site.read(AGENT, attachment.id, range_header="bytes=2-")
        assert site.row(attachment.id).download_count == 1

    def test_what_was_not_delivered_is_told_and_given_back(self, site):
        attachment = site.received(CONTENT)
        grant, token = site.take(site.download_link(attachment.id).token)
        download = site.open(Reading.by_grant(grant), attachment.id)
        download.close(1000)
        download.close(0)
        assert site.records.read(lambda unit: site.redeeming.grant(unit, token)).spent == 1000
        (ended,) = site.events("download.ended")
        assert ended["facts"] == {
            "grant": grant.id,
            "link": grant.link_id,
            "delivered": 1000,
            "complete": False,
        }

    @pytest.mark.parametrize("said", [-5, 10**9])
    def test_no_more_is_given_back_than_was_taken(self, site, said):
        attachment = site.received()
        grant, token = site.take(site.download_link(attachment.id).token)
        site.open(Reading.by_grant(grant), attachment.id).close(said)
        assert site.records.read(lambda unit: site.redeeming.grant(unit, token)).spent == (0 if said < 0 else 5)

    def test_a_budget_is_spent_by_what_is_delivered_and_no_more(self, site):
        attachment = site.received(bytes(9 * MIB))
        grant, _ = site.take(site.download_link(attachment.id).token)
        reading = Reading.by_grant(grant)  # two whole files and 16 MiB
        for _ in range(3):
            site.open(reading, attachment.id).close(9 * MIB)
        with pytest.raises(LinkUsedUp):
            site.open(reading, attachment.id)
        site.open(reading, attachment.id, range_header=f"bytes=0-{7 * MIB - 1}").close(7 * MIB)
        with pytest.raises(LinkUsedUp):
            site.open(reading, attachment.id, range_header="bytes=0-0")

    def test_a_grant_ends_with_its_hour(self, site):
        attachment = site.received()
        grant, _ = site.take(site.download_link(attachment.id).token)
        site.clock.go(hours=1)
        with pytest.raises(LinkUsedUp):
            site.open(Reading.by_grant(grant), attachment.id)

    def test_a_grants_download_was_counted_when_it_was_taken(self, site):
        attachment = site.received()
        grant, _ = site.take(site.download_link(attachment.id).token)
        for _ in range(3):
            site.read(Reading.by_grant(grant), attachment.id)
        assert site.row(attachment.id).download_count == 1


class TestDamage:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (flip(0), Damaged),
            (flip(1), WrongContext),
            (flip(35), SegmentForged),
            (flip(41), SegmentForged),
            (flip(3), WrongContext),
            (lambda blob: blob[:-1], StreamTruncated),
            (lambda blob: blob + b"x", StreamTruncated),
            (lambda blob: b"", StreamTruncated),
            (lambda blob: blob[: 2 * MIB], StreamTruncated),
            (lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]), SegmentForged),
            (lambda blob: bytes(len(blob)), Damaged),
        ],
    )
    def test_damage_is_found_before_the_first_byte(self, site, change, error):
        attachment = site.received(CONTENT)
        site.tamper(attachment, change)
        for header in (None, "bytes=0-9", "bytes=-9"):
            with pytest.raises(error):
                site.open(AGENT, attachment.id, range_header=header)
            error = Damaged  # the second time, the row knows it
        assert site.row(attachment.id).state is S.DAMAGED
        assert site.row(attachment.id).download_count == 0
        (event,) = site.events("integrity.failed")
        assert event["subject"] == attachment.id
        assert site.events("download.started") == []

    def test_damage_in_the_middle_ends_the_download_where_it_is(self, site):
        attachment = site.received(CONTENT)
        site.tamper(attachment, flip(MIB + 1000))
        download = site.open(AGENT, attachment.id)
        chunks = download.chunks()
        first = next(chunks)
        assert first == CONTENT[: SEGMENT - 40]
        with pytest.raises(SegmentForged):
            next(chunks)
        download.close(len(first))
        assert site.row(attachment.id).state is S.DAMAGED
        assert len(site.events("integrity.failed")) == 1
        with pytest.raises(Damaged):
            site.open(AGENT, attachment.id)

    def test_a_range_beside_the_damage_is_served(self, site):
        attachment = site.received(CONTENT)
        site.tamper(attachment, flip(MIB + 1000))
        assert site.read(AGENT, attachment.id, range_header="bytes=0-99") == CONTENT[:100]

    def test_segments_in_another_order_are_damage(self, site):
        attachment = site.received(CONTENT)
        site.tamper(attachment, lambda b: b[:MIB] + b[2 * MIB : 3 * MIB] + b[MIB : 2 * MIB] + b[3 * MIB :])
        download = site.open(AGENT, attachment.id)
        with pytest.raises(SegmentForged):
            list(download.chunks())

    def test_another_files_blob_is_damage(self, site):
        one, other = site.received(b"12345"), site.received(b"67890")
        site.tamper(one, lambda _: site.sealed(other))
        with pytest.raises(WrongContext):
            site.open(AGENT, one.id)

    def test_a_missing_blob_is_damage(self, site):
        attachment = site.received()
        site.blobs.delete(attachment.blob_id)
        with pytest.raises(BlobMissing):
            site.open(AGENT, attachment.id)
        assert site.row(attachment.id).state is S.DAMAGED

    def test_another_files_key_is_damage(self, site):
        one, other = site.received(b"12345"), site.received(b"67890")
        row = site.records.read(lambda unit: unit.keys.get(other.id, "attachment"))
        mine = site.records.read(lambda unit: unit.keys.get(one.id, "attachment"))
        swapped = type(row)(one.id, row.purpose, row.generation, row.sealed)
        assert site.records.write(lambda unit: unit.keys.replace(swapped, generation=mine.generation))
        with pytest.raises(WrongContext):
            site.open(AGENT, one.id)
        assert site.row(one.id).state is S.DAMAGED

    def test_a_store_that_is_down_is_no_damage(self, make_site):
        blobs = MovedStore()
        site = make_site(blobs=blobs)
        attachment = site.received()
        blobs.down = True
        with pytest.raises(BlobsUnavailable):
            site.open(AGENT, attachment.id)
        blobs.down = False
        assert site.read(AGENT, attachment.id) == b"hello"

    def test_a_blob_that_a_purge_took_meanwhile_is_no_damage(self, make_site):
        blobs = MovedStore()
        site = make_site(blobs=blobs)
        attachment = site.received()

        def purge() -> None:
            site.change(attachment.id, state=S.PURGING)
            blobs.delete(attachment.blob_id)

        blobs.before_open = purge
        with pytest.raises(AlreadyPurged):
            site.open(AGENT, attachment.id)
        assert site.row(attachment.id).state is S.PURGING
        assert site.events("integrity.failed") == []


class TestMeanwhile:
    def test_nothing_is_begun_that_a_purge_came_before(self, make_site):
        blobs = MovedStore()
        site = make_site(blobs=blobs)
        attachment = site.received()
        blobs.before_open = lambda: site.change(attachment.id, state=S.PURGING)
        with pytest.raises(AlreadyPurged):
            site.open(AGENT, attachment.id)
        assert site.events("download.started") == []

    def test_a_running_download_ends_within_a_minute_of_a_purge(self, site):
        attachment = site.received(CONTENT)
        download = site.open(AGENT, attachment.id)
        chunks = download.chunks()
        next(chunks)
        site.change(attachment.id, state=S.PURGING)
        site.clock.go(seconds=59)
        next(chunks)
        site.clock.go(seconds=1)
        with pytest.raises(AlreadyPurged):
            next(chunks)
        download.close(0)

    def test_a_running_download_of_what_stays_goes_on(self, site):
        attachment = site.received(CONTENT)
        download = site.open(AGENT, attachment.id)
        got = []
        for piece in download.chunks():
            site.clock.go(minutes=10)
            got.append(piece)
        assert b"".join(got) == CONTENT
        download.close(len(CONTENT))


class MovedStore(MemoryBlobStore):
    """A store in which something happens before a blob is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.before_open: Callable[[], object] | None = None

    def open(self, blob_id):
        if self.down:
            raise BlobsUnavailable
        before, self.before_open = self.before_open, None
        if before is not None:
            before()
        return super().open(blob_id)
