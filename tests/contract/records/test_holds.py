from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from domain.disposal import Certificate, Hold
from domain.errors import StateConflict
from domain.ids import AttachmentId, CertificateId, HoldId, OrganisationId, PrincipalId, TicketId
from storage.records import Records
from tests.contract.records.given import HOUR, T0, a_ticket, an_attachment, an_organisation, number

TICKET, OTHER_TICKET = TicketId(number(1)), TicketId(number(2))
ORGANISATION = OrganisationId(number(1))


def a_hold(n: int = 1, *, ticket: TicketId | None = None, organisation: OrganisationId | None = None) -> Hold:
    return Hold(
        id=HoldId(number(n)),
        ticket_id=ticket,
        organisation_id=organisation,
        reason_sealed=b"reason",
        review_on=date(2027, 1, 31),
        placed_by=PrincipalId(number(9)),
        placed_at=T0,
        released_at=None,
    )


@pytest.fixture
def stored(records: Records) -> Records:
    """Ticket 1 of an organisation, ticket 2 of none."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        unit.tickets.put(a_ticket(1, organisation=1))
        unit.tickets.put(a_ticket(2))

    records.write(begin)
    return records


def held(records: Records) -> tuple[bool, bool]:
    return records.read(lambda unit: (unit.holds.held(TICKET), unit.holds.held(OTHER_TICKET)))


def on_ticket(records: Records, ticket_id: TicketId = TICKET) -> list[Hold]:
    return list(records.read(lambda unit: unit.holds.on_ticket(ticket_id)))


def release(records: Records, hold: Hold) -> bool:
    return records.write(
        lambda unit: unit.holds.release(hold.id, at=T0 + HOUR, by=PrincipalId(number(8)), reason_sealed=b"over")
    )


def test_a_hold_on_a_ticket_keeps_that_ticket_until_it_is_released(stored):
    hold = a_hold(ticket=OTHER_TICKET)
    assert held(stored) == (False, False)
    stored.write(lambda unit: unit.holds.add(hold))
    assert held(stored) == (False, True)
    assert on_ticket(stored, OTHER_TICKET) == [hold]
    assert release(stored, hold) is True
    assert held(stored) == (False, False)
    assert on_ticket(stored, OTHER_TICKET) == []
    assert release(stored, hold) is False


def test_a_hold_on_an_organisation_keeps_its_tickets_and_no_others(stored):
    hold = a_hold(organisation=ORGANISATION)
    stored.write(lambda unit: unit.holds.add(hold))
    assert held(stored) == (True, False)
    assert on_ticket(stored) == [hold]
    assert on_ticket(stored, OTHER_TICKET) == []
    assert stored.read(lambda unit: unit.holds.on_organisation(ORGANISATION)) == hold
    moved = replace(a_ticket(1), version=2)
    stored.write(lambda unit: unit.tickets.put(moved))
    assert held(stored) == (False, False)


def test_with_two_holds_releasing_one_is_not_enough(stored):
    first, second = a_hold(1, ticket=TICKET), a_hold(2, organisation=ORGANISATION)
    stored.write(lambda unit: (unit.holds.add(second), unit.holds.add(first)))
    assert on_ticket(stored) == [first, second]
    assert release(stored, first)
    assert held(stored) == (True, False)
    assert release(stored, second)
    assert held(stored) == (False, False)
    assert stored.read(lambda unit: unit.holds.on_organisation(ORGANISATION)) is None


@pytest.mark.parametrize("owner", [{"ticket": TICKET}, {"organisation": ORGANISATION}])
def test_a_second_hold_of_its_own_is_a_conflict_until_the_first_is_released(stored, owner):
    stored.write(lambda unit: unit.holds.add(a_hold(1, **owner)))
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.holds.add(a_hold(2, **owner)))
    release(stored, a_hold(1))
    stored.write(lambda unit: unit.holds.add(a_hold(2, **owner)))
    assert held(stored)[0]


def test_a_hold_is_on_one_thing(stored):
    with pytest.raises(Exception, match="one_owner"):
        stored.write(lambda unit: unit.holds.add(a_hold(1, ticket=TICKET, organisation=ORGANISATION)))
    with pytest.raises(Exception, match="one_owner"):
        stored.write(lambda unit: unit.holds.add(a_hold(1)))


def test_holds_in_force_come_in_pages(stored):
    holds = [
        a_hold(1, ticket=TICKET),
        a_hold(2, organisation=ORGANISATION),
        a_hold(3, ticket=OTHER_TICKET),
    ]

    def in_force(after: HoldId | None, limit: int) -> list[Hold]:
        return list(stored.read(lambda unit: unit.holds.in_force(after=after, limit=limit)))

    stored.write(lambda unit: [unit.holds.add(hold) for hold in holds] and None)
    assert in_force(None, 2) == holds[:2]
    assert in_force(holds[1].id, 2) == holds[2:]
    release(stored, holds[0])
    assert in_force(None, 9) == holds[1:]


def a_certificate(n: int) -> Certificate:
    return Certificate(
        id=CertificateId(number(n)),
        attachment_id=AttachmentId(number(n)),
        document=b'{"n":%d}' % n,
        signature=b"\0" * 64,
        issued_at=T0,
    )


def test_certificates_are_found_by_id_and_by_attachment_and_in_pages(stored):
    certificates = [a_certificate(n) for n in (1, 2, 3)]

    def begin(unit):
        for n in (1, 2, 3, 4):
            unit.attachments.add(an_attachment(n))
        for certificate in certificates:
            unit.certificates.add(certificate)

    stored.write(begin)
    first = certificates[0]
    assert stored.read(lambda unit: unit.certificates.get(first.id)) == first
    assert stored.read(lambda unit: unit.certificates.of_attachment(first.attachment_id)) == first
    assert stored.read(lambda unit: unit.certificates.of_attachment(AttachmentId(number(4)))) is None
    assert stored.read(lambda unit: unit.certificates.get(CertificateId(number(4)))) is None
    assert list(stored.read(lambda unit: unit.certificates.page(after=None, limit=2))) == certificates[:2]
    assert list(stored.read(lambda unit: unit.certificates.page(after=certificates[1].id, limit=2))) == certificates[2:]
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.certificates.add(replace(first, id=CertificateId(number(9)))))


def test_holds_in_force_are_found_by_their_day_of_review(stored):
    late = replace(a_hold(1, ticket=TICKET), review_on=date(9999, 12, 31))
    soon = replace(a_hold(2, ticket=OTHER_TICKET), review_on=date(2026, 12, 24))
    other = replace(a_hold(3, organisation=ORGANISATION), review_on=date(2027, 1, 1))

    def place(unit):
        for hold in (late, soon, other):
            unit.holds.add(hold)

    stored.write(place)
    page = lambda before=None, after=None, limit=9: stored.read(  # noqa: E731
        lambda unit: list(unit.holds.by_review(before, after=after, limit=limit))
    )
    count = lambda before: stored.read(lambda unit: unit.holds.count_review(before))  # noqa: E731
    assert page() == [soon, other, late]
    assert page(limit=1) == [soon]
    assert page(after=(date(2026, 12, 24), soon.id)) == [other, late]
    assert page(date(2027, 1, 1)) == [soon]
    assert [count(date(2026, 12, 24)), count(date(2026, 12, 25)), count(date(2027, 1, 2))] == [0, 1, 2]
    release(stored, soon)
    assert (page(), count(date(2027, 1, 1))) == ([other, late], 0)
