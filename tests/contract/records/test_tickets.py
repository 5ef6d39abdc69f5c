from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from domain.actor import EVERYTHING, Scope
from domain.attachment import AttachmentState
from domain.disposal import Hold
from domain.errors import StateConflict
from domain.ids import HoldId, OrganisationId, TicketId
from domain.ticket import TicketStatus
from storage.records import Records, TicketFilter
from tests.contract.records.given import HOUR, T0, TICK, a_ticket, an_attachment, an_organisation, digest, number

FIRST = OrganisationId(number(1))
SECOND = OrganisationId(number(2))


@pytest.fixture
def stored(records: Records) -> Records:
    """Two organisations with three tickets each, in turn: 1, 3, 5 are the first's, 2, 4, 6 the second's; 7 nobody's."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        unit.organisations.put(an_organisation(2))
        for n in range(1, 7):
            unit.tickets.put(a_ticket(n, organisation=1 if n % 2 else 2))
        unit.tickets.put(a_ticket(7))

    records.write(begin)
    return records


def numbers(tickets) -> list[int]:
    return [int(ticket.id[-12:]) for ticket in tickets]


def page(records: Records, what: TicketFilter, scope: Scope = EVERYTHING, after=None, limit: int = 100) -> list[int]:
    return numbers(records.read(lambda unit: unit.tickets.page(what, scope, after=after, limit=limit)))


def a_hold(n: int, *, ticket: int | None = None, organisation: int | None = None) -> Hold:
    return Hold(
        id=HoldId(number(n)),
        ticket_id=None if ticket is None else TicketId(number(ticket)),
        organisation_id=None if organisation is None else OrganisationId(number(organisation)),
        reason_sealed=b"sealed",
        review_on=date(2026, 12, 24),
        placed_by=None,
        placed_at=T0,
        released_at=None,
    )


FULL = replace(
    a_ticket(9, organisation=1),
    status=TicketStatus.PENDING,
    subject_sealed=b"subject\0\xff",
    requester_email_sealed=b"mail",
    requester_email_digest=digest("mail"),
    requester_name_sealed=b"name",
    opened_at=T0 - HOUR,
    last_activity_at=T0 + TICK,
    closed_at=T0 + HOUR,
    channel="e-post",
    purge_due_at=T0 + 99 * HOUR,
)


def test_a_ticket_comes_back_as_it_was_put(stored):
    stored.write(lambda unit: unit.tickets.put(FULL))
    assert stored.read(lambda unit: unit.tickets.get("ticket-9", EVERYTHING)) == FULL
    assert stored.read(lambda unit: unit.tickets.by_id(FULL.id, EVERYTHING)) == FULL


def test_a_ticket_nobody_put_is_not_there(stored):
    assert stored.read(lambda unit: unit.tickets.get("ticket-8", EVERYTHING)) is None
    assert stored.read(lambda unit: unit.tickets.by_id(TicketId(number(8)), EVERYTHING)) is None


def test_the_next_version_replaces_every_field(stored):
    changed = replace(FULL, id=TicketId(number(1)), ref="renamed", version=2)
    stored.write(lambda unit: unit.tickets.put(changed))
    assert stored.read(lambda unit: unit.tickets.by_id(changed.id, EVERYTHING)) == changed
    assert stored.read(lambda unit: unit.tickets.get("ticket-1", EVERYTHING)) is None


@pytest.mark.parametrize("version", [1, 3, 0])
def test_any_other_version_is_a_conflict_and_changes_nothing(stored, version):
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.tickets.put(replace(a_ticket(1), version=version, channel="web")))
    assert stored.read(lambda unit: unit.tickets.by_id(TicketId(number(1)), EVERYTHING)) == a_ticket(1, organisation=1)


def test_a_second_ticket_of_the_same_name_is_a_conflict_and_the_work_can_go_on(stored):
    def work(unit):
        with pytest.raises(StateConflict):
            unit.tickets.put(replace(a_ticket(8), ref="ticket-1"))
        unit.tickets.put(a_ticket(8))

    stored.write(work)
    assert stored.read(lambda unit: unit.tickets.get("ticket-8", EVERYTHING)) == a_ticket(8)


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (EVERYTHING, [1, 2, 3, 4, 5, 6, 7]),
        (Scope(organisation_id=FIRST), [1, 3, 5]),
        (Scope(organisation_id=SECOND), [2, 4, 6]),
        (Scope(organisation_id=OrganisationId(number(3))), []),
        (Scope(ticket_id=TicketId(number(4))), [4]),
        (Scope(organisation_id=FIRST, ticket_id=TicketId(number(4))), []),
        (Scope(organisation_id=SECOND, ticket_id=TicketId(number(4))), [4]),
    ],
)
def test_every_read_shows_what_the_scope_sees_and_nothing_else(stored, scope, seen):
    assert page(stored, TicketFilter(), scope) == seen

    def by_name(unit):
        return [n for n in range(1, 8) if unit.tickets.get(f"ticket-{n}", scope)]

    def by_id(unit):
        return [n for n in range(1, 8) if unit.tickets.by_id(TicketId(number(n)), scope)]

    assert stored.read(by_name) == seen
    assert stored.read(by_id) == seen


def test_pages_follow_each_other_without_gap_or_repetition(stored):
    seen: list[int] = []
    after = None
    while found := page(stored, TicketFilter(), after=after, limit=2):
        assert len(found) <= 2
        seen += found
        after = TicketId(number(found[-1]))
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_filters_narrow_by_themselves_and_together(stored):
    def change(unit):
        unit.tickets.put(replace(a_ticket(1, 1), version=2, status=TicketStatus.CLOSED, purge_due_at=T0))
        unit.tickets.put(replace(a_ticket(2, 2), version=2, status=TicketStatus.CLOSED, purge_due_at=T0 + HOUR))
        unit.tickets.put(replace(a_ticket(3, 1), version=2, purge_due_at=T0, requester_email_digest=digest("a")))
        unit.holds.add(a_hold(1, ticket=1))
        unit.holds.add(a_hold(2, organisation=2))

    stored.write(change)
    assert page(stored, TicketFilter(status=TicketStatus.CLOSED)) == [1, 2]
    assert page(stored, TicketFilter(organisation_id=FIRST)) == [1, 3, 5]
    assert page(stored, TicketFilter(organisation_id=FIRST), Scope(organisation_id=SECOND)) == []
    assert page(stored, TicketFilter(due_before=T0)) == []
    assert page(stored, TicketFilter(due_before=T0 + TICK)) == [1, 3]
    assert page(stored, TicketFilter(due_before=T0 + HOUR + TICK)) == [1, 2, 3]
    assert page(stored, TicketFilter(requester_email_digest=digest("a"))) == [3]
    assert page(stored, TicketFilter(held=True)) == [1, 2, 4, 6]
    assert page(stored, TicketFilter(held=False)) == [3, 5, 7]
    everything = TicketFilter(
        organisation_id=FIRST, status=TicketStatus.CLOSED, due_before=T0 + HOUR, held=True, requester_email_digest=None
    )
    assert page(stored, everything) == [1]


def test_an_organisations_tickets_come_in_order_and_in_pages(stored):
    def of(after, limit):
        return numbers(stored.read(lambda unit: unit.tickets.of_organisation(FIRST, after=after, limit=limit)))

    assert of(None, 2) == [1, 3]
    assert of(TicketId(number(3)), 2) == [5]
    assert of(TicketId(number(5)), 2) == []


def expired(records: Records, now, limit: int = 100) -> list[int]:
    return numbers(records.read(lambda unit: unit.tickets.expired(now, limit=limit)))


def test_a_ticket_is_expired_when_it_is_due_not_held_has_only_tombstones_and_was_not_erased(stored):
    def change(unit):
        for n in range(1, 7):
            unit.tickets.put(replace(a_ticket(n, 1 if n % 2 else 2), version=2, purge_due_at=T0 + n * TICK))
        unit.attachments.add(an_attachment(1, ticket=1))  # being received
        unit.attachments.add(replace(an_attachment(3, ticket=3), state=AttachmentState.PURGED))
        unit.attachments.add(replace(an_attachment(4, ticket=3), state=AttachmentState.PURGING))
        unit.attachments.add(replace(an_attachment(5, ticket=5), state=AttachmentState.PURGED))
        unit.holds.add(a_hold(1, ticket=2))

    stored.write(change)
    later = T0 + HOUR
    assert expired(stored, later) == [4, 5, 6]
    assert expired(stored, later, limit=1) == [4]
    assert expired(stored, T0 + 5 * TICK) == [4, 5]
    stored.write(lambda unit: unit.tickets.put(replace(a_ticket(4, 2), version=3, purge_due_at=T0, erased_at=T0)))
    assert expired(stored, later) == [5, 6]
    stored.write(lambda unit: unit.holds.add(a_hold(2, organisation=1)))
    assert expired(stored, later) == [6]


def test_a_ticket_that_has_more_than_tombstones_cannot_be_erased(stored):
    stored.write(lambda unit: unit.attachments.add(an_attachment(1, ticket=1)))
    erased = replace(a_ticket(1, 1), version=2, erased_at=T0)
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.tickets.put(erased))
    stored.write(lambda unit: unit.attachments.save(replace(an_attachment(1), state=AttachmentState.PURGED, version=2)))
    stored.write(lambda unit: unit.tickets.put(erased))
    assert stored.read(lambda unit: unit.tickets.by_id(erased.id, EVERYTHING)) == erased


@pytest.mark.parametrize("field", ["last_activity_at", "closed_at", "purge_due_at"])
def test_an_instant_without_a_zone_is_refused(stored, field):
    naive: Any = {field: T0.replace(tzinfo=None)}
    with pytest.raises(Exception, match="naive"):
        stored.write(lambda unit: unit.tickets.put(replace(FULL, **naive)))
