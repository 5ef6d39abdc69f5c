"""What is due: by examples, and against a model that looks at every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.actor import EVERYTHING, Scope
from domain.attachment import LIVE, AttachmentState
from domain.disposal import DueItem, Hold
from domain.ids import AttachmentId, HoldId, OrganisationId, TicketId
from storage.records import Records
from tests.contract.records.given import HOUR, T0, TICK, a_ticket, an_attachment, an_organisation, number

S = AttachmentState


def place(unit, n: int, *, ticket: int | None = None, organisation: int | None = None) -> None:
    unit.holds.add(
        Hold(
            id=HoldId(number(n)),
            ticket_id=None if ticket is None else TicketId(number(ticket)),
            organisation_id=None if organisation is None else OrganisationId(number(organisation)),
            reason_sealed=b"reason",
            review_on=None,
            placed_by=None,
            placed_at=T0,
            released_at=None,
        )
    )


@pytest.fixture
def stored(records: Records) -> Records:
    """Ticket 1 (organisation 1) due at T0 with attachments 5 and 2; ticket 2 (organisation 2) an hour later with 1 and
    3; ticket 3 never, with 4. All available."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        unit.organisations.put(an_organisation(2))
        unit.tickets.put(replace(a_ticket(1, 1), purge_due_at=T0, retention_class="short", retention_rule="P30D"))
        unit.tickets.put(replace(a_ticket(2, 2), purge_due_at=T0 + HOUR))
        unit.tickets.put(a_ticket(3, 1))
        for n, ticket in ((5, 1), (2, 1), (1, 2), (3, 2), (4, 3)):
            unit.attachments.add(replace(an_attachment(n, ticket), state=S.AVAILABLE))

    records.write(begin)
    return records


def due(
    records: Records,
    before: datetime,
    scope: Scope = EVERYTHING,
    *,
    after: tuple[datetime, AttachmentId] | None = None,
    limit: int = 100,
    held: bool | None = None,
) -> Sequence[DueItem]:
    return records.read(lambda unit: unit.disposals.due(before, scope, after=after, limit=limit, held=held))


def numbers(items: Sequence[DueItem]) -> list[int]:
    return [int(item.attachment_id[-12:]) for item in items]


def test_an_item_names_its_ticket_its_date_and_its_rule(stored):
    assert due(stored, T0)[0] == DueItem(
        attachment_id=AttachmentId(number(2)),
        ticket_id=TicketId(number(1)),
        due_at=T0,
        retention_class="short",
        rule="P30D",
        held=False,
    )


def test_what_is_due_is_due_at_its_instant_and_not_a_microsecond_before(stored):
    assert numbers(due(stored, T0 - TICK)) == []
    assert numbers(due(stored, T0)) == [2, 5]
    assert numbers(due(stored, T0 + HOUR - TICK)) == [2, 5]
    assert numbers(due(stored, T0 + HOUR)) == [2, 5, 1, 3]
    assert numbers(due(stored, T0 + 10_000 * HOUR)) == [2, 5, 1, 3]


@pytest.mark.parametrize("state", list(S))
def test_only_live_attachments_are_due(stored, state):
    stored.write(lambda unit: unit.attachments.save(replace(an_attachment(2), state=state, version=2)))
    is_live = state in LIVE
    assert numbers(due(stored, T0)) == ([2, 5] if is_live else [5])
    assert stored.read(lambda unit: unit.disposals.due_count(T0)) == (2 if is_live else 1)
    item = stored.read(lambda unit: unit.disposals.item(AttachmentId(number(2))))
    assert (item is not None) is is_live


def test_a_new_date_on_the_ticket_counts_for_all_its_attachments_at_once(stored):
    later = replace(a_ticket(1, 1), purge_due_at=T0 + 2 * HOUR, version=2)
    stored.write(lambda unit: unit.tickets.put(later))
    assert numbers(due(stored, T0 + HOUR)) == [1, 3]
    assert numbers(due(stored, T0 + 2 * HOUR)) == [1, 3, 2, 5]
    stored.write(lambda unit: unit.tickets.put(replace(later, purge_due_at=None, version=3)))
    assert numbers(due(stored, T0 + 10_000 * HOUR)) == [1, 3]


@pytest.mark.parametrize(("hold", "kept"), [({"ticket": 1}, [2, 5]), ({"organisation": 2}, [1, 3])])
def test_a_hold_is_named_and_narrowed_to(stored, hold, kept):
    stored.write(lambda unit: place(unit, 1, **hold))
    everything = due(stored, T0 + HOUR)
    assert numbers(everything) == [2, 5, 1, 3]
    assert [n for n, item in zip(numbers(everything), everything, strict=True) if item.held] == kept
    assert numbers(due(stored, T0 + HOUR, held=True)) == kept
    assert all(item.held for item in due(stored, T0 + HOUR, held=True))
    assert numbers(due(stored, T0 + HOUR, held=False)) == [n for n in [2, 5, 1, 3] if n not in kept]
    assert not any(item.held for item in due(stored, T0 + HOUR, held=False))
    assert stored.read(lambda unit: unit.disposals.due_count(T0 + HOUR)) == 2
    item = stored.read(lambda unit: unit.disposals.item(AttachmentId(number(kept[0]))))
    assert item is not None
    assert item.held
    stored.write(lambda unit: unit.holds.release(HoldId(number(1)), at=T0, by=None, reason_sealed=None))
    assert numbers(due(stored, T0 + HOUR, held=True)) == []


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (Scope(organisation_id=OrganisationId(number(1))), [2, 5]),
        (Scope(organisation_id=OrganisationId(number(2))), [1, 3]),
        (Scope(organisation_id=OrganisationId(number(3))), []),
        (Scope(ticket_id=TicketId(number(2))), [1, 3]),
        (Scope(organisation_id=OrganisationId(number(1)), ticket_id=TicketId(number(2))), []),
    ],
)
def test_what_is_due_is_shown_within_the_scope_only(stored, scope, seen):
    assert numbers(due(stored, T0 + HOUR, scope)) == seen
    assert numbers(due(stored, T0 + HOUR, scope, held=False)) == seen
    assert numbers(due(stored, T0 + HOUR, scope, after=(T0 - TICK, AttachmentId("")))) == seen


def test_an_item_of_its_own_has_its_date_whether_or_not_that_has_come(stored):
    item = stored.read(lambda unit: unit.disposals.item(AttachmentId(number(3))))
    assert item is not None
    assert (item.due_at, item.held) == (T0 + HOUR, False)
    assert stored.read(lambda unit: unit.disposals.item(AttachmentId(number(4)))) is None
    assert stored.read(lambda unit: unit.disposals.item(AttachmentId(number(9)))) is None


def test_a_page_goes_on_though_its_last_item_was_purged_meanwhile(stored):
    (first,) = due(stored, T0 + HOUR, limit=1)
    purged = replace(an_attachment(2), state=S.PURGED, version=2)
    stored.write(lambda unit: unit.attachments.save(purged))
    assert numbers(due(stored, T0 + HOUR, after=(first.due_at, first.attachment_id))) == [5, 1, 3]


def test_a_page_after_an_attachment_nobody_knows_begins_its_instant_anew(stored):
    assert numbers(due(stored, T0 + HOUR, after=(T0, AttachmentId(number(99))))) == [2, 5, 1, 3]


@dataclass(frozen=True)
class Row:
    """A ticket in small: when it is due (hours after T0), whose it is, whether held, and its attachments' states."""

    due_in: int | None
    organisation: int
    held: bool
    states: tuple[AttachmentState, ...]


rows = st.builds(
    Row,
    due_in=st.none() | st.integers(0, 2),
    organisation=st.integers(1, 2),
    held=st.booleans(),
    states=st.lists(st.sampled_from([S.AVAILABLE, S.QUARANTINED, S.PURGED]), max_size=4).map(tuple),
)


@given(
    given_rows=st.lists(rows, max_size=6),
    organisation_held=st.booleans(),
    ask=st.tuples(
        st.integers(-1, 3), st.integers(1, 4), st.sampled_from([None, True, False]), st.sampled_from([None, 1, 2])
    ),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_what_is_due_are_what_a_look_at_every_row_finds(records, given_rows, organisation_held, ask):
    """Each example's rows are rolled back at its end, so all of it happens in one work."""
    before, limit, held, seen_by = ask
    at = T0 + timedelta(hours=before)
    scope = EVERYTHING if seen_by is None else Scope(organisation_id=OrganisationId(number(seen_by)))

    class Done(Exception):
        pass

    def work(unit):
        unit.organisations.put(an_organisation(1))
        unit.organisations.put(an_organisation(2))
        if organisation_held:
            place(unit, 100, organisation=1)
        expected: list[tuple[datetime, str, str, bool]] = []
        n = 0
        for t, row in enumerate(given_rows, start=1):
            due_at = None if row.due_in is None else T0 + timedelta(hours=row.due_in)
            unit.tickets.put(replace(a_ticket(t, row.organisation), purge_due_at=due_at))
            if row.held:
                place(unit, t, ticket=t)
            kept = row.held or (organisation_held and row.organisation == 1)
            for state in row.states:
                n += 1
                unit.attachments.add(replace(an_attachment(n, t), state=state))
                if due_at is not None and due_at <= at and state in LIVE and seen_by in (None, row.organisation):
                    expected.append((due_at, number(t), number(n), kept))
        wanted = [row for row in sorted(expected) if held is None or row[3] is held]
        found: list[tuple[datetime, str, str, bool]] = []
        after = None
        while items := unit.disposals.due(at, scope, after=after, limit=limit, held=held):
            assert len(items) <= limit
            found += [(item.due_at, item.ticket_id, item.attachment_id, item.held) for item in items]
            after = (items[-1].due_at, items[-1].attachment_id)
            assert found == wanted[: len(found)]
        assert found == wanted
        if seen_by is None:
            assert unit.disposals.due_count(at) == sum(not row[3] for row in expected)
        raise Done

    with pytest.raises(Done):
        records.write(work)
