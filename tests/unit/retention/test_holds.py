"""A hold keeps what is due; its reason is for those who may read it, and for nobody else."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from domain.actor import SYSTEM, Action, Actor, Role
from domain.errors import AlreadyPurged, BadInput, NotAllowed, NotFound
from domain.event import EventKind
from domain.ids import AttachmentId, PrincipalId
from retention import HoldsDesk, Period, Reason
from tests.small_site import START
from tests.unit.retention.purged import LONG_AGO

ADMIN = Actor(Role.ADMIN, PrincipalId("p"))


def place(site, ref="T-1", reason="Tvist 12/26", review_on=None, actor=ADMIN):
    return site.records.write(lambda unit: site.holds.place_on_ticket(unit, actor, ref, reason, review_on))


def held(site, ref="T-1"):
    return site.records.read(lambda unit: unit.holds.held(site.ticket(ref).id))


def test_a_hold_is_in_force_until_it_is_released(site):
    site.put("T-1")
    placed = place(site, review_on=date(2027, 6, 1))
    assert (placed.created, placed.hold.placed_by, placed.hold.placed_at) == (True, "p", START)
    assert placed.hold.review_on == date(2027, 6, 1)
    assert held(site)
    released = site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", "över"))
    assert released == placed.hold
    assert not held(site)
    with pytest.raises(NotFound):
        site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))


def test_a_second_hold_takes_the_place_of_the_first(site):
    site.put("T-1")
    first, second = place(site), place(site, reason="Tvist 13/26", review_on=date(2028, 1, 1))
    assert (second.created, second.hold.id != first.hold.id) == (False, True)
    in_force = site.records.read(lambda unit: unit.holds.in_force(after=None, limit=10))
    assert [one.id for one in in_force] == [second.hold.id]
    assert site.events(EventKind.HOLD_PLACED)[1]["facts"]["replaces"] == first.hold.id


def test_an_organisations_hold_keeps_all_its_tickets_those_to_come_too(site):
    site.put("T-1", organisation="acme")
    site.put("T-2")
    site.records.write(lambda unit: site.holds.place_on_organisation(unit, ADMIN, "acme", "Tvist", None))
    site.put("T-3", organisation="acme")
    assert (held(site, "T-1"), held(site, "T-2"), held(site, "T-3")) == (True, False, True)
    with pytest.raises(NotFound):  # a ticket's own hold is another thing
        site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))
    site.records.write(lambda unit: site.holds.release_from_organisation(unit, ADMIN, "acme", None))
    assert not held(site, "T-1")


def test_an_organisations_hold_keeps_the_files_of_tickets_that_came_to_it_later(site):
    site.put("T-0", organisation="acme")
    site.put_organisation("acme", contract_ends_on=date(2020, 1, 1))
    site.records.write(lambda unit: site.holds.place_on_organisation(unit, ADMIN, "acme", "Tvist", None))
    new = site.send(site.put("T-1", organisation="acme"))
    moved = site.send(site.put("T-2", last_activity_at=LONG_AGO))
    left = site.send(site.put("T-3", organisation="acme", last_activity_at=LONG_AGO))
    site.put("T-2", organisation="acme", last_activity_at=LONG_AGO)
    site.put("T-3", organisation=None, last_activity_at=LONG_AGO)
    report = site.purge.run(SYSTEM)
    assert ([one.attachment_id for one in report.items], report.held) == ([left.id], 2)
    assert (site.state(new), site.state(moved)) == (new, moved)
    assert site.ticket("T-0").erased_at is None


def test_the_reason_is_sealed_and_committed_to(site, tmp_path):
    site.put("T-1")
    site.put("T-2")
    hold = place(site).hold
    place(site, "T-2")
    assert site.records.read(lambda unit: site.holds.open_reason(unit, hold)) == "Tvist 12/26"
    one, two = (event["facts"] for event in site.events(EventKind.HOLD_PLACED))
    assert len(one["reason_commitment"]) == 64
    assert one["reason_commitment"] != two["reason_commitment"]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"Tvist" not in file.read_bytes()


def test_a_reason_goes_with_the_tickets_key(site):
    ticket = site.put("T-1")
    hold = place(site).hold
    site.records.write(lambda unit: site.keys.destroy(unit, ticket.id))
    assert site.records.read(lambda unit: site.holds.open_reason(unit, hold)) is None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001, "a\x00b", "a\ud800"])
def test_a_hold_needs_a_reason(site, reason):
    site.put("T-1")
    with pytest.raises(BadInput) as refused:
        place(site, reason=reason)
    assert refused.value.field == "reason"
    assert not held(site)


def test_what_is_not_there_cannot_be_held(site):
    with pytest.raises(NotFound):
        place(site, "none")
    with pytest.raises(NotFound):
        site.records.write(lambda unit: site.holds.place_on_organisation(unit, ADMIN, "none", "x", None))


@pytest.mark.parametrize("role", [Role.AGENT, Role.CONTACT, Role.AUDITOR, Role.CONNECTOR, Role.REQUESTER])
def test_who_may_not_hold_is_refused(site, role):
    site.put("T-1", organisation="acme")
    place(site)
    actor = Actor(role)
    desk = site.holds
    for work in (
        lambda unit: desk.place_on_ticket(unit, actor, "T-1", "x", None),
        lambda unit: desk.place_on_organisation(unit, actor, "acme", "x", None),
        lambda unit: desk.release_from_ticket(unit, actor, "T-1", None),
        lambda unit: desk.release_from_organisation(unit, actor, "acme", None),
    ):
        with pytest.raises(NotAllowed):
            site.records.write(work)


def test_an_agent_places_by_policy_and_does_not_release(site):
    site.put("T-1")
    agent = Actor(Role.AGENT, granted=frozenset({Action.PLACE_HOLD, Action.RELEASE_HOLD}))
    place(site, actor=agent)
    with pytest.raises(NotAllowed):
        site.records.write(lambda unit: site.holds.release_from_ticket(unit, agent, "T-1", None))


# -- review ------------------------------------------------------------------------------------------------------------
def test_a_hold_without_a_day_of_review_gets_the_sites(site):
    site.put("T-1", organisation="acme")
    assert place(site).hold.review_on == date(2027, 11, 24)
    desk = HoldsDesk(site.keys, site.log, site.clock, review=Period.parse("P3M"), zone=ZoneInfo("Pacific/Auckland"))
    hold = site.records.write(lambda unit: desk.place_on_organisation(unit, ADMIN, "acme", "x", None)).hold
    assert hold.review_on == date(2027, 2, 25)  # it is the 25th there
    assert site.events(EventKind.HOLD_PLACED, hold.id)[0]["facts"]["review_on"] == "2027-02-25"


def test_a_review_that_has_passed_alarms_and_ends_nothing(site):
    ticket = site.put("T-1", last_activity_at=LONG_AGO)
    attachment = site.send(ticket)
    place(site, review_on=date(2026, 11, 25))
    overdue = lambda: site.records.read(site.holds.overdue)  # noqa: E731
    assert overdue() == 0
    site.clock.go(days=1)
    assert overdue() == 0  # the day itself is not over
    site.clock.go(days=1)
    assert overdue() == 1
    site.clock.go(days=1000)
    assert (overdue(), held(site)) == (1, True)
    assert site.purge.run(SYSTEM).held == 1
    assert site.state(attachment) == attachment
    site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))
    assert overdue() == 0


def test_holds_are_listed_by_their_day_of_review(site):
    days = [date(2027, 1, 1), date(9999, 12, 31), date(2026, 12, 24), date(2027, 1, 1)]
    placed = []
    for number, day in enumerate(days):
        site.put(f"T-{number}")
        placed.append(place(site, f"T-{number}", review_on=day).hold)
    page = lambda **what: site.records.read(  # noqa: E731
        lambda unit: [
            one.id for one in site.holds.page(unit, ADMIN, **{"review_before": None, "after": None, "limit": 9} | what)
        ]
    )
    first, second = sorted([placed[0], placed[3]], key=lambda one: one.id)
    assert page() == [placed[2].id, first.id, second.id, placed[1].id]
    assert page(limit=2) == [placed[2].id, first.id]
    assert page(after=(first.review_on, first.id)) == [second.id, placed[1].id]
    assert page(review_before=date(2027, 1, 1)) == [placed[2].id]
    for role in (Role.AGENT, Role.CONTACT, Role.CONNECTOR):
        with pytest.raises(NotAllowed):
            site.records.read(
                lambda unit, role=role: site.holds.page(unit, Actor(role), review_before=None, after=None, limit=1)
            )


# -- why, due ----------------------------------------------------------------------------------------------------------
def test_why_gives_rule_facts_date_and_holds(site):
    attachment = site.send(site.put("T-1", organisation="acme"))
    site.put_organisation("acme", name="Acme", contract_ends_on=date(2026, 12, 31))
    hold = place(site).hold
    why = site.records.read(lambda unit: site.outlook.find(unit, SYSTEM, attachment.id))
    assert (why.retention_class, why.rule) == ("customer", "P1Y after contract_ends_on")
    assert why.due_at.isoformat() == "2027-12-31T23:00:00+00:00"
    assert (why.facts["contract_ends_on"], why.facts["contract"]) == ("2026-12-31", "ends")
    assert [one.id for one in why.holds] == [hold.id]


def test_why_of_what_is_gone_private_or_never_was(site):
    attachment = site.send(site.put("T-1", organisation="acme"))
    other = site.put_organisation("other", name="Other")
    find = lambda actor, of: site.records.read(lambda unit: site.outlook.find(unit, actor, of))  # noqa: E731
    with pytest.raises(NotFound):
        find(Actor(Role.CONTACT, organisation_id=other.id), attachment.id)
    with pytest.raises(NotFound):
        find(SYSTEM, AttachmentId("none"))
    with pytest.raises(NotAllowed):
        find(Actor(Role.REQUESTER), attachment.id)
    site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    with pytest.raises(AlreadyPurged):
        find(SYSTEM, attachment.id)


def test_due_is_paged_scoped_and_names_holds(site):
    refs = [f"T-{number}" for number in range(5)]
    files = [site.send(site.put(ref, organisation="acme" if ref == "T-0" else None)) for ref in refs]
    acme = site.put_organisation("acme", contract_ends_on=date(2020, 1, 1))
    place(site, "T-3")
    far = site.ticket("T-4").purge_due_at
    due = lambda actor, **what: site.records.read(lambda unit: site.outlook.due(unit, actor, far, **what))  # noqa: E731
    found = due(SYSTEM)
    assert {one.attachment_id for one in found} == {one.id for one in files}
    assert [one.ticket_id for one in found if one.held] == [site.ticket("T-3").id]
    first = due(SYSTEM, limit=2)
    rest = due(SYSTEM, after=(first[-1].due_at, first[-1].attachment_id))
    assert [*first, *rest] == list(found)
    contact = Actor(Role.CONTACT, organisation_id=acme.id)
    assert [one.attachment_id for one in due(contact)] == [files[0].id]
    assert len(due(SYSTEM, held=False)) == 4
    with pytest.raises(NotAllowed):
        due(Actor(Role.REQUESTER))
