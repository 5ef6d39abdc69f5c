from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import EVERYTHING, Scope
from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.errors import NotFound, StateConflict
from domain.ids import AttachmentId, BlobId, CertificateId, LinkId, OrganisationId, ReceiptId, TicketId
from storage.records import Records
from tests.contract.records.given import HOUR, T0, TICK, a_ticket, an_attachment, an_organisation, at_once, number

FIRST = AttachmentId(number(1))
FULL = Attachment(
    id=FIRST,
    ticket_id=TicketId(number(1)),
    link_id=LinkId(number(2)),
    receipt_id=ReceiptId(number(3)),
    blob_id=BlobId("f" * 32),
    name_sealed=b"\0name\xff",
    declared_size=2**40 + 1,
    reserved_bytes=2**40 + 2,
    size=2**40 + 3,
    sealed_size=2**40 + 4,
    sha256=b"\x01" * 32,
    sealed_sha256=b"\x02" * 32,
    commitment=b"\x03" * 32,
    segment_size=1 << 20,
    stream_format=1,
    media_type="application/pdf",
    state=AttachmentState.AVAILABLE,
    scan=Scan.CLEAN,
    scanned_by="clamd 1.4",
    source=Source.CONNECTOR,
    created_at=T0,
    available_at=T0 + TICK,
    download_count=4,
    purge_reason="due",
    purged_at=T0 + HOUR,
    certificate_id=CertificateId(number(4)),
    version=3,
)


@pytest.fixture
def stored(records: Records) -> Records:
    """Tickets 1 and 2 of two organisations, attachments 1 to 3 on the first, 4 on the second."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        unit.organisations.put(an_organisation(2))
        unit.tickets.put(a_ticket(1, organisation=1))
        unit.tickets.put(a_ticket(2, organisation=2))
        for n in (1, 2, 3):
            unit.attachments.add(replace(an_attachment(n), receipt_id=ReceiptId(number(7)) if n > 1 else None))
        unit.attachments.add(an_attachment(4, ticket=2))

    records.write(begin)
    return records


def get(records: Records, n: int = 1, scope: Scope = EVERYTHING) -> Attachment | None:
    return records.read(lambda unit: unit.attachments.get(AttachmentId(number(n)), scope))


def settle(records: Records, n: int, state: AttachmentState, ticket: int = 1) -> None:
    old = get(records, n)
    assert old is not None
    records.write(lambda unit: unit.attachments.save(replace(old, state=state, version=old.version + 1)))


def numbers(found) -> list[int]:
    return [int(attachment.id[-12:]) for attachment in found]


def test_an_attachment_comes_back_as_it_was_added_and_as_it_was_saved(stored):
    assert get(stored) == an_attachment(1)
    stored.write(lambda unit: unit.attachments.save(replace(FULL, version=2)))
    stored.write(lambda unit: unit.attachments.save(FULL))
    assert get(stored) == replace(FULL, download_count=0)


def test_an_unknown_attachment_is_not_there(stored):
    assert get(stored, 9) is None


def test_an_attachment_needs_a_ticket_that_is_there_and_not_erased(stored):
    with pytest.raises(NotFound):
        stored.write(lambda unit: unit.attachments.add(an_attachment(9, ticket=9)))
    stored.write(lambda unit: unit.tickets.put(replace(a_ticket(3), erased_at=T0)))
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.attachments.add(an_attachment(9, ticket=3)))
    assert get(stored, 9) is None


@pytest.mark.parametrize("taken", [{"id": AttachmentId(number(1))}, {"blob_id": an_attachment(1).blob_id}])
def test_no_two_attachments_share_an_id_or_a_blob(stored, taken):
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.attachments.add(replace(an_attachment(9), **taken)))


@pytest.mark.parametrize("version", [0, 1, 3])
def test_saving_any_version_but_the_next_is_a_conflict_and_changes_nothing(stored, version):
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.attachments.save(replace(FULL, version=version)))
    assert get(stored) == an_attachment(1)


def test_saving_an_attachment_that_is_not_there_is_a_conflict(stored):
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.attachments.save(replace(an_attachment(9), version=2)))


def test_of_many_who_change_the_same_version_one_succeeds(stored):
    def one(i: int) -> bool:
        mine = replace(an_attachment(1), state=AttachmentState.SCANNING, scanned_by=str(i), version=2)
        try:
            stored.write(lambda unit: unit.attachments.save(mine))
        except StateConflict:
            return False
        return True

    won = at_once(8, one)
    assert sum(won) == 1
    found = get(stored)
    assert found is not None
    assert found.scanned_by == str(won.index(True))


def test_downloads_are_counted_beside_the_version_and_saving_does_not_undo_them(stored):
    read_before = get(stored)
    assert read_before is not None
    at_once(6, lambda i: stored.write(lambda unit: unit.attachments.count_download(FIRST)))
    stored.write(lambda unit: unit.attachments.save(replace(read_before, state=AttachmentState.AVAILABLE, version=2)))
    found = get(stored)
    assert found is not None
    assert (found.download_count, found.version) == (6, 2)


def test_only_an_attachment_still_being_received_can_be_removed(stored):
    assert stored.write(lambda unit: unit.attachments.remove(FIRST)) is True
    assert get(stored) is None
    assert stored.write(lambda unit: unit.attachments.remove(FIRST)) is False
    for n, state in enumerate(AttachmentState, start=20):
        stored.write(lambda unit, n=n, state=state: unit.attachments.add(replace(an_attachment(n), state=state)))
        removed = stored.write(lambda unit, n=n: unit.attachments.remove(AttachmentId(number(n))))
        assert removed is (state is AttachmentState.RECEIVING)


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (EVERYTHING, [1, 2, 3, 4]),
        (Scope(organisation_id=OrganisationId(number(1))), [1, 2, 3]),
        (Scope(organisation_id=OrganisationId(number(2))), [4]),
        (Scope(organisation_id=OrganisationId(number(9))), []),
        (Scope(ticket_id=TicketId(number(2))), [4]),
        (Scope(organisation_id=OrganisationId(number(1)), ticket_id=TicketId(number(2))), []),
    ],
)
def test_every_read_shows_what_the_scope_sees_and_nothing_else(stored, scope, seen):
    for n in range(1, 5):
        settle(stored, n, AttachmentState.AVAILABLE)
    assert [n for n in range(1, 5) if get(stored, n, scope)] == seen

    def of_tickets(unit):
        return [n for t in (1, 2) for n in numbers(unit.attachments.of_ticket(TicketId(number(t)), scope))]

    assert stored.read(of_tickets) == seen


def test_a_tickets_attachments_are_all_but_those_being_received_oldest_first(stored):
    def of_ticket():
        return numbers(stored.read(lambda unit: unit.attachments.of_ticket(TicketId(number(1)), EVERYTHING)))

    assert of_ticket() == []
    settle(stored, 3, AttachmentState.AVAILABLE)
    settle(stored, 1, AttachmentState.PURGED)
    assert of_ticket() == [1, 3]


def test_a_receipts_attachments_are_what_its_request_brought_in(stored):
    def of_receipt(n: int):
        return numbers(stored.read(lambda unit: unit.attachments.of_receipt(ReceiptId(number(n)))))

    assert of_receipt(7) == []
    settle(stored, 2, AttachmentState.QUARANTINED)
    settle(stored, 3, AttachmentState.PURGED)
    assert of_receipt(7) == [2, 3]
    assert of_receipt(8) == []
