"""A PUT replaces what it says, keeps what it does not say, and moves the due dates with it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.errors import BadInput, NotAllowed, NotFound, StateConflict
from domain.event import EventKind
from domain.ids import OrganisationId, TicketId
from domain.ticket import TicketStatus
from keys import TICKET
from storage.records import TicketFilter
from tests.small_site import START, PurgeSite
from tickets import Dates, TicketFact

LONG_AGO = datetime(2020, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def site(tmp_path):
    site = PurgeSite(tmp_path)
    yield site
    site.close()


def seen(site, ref):
    return site.records.read(lambda unit: site.view.open_ticket(unit, site.view.find_ticket(unit, SYSTEM, ref)))


def put(site, ref, **fact):
    return site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact(ref, **fact)))


def test_a_first_put_makes_a_ticket_and_a_second_updates_it(site):
    first, second = put(site, "T-1"), put(site, "T-1", status=TicketStatus.PENDING)
    assert (first.created, second.created) == (True, False)
    assert first.ticket.id == second.ticket.id
    assert (second.ticket.version, second.ticket.status) == (2, TicketStatus.PENDING)
    assert site.ticket("T-1") == second.ticket


def test_a_new_ticket_is_active_now_and_due_a_year_later(site):
    ticket = put(site, "T-1").ticket
    assert ticket.last_activity_at == START
    assert (ticket.retention_class, ticket.retention_rule) == ("other", "P1Y after last_activity_at")
    assert ticket.purge_due_at == datetime(2027, 11, 24, 11, 0, tzinfo=UTC)


def test_what_is_not_said_stays_and_null_clears(site):
    put(
        site,
        "T-1",
        subject="Printer",
        requester_email="A.B@x.se",
        requester_name="Åsa",
        channel="mail",
        opened_at=START,
    )
    view = seen(site, "T-1")
    assert (view.subject, view.requester_email, view.requester_name) == ("Printer", "A.B@x.se", "Åsa")
    put(site, "T-1", status=TicketStatus.OPEN)
    assert seen(site, "T-1").subject == "Printer"
    assert (site.ticket("T-1").channel, site.ticket("T-1").opened_at) == ("mail", START)
    put(site, "T-1", subject=None, requester_email=None, channel=None, opened_at=None)
    view = seen(site, "T-1")
    assert (view.subject, view.requester_email, view.requester_name) == (None, None, None)
    assert (view.ticket.channel, view.ticket.opened_at, view.ticket.requester_email_digest) == (None, None, None)


def test_another_requester_does_not_inherit_the_name(site):
    put(site, "T-1", requester_email="a@x.se", requester_name="Åsa")
    put(site, "T-1", requester_email="A@X.se")
    assert seen(site, "T-1").requester_name == "Åsa"
    put(site, "T-1", requester_email="b@x.se")
    assert seen(site, "T-1").requester_name is None


def test_people_are_found_by_address_and_stand_nowhere_in_clear(site, tmp_path):
    put(site, "T-1", subject="Hemligt ärende", requester_email="Asa.Berg@exempel.se", requester_name="Åsa Berg")
    digest = site.facts.email_digest("  asa.berg@EXEMPEL.se ")
    what = TicketFilter(requester_email_digest=digest)
    found = site.records.read(lambda unit: site.view.page(unit, SYSTEM, what, after=None, limit=10))
    assert [one.requester_email for one in found] == ["Asa.Berg@exempel.se"]
    for file in tmp_path.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        for text in ("Hemligt", "ärende", "Asa.Berg", "asa.berg", "Åsa"):
            assert text.encode() not in content


def test_closing_stamps_the_instant_and_reopening_clears_it(site):
    put(site, "T-1", status=TicketStatus.CLOSED)
    assert site.ticket("T-1").closed_at == START
    site.clock.go(days=1)
    put(site, "T-1", subject="still closed")
    put(site, "T-1", status=TicketStatus.CLOSED, closed_at=None)
    assert site.ticket("T-1").closed_at == START
    put(site, "T-1", status=TicketStatus.CLOSED, closed_at=LONG_AGO)
    assert site.ticket("T-1").closed_at == LONG_AGO
    put(site, "T-1", status=TicketStatus.OPEN)
    assert site.ticket("T-1").closed_at is None


def test_last_activity_is_left_where_it_is_not_said(site):
    put(site, "T-1", last_activity_at=LONG_AGO)
    site.clock.go(days=3)
    put(site, "T-1", subject="x", last_activity_at=None)
    assert site.ticket("T-1").last_activity_at == LONG_AGO


def test_an_upload_counts_as_activity_until_the_ticket_system_speaks_next(site):
    ticket = put(site, "T-1", last_activity_at=LONG_AGO).ticket
    site.records.write(lambda unit: site.facts.touch(unit, ticket.id, START))
    touched = site.ticket("T-1")
    assert (touched.last_activity_at, touched.purge_due_at) == (START, datetime(2027, 11, 24, 11, 0, tzinfo=UTC))
    site.records.write(lambda unit: site.facts.touch(unit, ticket.id, LONG_AGO))
    assert site.ticket("T-1").last_activity_at == START
    put(site, "T-1", last_activity_at=LONG_AGO)
    assert site.ticket("T-1").last_activity_at == LONG_AGO
    with pytest.raises(NotFound):
        site.records.write(lambda unit: site.facts.touch(unit, TicketId("none"), START))


def test_an_organisation_not_known_yet_is_made_and_its_contract_runs_on(site):
    ticket = put(site, "T-1", organisation="acme", last_activity_at=LONG_AGO).ticket
    assert (ticket.retention_class, ticket.purge_due_at) == ("customer", None)
    assert seen(site, "T-1").organisation_ref == "acme"
    destiny = site.records.read(lambda unit: site.outlook.destiny(unit, ticket))
    assert destiny.facts["contract"] == "its end is not known"
    site.put_organisation("acme", name="Acme AB", contract_ends_on=None)
    destiny = site.records.read(lambda unit: site.outlook.destiny(unit, ticket))
    assert destiny.facts["contract"] == "runs on"
    assert [one["facts"]["created"] for one in site.events(EventKind.ORGANISATION_PUT)] == [True, False]


def test_no_organisation_is_none(site):
    put(site, "T-1", organisation="acme", last_activity_at=LONG_AGO)
    ticket = put(site, "T-1", organisation=None).ticket
    assert (ticket.organisation_id, ticket.retention_class) == (None, "other")
    assert ticket.purge_due_at == datetime(2021, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_a_contracts_end_moves_its_tickets_and_no_others(site):
    put(site, "T-1", organisation="acme")
    put(site, "T-2", organisation="other")
    put(site, "T-3")
    before = [site.ticket("T-2"), site.ticket("T-3")]
    site.put_organisation("acme", name="Acme AB", contract_ends_on=date(2027, 2, 28))
    assert site.ticket("T-1").purge_due_at == datetime(2028, 2, 28, 23, 0, tzinfo=UTC)
    assert [site.ticket("T-2"), site.ticket("T-3")] == before
    site.put_organisation("acme", contract_ends_on=None)
    assert site.ticket("T-1").purge_due_at is None


def test_an_organisation_of_many_tickets_moves_them_all(site):
    def many(unit):
        for number in range(2100):
            site.facts.put_ticket(unit, SYSTEM, TicketFact(f"T-{number}", organisation="acme"))

    site.records.write(many)
    site.put_organisation("acme", contract_ends_on=date(2027, 2, 28))
    due = datetime(2028, 3, 1, tzinfo=UTC)
    what = TicketFilter(due_before=due)
    found = site.records.read(lambda unit: len(unit.tickets.page(what, EVERYTHING, after=None, limit=5000)))
    assert found == 2100


def test_a_changed_policy_moves_every_ticket_once(site):
    put(site, "T-1", last_activity_at=LONG_AGO)
    put(site, "T-2", organisation="acme")
    site.put_organisation("acme", contract_ends_on=date(2027, 2, 28))
    policy = site.policy.from_mapping({"time_zone": "Europe/Stockholm", "others": "P5Y", "customers": "P2Y"})
    dates = Dates(policy.of)
    assert dates.recompute(site.records, policy.fingerprint) == 2
    assert site.ticket("T-1").purge_due_at == datetime(2025, 5, 4, 3, 2, 1, tzinfo=UTC)
    assert site.ticket("T-2").purge_due_at == datetime(2029, 2, 28, 23, 0, tzinfo=UTC)
    assert dates.recompute(site.records, policy.fingerprint) == 0
    assert Dates(site.policy.of).recompute(site.records, site.policy.fingerprint) == 2


def test_an_erased_ticket_begins_anew_under_a_new_key(site):
    old = put(
        site, "T-1", subject="old", requester_email="a@x.se", organisation="acme", last_activity_at=LONG_AGO
    ).ticket
    put(site, "T-1", organisation=None)
    key = site.records.read(lambda unit: site.keys.get(unit, old.id, TICKET))
    site.purge.run(SYSTEM)
    assert site.ticket("T-1").erased_at == START
    with pytest.raises(StateConflict):
        site.records.write(lambda unit: site.facts.touch(unit, old.id, START))
    again = put(site, "T-1", requester_name="Bo")
    assert (again.created, again.ticket.id, again.ticket.erased_at) == (True, old.id, None)
    view = seen(site, "T-1")
    assert (view.subject, view.requester_email, view.requester_name) == (None, None, "Bo")
    assert again.ticket.last_activity_at == START
    assert key != site.records.read(lambda unit: site.keys.get(unit, old.id, TICKET))


def test_the_log_has_every_change_and_no_persons(site):
    actor = Actor(Role.AGENT)
    fact = TicketFact("T-1", subject="Hemligt", requester_email="a@x.se")
    ticket = site.records.write(lambda unit: site.facts.put_ticket(unit, actor, fact)).ticket
    (event,) = site.events(EventKind.TICKET_PUT)
    assert (event["subject"], event["actor"]["role"], event["facts"]["created"]) == (ticket.id, "agent", True)
    assert event["facts"]["purge_due_at"] == "2027-11-24T11:00:00Z"
    assert "Hemligt" not in str(event)
    assert "T-1" not in str(event)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.CONTACT, Role.REQUESTER])
def test_who_may_not_put_is_refused(site, role):
    with pytest.raises(NotAllowed):
        site.records.write(lambda unit: site.facts.put_ticket(unit, Actor(role), TicketFact("T-1")))


def test_an_agent_does_not_change_contracts(site):
    from tickets import OrganisationFact

    with pytest.raises(NotAllowed):
        site.records.write(lambda unit: site.facts.put_organisation(unit, Actor(Role.AGENT), OrganisationFact("acme")))


def test_a_contact_sees_its_own_organisation_and_no_other(site):
    put(site, "T-1", organisation="acme")
    put(site, "T-2", organisation="other")
    put(site, "T-3")
    acme = site.put_organisation("acme", name="Acme")
    contact = Actor(Role.CONTACT, organisation_id=acme.id)
    find = lambda ref: site.records.read(lambda unit: site.view.find_ticket(unit, contact, ref))  # noqa: E731
    assert find("T-1").ref == "T-1"
    for ref in ("T-2", "T-3", "T-4"):
        with pytest.raises(NotFound):
            find(ref)
    page = site.records.read(lambda unit: site.view.page(unit, contact, TicketFilter(), after=None, limit=10))
    assert [one.ticket.ref for one in page] == ["T-1"]
    organisation = lambda ref: site.records.read(lambda u: site.view.find_organisation(u, contact, ref))  # noqa: E731
    assert organisation("acme") == acme
    with pytest.raises(NotFound):
        organisation("other")
    with pytest.raises(NotFound):
        stranger = Actor(Role.CONTACT, organisation_id=OrganisationId("none"))
        site.records.read(lambda unit: site.view.find_ticket(unit, stranger, "T-1"))


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        ({"ref": ""}, "ref"),
        ({"ref": "x" * 256}, "ref"),
        ({"ref": "a\nb"}, "ref"),
        ({"ref": "a\x00b"}, "ref"),
        ({"ref": "a\u202eb"}, "ref"),
        ({"ref": " a"}, "ref"),
        ({"ref": "/"}, "ref"),
        ({"ref": ".."}, "ref"),
        ({"ref": "../.."}, "ref"),
        ({"ref": "a\ud800"}, "ref"),
        ({"ref": "a", "organisation": "\t"}, "organisation"),
        ({"ref": "a", "subject": "x" * 1001}, "subject"),
        ({"ref": "a", "subject": "a\x1bb"}, "subject"),
        ({"ref": "a", "requester_email": "nobody"}, "requester.email"),
        ({"ref": "a", "requester_email": "a@"}, "requester.email"),
        ({"ref": "a", "requester_email": "a b@x.se"}, "requester.email"),
        ({"ref": "a", "requester_email": "a@x.se\r\nBcc: b@x.se"}, "requester.email"),
        ({"ref": "a", "requester_name": "a\nb"}, "requester.name"),
        ({"ref": "a", "requester_name": "x" * 256}, "requester.name"),
        ({"ref": "a", "channel": "a@x.se"}, "channel"),
        ({"ref": "a", "opened_at": datetime(2026, 1, 1)}, "opened_at"),  # noqa: DTZ001
        ({"ref": "a", "last_activity_at": datetime(1, 1, 1, tzinfo=UTC)}, "last_activity_at"),
        ({"ref": "a", "closed_at": datetime(9999, 12, 31, tzinfo=UTC)}, "closed_at"),
    ],
)
def test_what_a_ticket_system_may_not_say_is_refused_by_field_and_changes_nothing(site, fact, field):
    with pytest.raises(BadInput) as refused:
        put(site, **fact)
    assert refused.value.field == field
    assert site.events() == []


@pytest.mark.parametrize("fact", [{"name": ""}, {"name": "a\x00"}, {"contract_ends_on": date(1, 1, 1)}])
def test_what_cannot_be_an_organisation_is_refused(site, fact):
    with pytest.raises(BadInput) as refused:
        site.put_organisation("acme", **fact)
    assert refused.value.field in fact


@pytest.mark.parametrize("ref", ["4711", "INC/2026/1", "åäö", "a b", "#1", "…"])
def test_names_as_ticket_systems_have_them_are_taken(site, ref):
    assert put(site, ref).ticket.ref == ref
