from __future__ import annotations

from dataclasses import replace

import pytest

from domain.ids import AttachmentId, BlobId, LinkId, ReceiptId, TicketId, UploadId
from domain.upload import Checksum, Upload, UploadKind, UploadPart, UploadState
from storage.records import Records
from tests.contract.records.given import HOUR, T0, TICK, a_ticket, an_upload_link, at_once, digest, number

FIRST, SECOND = UploadId(number(1)), UploadId(number(2))
NODE = number(90)


def an_upload(n: int = 1, **changes) -> Upload:
    made = Upload(
        id=UploadId(number(n)),
        attachment_id=AttachmentId(number(100 + n)),
        ticket_id=TicketId(number(1)),
        link_id=LinkId(number(1)),
        receipt_id=ReceiptId(number(50)),
        kind=UploadKind.WHOLE,
        state=UploadState.OPEN,
        length=100,
        offset=0,
        metadata_sealed=b"metadata",
        repr_algorithm="sha256",
        repr_digest=b"d" * 32,
        created_at=T0,
        expires_at=T0 + HOUR,
    )
    return replace(made, **changes)


def a_part(n: int = 0, upload: UploadId = FIRST, blob: int = 7) -> UploadPart:
    return UploadPart(upload, n, BlobId(f"{blob:032x}"), upload, n * 10, 10, 90, b"s" * 32, b"c" * 32)


@pytest.fixture
def stored(records: Records) -> Records:
    """One open upload."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.links.add(an_upload_link(1), digest("link"))
        unit.uploads.add(an_upload(1), digest("first"))

    records.write(begin)
    return records


def read(records: Records, upload_id: UploadId = FIRST) -> Upload | None:
    return records.read(lambda unit: unit.uploads.get(upload_id))


def test_an_upload_is_found_by_its_token_as_it_was_kept(stored):
    assert stored.read(lambda unit: unit.uploads.by_digest(digest("first"))) == an_upload(1)
    assert stored.read(lambda unit: unit.uploads.by_digest(digest("other"))) is None
    assert an_upload().repr_checksum == Checksum("sha256", b"d" * 32)


def test_whoever_takes_an_upload_has_the_next_number_and_who_is_late_has_nothing(stored):
    blob = BlobId("ab" * 16)
    assert stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=blob))
    assert read(stored) == an_upload(1, fence=1, holder=NODE, writing=blob)
    assert not stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=number(91), writing=None))


def test_of_many_that_take_an_upload_at_once_one_does(stored):
    taken = at_once(
        8, lambda n: stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=number(n), writing=None))
    )
    assert sorted(taken) == [False] * 7 + [True]


def test_a_row_is_replaced_only_under_its_own_number(stored):
    stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=None))
    assert not stored.write(lambda unit: unit.uploads.save(an_upload(1, offset=10)))
    moved = an_upload(1, offset=10, fence=1, state=UploadState.RECEIVED, failure="infected")
    assert stored.write(lambda unit: unit.uploads.save(moved))
    assert read(stored) == moved


def test_what_is_wanted_is_told_to_its_holder_until_somebody_takes_it(stored):
    stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=None))
    assert stored.read(lambda unit: unit.uploads_found.wanted_of(NODE)) == []
    stored.write(lambda unit: unit.uploads.want(FIRST, fence=0))
    assert stored.read(lambda unit: unit.uploads_found.wanted_of(NODE)) == []
    stored.write(lambda unit: unit.uploads.want(FIRST, fence=1))
    assert [one.id for one in stored.read(lambda unit: unit.uploads_found.wanted_of(NODE))] == [FIRST]
    stored.write(lambda unit: unit.uploads.take(FIRST, after=1, holder=NODE, writing=None))
    assert stored.read(lambda unit: unit.uploads_found.wanted_of(NODE)) == []


def test_who_lets_go_of_an_upload_lets_go_of_its_own_turn_alone(stored):
    blob = BlobId("ab" * 16)
    stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=blob))
    stored.write(lambda unit: unit.uploads.want(FIRST, fence=1))
    stored.write(lambda unit: unit.uploads.release(FIRST, fence=0))
    assert read(stored) == an_upload(1, fence=1, holder=NODE, writing=blob, wanted=True)
    stored.write(lambda unit: unit.uploads.release(FIRST, fence=1))
    assert read(stored) == an_upload(1, fence=1, writing=blob)


def test_uploads_are_found_by_state_claim_receipt_and_link(stored):
    stored.write(lambda unit: unit.uploads.add(an_upload(2, state=UploadState.RECEIVED), digest("second")))
    stored.write(lambda unit: unit.uploads.add(an_upload(3, state=UploadState.FAILED), digest("third")))
    piece = an_upload(4, kind=UploadKind.PARTIAL, receipt_id=None)
    stored.write(lambda unit: unit.uploads.add(piece, digest("fourth")))

    def found(unit):
        of = unit.uploads_found
        return (
            [one.id for one in of.in_state(UploadState.RECEIVED, after=None, limit=9)],
            [one.id for one in of.in_state(UploadState.RECEIVED, after=SECOND, limit=9)],
            [one.id for one in of.in_state(UploadState.OPEN, after=None, limit=9, kind=UploadKind.PARTIAL)],
            [one.id for one in of.of_receipt(ReceiptId(number(50)))],
            of.of_attachment(AttachmentId(number(102))) == of.in_state(UploadState.RECEIVED, after=None, limit=1)[0],
            of.of_attachment(AttachmentId(number(999))),
            of.count_open(LinkId(number(1))),
        )

    assert stored.read(found) == ([SECOND], [], [number(4)], [FIRST, SECOND], True, None, 3)


def test_an_upload_is_expired_at_its_instant_whoever_holds_it_and_never_once_it_is_received(stored):
    stored.write(lambda unit: unit.uploads.add(an_upload(2, state=UploadState.RECEIVED), digest("second")))
    stored.write(lambda unit: unit.uploads.add(an_upload(3, state=UploadState.FAILED), digest("third")))

    def expired(at, after=None, limit=9):
        return [one.id for one in stored.read(lambda unit: unit.uploads_found.expired(at, after=after, limit=limit))]

    assert expired(T0 + HOUR - TICK) == []
    assert expired(T0 + HOUR) == [FIRST, number(3)]
    assert (expired(T0 + HOUR, limit=1), expired(T0 + HOUR, after=FIRST)) == ([FIRST], [number(3)])
    stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=None))
    assert expired(T0 + HOUR) == [FIRST, number(3)]


def test_parts_come_in_order_and_go_with_their_upload(stored):
    stored.write(lambda unit: [unit.upload_parts.add(a_part(n, blob=n)) for n in (1, 0, 2)])
    assert [part.number for part in stored.read(lambda unit: unit.upload_parts.of(FIRST))] == [0, 1, 2]
    assert stored.write(lambda unit: unit.uploads.remove(FIRST))
    assert not stored.write(lambda unit: unit.uploads.remove(FIRST))
    assert stored.read(lambda unit: unit.upload_parts.page(after=None, limit=9)) == []


def test_parts_in_pages_go_on_behind_the_last_one(stored):
    stored.write(lambda unit: unit.uploads.add(an_upload(2), digest("second")))
    stored.write(lambda unit: [unit.upload_parts.add(a_part(n, one)) for one in (FIRST, SECOND) for n in (0, 1)])
    after, seen = None, []
    while page := stored.read(lambda unit, after=after: unit.upload_parts.page(after=after, limit=1)):
        after = (page[-1].upload_id, page[-1].number)
        seen.append(after)
    assert seen == [(FIRST, 0), (FIRST, 1), (SECOND, 0), (SECOND, 1)]


def test_deleting_parts_tells_which_blobs_nobody_names_any_more(stored):
    stored.write(lambda unit: unit.uploads.add(an_upload(2), digest("second")))
    stored.write(lambda unit: [unit.upload_parts.add(a_part(n, blob=n)) for n in (0, 1)])
    stored.write(lambda unit: unit.upload_parts.add(replace(a_part(0, SECOND, blob=1), owner_id=FIRST)))
    assert stored.read(lambda unit: unit.upload_parts.owns(FIRST))
    assert [part.number for part in stored.write(lambda unit: unit.upload_parts.delete(FIRST))] == [0]
    assert stored.read(lambda unit: unit.upload_parts.owns(FIRST))
    assert [part.number for part in stored.write(lambda unit: unit.upload_parts.delete(SECOND))] == [0]
    assert not stored.read(lambda unit: unit.upload_parts.owns(FIRST))


def test_blobs_are_named_by_parts_and_by_whoever_may_be_writing_them(stored):
    part, writing, nobodys = (BlobId(f"{n:032x}") for n in (7, 8, 9))
    stored.write(lambda unit: unit.upload_parts.add(a_part(0, blob=7)))
    stored.write(lambda unit: unit.uploads.take(FIRST, after=0, holder=NODE, writing=writing))
    assert stored.read(lambda unit: unit.upload_parts.named({part, writing, nobodys})) == {part, writing}


def test_a_tickets_uploads_are_found_by_its_links(stored):
    def more(unit):
        unit.tickets.put(a_ticket(2))
        unit.links.add(an_upload_link(2, ticket=2), digest("other"))
        unit.uploads.add(an_upload(2, state=UploadState.FAILED), digest("second"))
        unit.uploads.add(an_upload(3, ticket_id=TicketId(number(2)), link_id=LinkId(number(2))), digest("third"))

    stored.write(more)
    found = stored.read(lambda unit: unit.uploads_found.of_ticket(TicketId(number(1))))
    assert [one.id for one in found] == [FIRST, SECOND]
