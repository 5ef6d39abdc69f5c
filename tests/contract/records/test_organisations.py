from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from domain.actor import EVERYTHING, Scope
from domain.errors import StateConflict
from domain.ids import OrganisationId, TicketId
from storage.records import Records
from tests.contract.records.given import HOUR, T0, a_ticket, an_organisation, number

FULL = replace(an_organisation(1), name="Åkeriet Öst AB", contract_ends_on=date(2028, 2, 29))


@pytest.fixture
def stored(records: Records) -> Records:
    def begin(unit):
        for n in (1, 2, 3):
            unit.organisations.put(an_organisation(n))
        unit.tickets.put(a_ticket(5, organisation=2))
        unit.tickets.put(a_ticket(6))

    records.write(begin)
    return records


def test_an_organisation_comes_back_as_it_was_put(records):
    records.write(lambda unit: unit.organisations.put(FULL))
    assert records.read(lambda unit: unit.organisations.get("org-1", EVERYTHING)) == FULL
    assert records.read(lambda unit: unit.organisations.by_id(FULL.id, EVERYTHING)) == FULL


def test_putting_it_again_replaces_every_field(stored):
    changed = replace(FULL, ref="org-other", facts_at=T0 + HOUR)
    stored.write(lambda unit: unit.organisations.put(changed))
    assert stored.read(lambda unit: unit.organisations.by_id(FULL.id, EVERYTHING)) == changed
    assert stored.read(lambda unit: unit.organisations.get("org-1", EVERYTHING)) is None
    back = replace(changed, name=None, contract_ends_on=None)
    stored.write(lambda unit: unit.organisations.put(back))
    assert stored.read(lambda unit: unit.organisations.by_id(FULL.id, EVERYTHING)) == back


def test_two_organisations_cannot_have_one_name_outside(stored):
    with pytest.raises(StateConflict):
        stored.write(lambda unit: unit.organisations.put(replace(an_organisation(4), ref="org-1")))


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (EVERYTHING, [1, 2, 3]),
        (Scope(organisation_id=OrganisationId(number(1))), [1]),
        (Scope(organisation_id=OrganisationId(number(9))), []),
        (Scope(ticket_id=TicketId(number(5))), [2]),
        (Scope(ticket_id=TicketId(number(6))), []),
        (Scope(organisation_id=OrganisationId(number(1)), ticket_id=TicketId(number(5))), []),
    ],
)
def test_every_read_shows_what_the_scope_sees_and_nothing_else(stored, scope, seen):
    def look(unit):
        return (
            [int(found.id[-12:]) for found in unit.organisations.page(scope, after=None, limit=10)],
            [n for n in range(1, 4) if unit.organisations.get(f"org-{n}", scope)],
            [n for n in range(1, 4) if unit.organisations.by_id(OrganisationId(number(n)), scope)],
        )

    assert stored.read(look) == (seen, seen, seen)


def test_pages_follow_each_other(stored):
    def page(after):
        return stored.read(lambda unit: unit.organisations.page(EVERYTHING, after=after, limit=2))

    first = page(None)
    assert [found.ref for found in first] == ["org-1", "org-2"]
    assert [found.ref for found in page(first[-1].id)] == ["org-3"]
