"""A policy that keeps as long or longer takes effect at once; one that would erase sooner takes two people."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.actor import SYSTEM, Actor, Role
from domain.disposal import PolicyState
from domain.errors import NotAllowed, StateConflict
from domain.event import EventKind
from domain.ids import PolicyId, PrincipalId
from retention import Change, Policies, Policy, Reason
from tests.small_site import START
from tickets import Dates, Facts, TicketFact

ANNA, BERIT = Actor(Role.ADMIN, PrincipalId("anna")), Actor(Role.ADMIN, PrincipalId("berit"))


def configured(site, **retention):
    """The policies of a process whose configuration says this."""
    return Policies(site.log, site.clock, Policy.from_mapping({"time_zone": "Europe/Stockholm", **retention}))


def follow(site, policies):
    """As the start of the service does."""
    followed = policies.follow(site.records)
    current = site.records.read(policies.current)
    Dates(policies.decide).recompute(site.records, current.fingerprint)
    return followed


def in_force(site):
    return site.records.read(lambda unit: unit.policies.in_state(PolicyState.EFFECTIVE))


def propose(site, policies, actor=ANNA):
    return site.records.write(lambda unit: policies.propose(unit, actor))


def confirm(site, policies, proposal, actor=BERIT):
    return site.records.write(lambda unit: policies.confirm(unit, actor, proposal))


@pytest.fixture
def founded(site):
    """A site with its first policy, a ticket of nobody's and a customer's."""
    site.put("T-1", last_activity_at=START)
    site.put("T-2", organisation="acme")
    site.put_organisation("acme", name="Acme", contract_ends_on=date(2027, 2, 28))
    assert follow(site, configured(site))
    return site


def test_the_first_policy_of_a_site_takes_effect_alone(site):
    policies = configured(site, others="P10D")
    assert site.records.read(policies.current) is policies.configured
    assert follow(site, policies)
    kept = in_force(site)
    assert (kept.document, kept.proposed_by, kept.confirmed_by) == (policies.configured.document, None, None)
    assert [one["subject"] for one in site.events(EventKind.POLICY_FOLLOWED)] == [kept.id]
    assert follow(site, policies)
    assert in_force(site) == kept


@pytest.mark.parametrize(
    "longer",
    [
        {"others": "P2Y"},
        {"customers": "P2Y"},
        {"rules": [{"name": "law", "keep": "P7Y", "after": "last-activity", "ground": "law"}]},
        # shorter for a class of which there is nothing
        {"rules": [{"name": "x", "keep": "P1D", "after": "closed", "ground": "policy", "tag": "x"}]},
        {"others": "P12M"},
    ],
)
def test_what_brings_no_date_nearer_takes_effect_at_once(founded, longer):
    site = founded
    before = in_force(site)
    policies = configured(site, **longer)
    assert follow(site, policies)
    now = in_force(site)
    assert (now.fingerprint, now.id != before.id) == (policies.configured.fingerprint, True)
    assert site.records.read(lambda unit: unit.policies.get(before.id)).state is PolicyState.PAST
    assert site.ticket("T-1").purge_due_at >= datetime(2027, 11, 24, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "sooner",
    [
        {"others": "P364D"},
        {"customers": "P11M"},
        {"customers": {"period": "P9Y", "after": "last-activity"}, "others": "P1D"},
        {"time_zone": "Pacific/Auckland"},
        {"rules": [{"name": "x", "keep": "P1D", "after": "last-activity", "ground": "policy", "class": "other"}]},
        {"others": "P2Y", "rules": [{"name": "x", "keep": "P1D", "after": "opened", "ground": "law", "tag": "x"}]},
    ],
)
def test_what_brings_any_date_nearer_waits_and_says_so(founded, sooner, caplog):
    site = founded
    site.put("T-3", last_activity_at=START, opened_at=START, tags=["x"])
    before = in_force(site), site.ticket("T-1"), site.ticket("T-2"), site.ticket("T-3")
    policies = configured(site, **sooner)
    with caplog.at_level(logging.ERROR):
        assert not follow(site, policies)
    assert "retention policy unconfirmed" in [record.message for record in caplog.records]
    assert (in_force(site), site.ticket("T-1"), site.ticket("T-2"), site.ticket("T-3")) == before
    assert site.records.read(policies.current).fingerprint == before[0].fingerprint
    assert not site.records.read(policies.is_followed)


def test_a_customer_who_never_ended_and_now_does_is_sooner(site):
    site.put("T-1", organisation="acme")
    follow(site, configured(site))
    assert not follow(site, configured(site, customers={"period": "P100Y", "after": "last-activity"}))


def test_the_purge_goes_by_the_policy_in_force_and_facts_do_too(founded):
    site = founded
    policies = configured(site, others="P1D")
    follow(site, policies)
    facts = Facts(site.keys, site.log, policies.decide, site.clock, site.ring.secret("search"))
    put = site.records.write(lambda unit: facts.put_ticket(unit, SYSTEM, TicketFact("T-9"))).ticket
    assert put.purge_due_at == datetime(2027, 11, 24, 11, tzinfo=UTC)
    site.send(put)
    site.clock.go(days=300)
    purge = site.purge_with(decide=policies.decide)
    assert purge.run(SYSTEM).purged == 0
    proposal = propose(site, policies)
    confirm(site, policies, proposal.id)
    Dates(policies.decide).recompute(site.records, policies.configured.fingerprint)
    assert purge.run(SYSTEM).purged == 1


def test_two_people_bring_it_into_force(founded):
    site = founded
    policies = configured(site, others="P30D")
    follow(site, policies)
    proposal = propose(site, policies)
    assert site.records.read(policies.proposal) == proposal
    assert not site.records.read(policies.is_followed)
    confirm(site, policies, proposal.id)
    kept = in_force(site)
    assert (kept.id, kept.proposed_by, kept.confirmed_by, kept.confirmed_at) == (proposal.id, "anna", "berit", START)
    assert site.records.read(policies.is_followed)
    assert site.records.read(policies.proposal) is None
    (proposed,), (confirmed,) = site.events(EventKind.POLICY_PROPOSED), site.events(EventKind.POLICY_CONFIRMED)
    assert (proposed["subject"], confirmed["subject"]) == (proposal.id, proposal.id)
    assert confirmed["facts"]["proposed_by"] == "anna"
    follow(site, policies)
    assert site.ticket("T-1").purge_due_at == START + timedelta(days=30)


def test_one_person_is_not_two(founded):
    site = founded
    policies = configured(site, others="P30D")
    proposal = propose(site, policies)
    with pytest.raises(NotAllowed):
        confirm(site, policies, proposal.id, ANNA)
    assert in_force(site).id != proposal.id
    again = propose(site, policies, BERIT)  # taking over a proposal makes it one's own
    with pytest.raises(NotAllowed):
        confirm(site, policies, again.id, BERIT)
    with pytest.raises(StateConflict):
        confirm(site, policies, proposal.id, BERIT)
    confirm(site, policies, again.id, ANNA)


@pytest.mark.parametrize(
    "actor", [SYSTEM, Actor(Role.ADMIN), *(Actor(role, PrincipalId("x")) for role in Role if role is not Role.ADMIN)]
)
def test_only_administrators_with_a_name_propose_and_confirm(founded, actor):
    site = founded
    policies = configured(site, others="P30D")
    proposal = propose(site, policies)
    with pytest.raises(NotAllowed):
        confirm(site, policies, proposal.id, actor)
    with pytest.raises(NotAllowed):
        propose(site, policies, actor)


def test_a_proposal_is_void_once_another_policy_took_effect(founded):
    site = founded
    policies = configured(site, others="P30D")
    proposal = propose(site, policies)
    follow(site, configured(site, others="P2Y"))
    with pytest.raises(StateConflict):
        confirm(site, policies, proposal.id)
    assert site.records.read(lambda unit: unit.policies.get(proposal.id)).state is PolicyState.DROPPED


def test_nothing_is_proposed_that_is_in_force(founded):
    with pytest.raises(StateConflict):
        propose(founded, configured(founded))
    with pytest.raises(StateConflict):
        confirm(founded, configured(founded), PolicyId("none"))


def test_another_process_goes_by_the_new_policy_from_the_next_transaction_on(founded):
    site = founded
    elsewhere = configured(site)
    assert site.records.read(elsewhere.current).fingerprint == elsewhere.configured.fingerprint
    policies = configured(site, others="P30D")
    confirm(site, policies, propose(site, policies).id)
    assert site.records.read(elsewhere.current).fingerprint == policies.configured.fingerprint
    # … and its own configuration, which keeps longer, is followed at its next start
    assert follow(site, elsewhere)


class Meanwhile:
    """Records to which something happens right before a write."""

    def __init__(self, records, happens):
        self._records = records
        self._happens = happens

    def __getattr__(self, name):
        return getattr(self._records, name)

    def write(self, work):
        if self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return self._records.write(work)


def test_a_ticket_that_came_while_all_others_were_looked_at_counts_too(founded):
    site = founded
    rule = {"name": "x", "keep": "P1D", "after": "last-activity", "ground": "policy", "tag": "x"}
    policies = configured(site, rules=[rule])
    came = Meanwhile(site.records, lambda: site.put("T-3", last_activity_at=START, tags=["x"]))
    before = in_force(site)
    assert not policies.follow(came)
    assert in_force(site) == before


def test_of_two_nodes_that_start_at_once_one_brings_its_policy_into_force(founded):
    site = founded
    one, other = configured(site, others="P2Y"), configured(site, others="P3Y")
    assert one.follow(Meanwhile(site.records, lambda: other.follow(site.records))) is False
    assert in_force(site).fingerprint == other.configured.fingerprint
    same = configured(site, others="P4Y")
    assert same.follow(Meanwhile(site.records, lambda: configured(site, others="P4Y").follow(site.records)))


def test_a_preview_lists_exactly_what_would_go_sooner(founded):
    site = founded
    one, two = site.send(site.ticket("T-1")), site.send(site.ticket("T-1"))
    customers = site.send(site.ticket("T-2"))
    site.put("T-3", last_activity_at=START)  # no file, but a person
    held = site.send(site.put("T-4", last_activity_at=START))
    site.records.write(lambda unit: site.holds.place_on_ticket(unit, ANNA, "T-4", "court", None))
    old = site.send(site.put("T-5", last_activity_at=START - timedelta(days=400)))  # due already
    gone = site.send(site.put("T-6", last_activity_at=START - timedelta(days=400)))
    site.purge.erase(SYSTEM, gone.id, Reason.ERASED)
    policies = configured(site, others="P30D")
    change = Change(site.records.read(policies.decide), policies.configured.decide)
    found = {near.ticket.ref: near for near in change.nearer(site.records)}
    assert {ref: set(near.files) for ref, near in found.items()} == {
        "T-1": {one.id, two.id}, "T-3": set(), "T-4": {held.id}, "T-5": {old.id}, "T-6": set(),
    }  # fmt: skip
    assert customers.id not in {file for near in found.values() for file in near.files}
    near = found["T-1"]
    assert (near.before.due_at, near.after.due_at) == (
        datetime(2027, 11, 24, 11, tzinfo=UTC), START + timedelta(days=30),
    )  # fmt: skip
    assert (near.before.rule, near.after.rule) == ("P1Y after last_activity_at", "P30D after last_activity_at")
    assert [near.goes(START + timedelta(days=days)) for days in (29, 30, 364, 365)] == [False, True, True, False]
    assert (found["T-4"].held, found["T-5"].goes(START)) == (True, False)


def test_a_change_is_looked_at_page_by_page(founded):
    site = founded
    for number in range(10, 21):
        site.put(f"T-{number}", last_activity_at=START)
    policies = configured(site, others="P30D")
    before, after = site.records.read(policies.decide), policies.configured.decide
    change = Change(before, after, page=3)
    assert len(list(change.nearer(site.records))) == 12
    assert change.shortens(site.records) == (True, None)
    longer = Change(after, before, page=3)
    assert longer.shortens(site.records)[0] is False
    assert list(longer.nearer(site.records)) == []
