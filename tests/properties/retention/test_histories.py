"""Random histories of tickets, contracts, holds, reopenings, moves, leap days and changes of the zone: the date that
the policy computes is the oracle's, and is the date that the job acts on."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.ids import OrganisationId, PrincipalId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus
from retention import Policies, Policy
from tests.properties.retention import oracle
from tests.properties.retention.histories import ZONES, World, a_config, in_zone
from tests.small_site import PurgeSite
from tickets import Dates, Facts

AT = datetime(1990, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FAR = datetime(2999, 1, 1, tzinfo=UTC)
REFS = ["acme", "b"]


def ticket_of(facts: dict[str, Any]) -> Ticket:
    status = TicketStatus.CLOSED if facts["closed"] else TicketStatus.OPEN
    owner = facts["organisation"]
    return Ticket(
        TicketId("t"), "T", None if owner is None else OrganisationId(owner), status, None, None, None, None,
        facts["opened"], facts["active"], facts["closed"], facts["channel"], AT, "", "", None, AT, None, 1,
        connector=facts["connector"], tags=tuple(facts["tags"]),
    )  # fmt: skip


@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_histories_have_the_oracles_dates(part: int) -> None:
    pick = random.Random(part)
    dates = 0
    for number in range(1000):
        config = a_config(pick, REFS)
        policy = Policy.from_mapping(config["mapping"])
        world = World(pick, REFS)
        for _ in range(pick.randrange(1, 12)):
            if pick.random() < 0.1:
                config = in_zone(config, pick.choice(ZONES))
                policy = Policy.from_mapping(config["mapping"])
            world.happen()
            owner = world.ticket["organisation"]
            organisation = owner and Organisation(OrganisationId(owner), owner, "A", world.contracts[owner], AT, AT)
            found = policy.decide(ticket_of(world.ticket), organisation)
            wanted = oracle.due(config, world.ticket, world.contracts)
            assert (found.facts["rule"], found.due_at) == wanted, (part, number, config, world.ticket, world.contracts)
            dates += 1
    assert dates > 5000


class Told:
    """A site that is told a history of each of its tickets, through the same calls as by anybody else."""

    def __init__(self, site: PurgeSite, pick: random.Random, many: int) -> None:
        self.site = site
        site.clock.now = AT
        refs = [f"{ref}-{number}" for ref in REFS for number in range(3)]
        self.config = a_config(pick, refs, connectors=False)
        self.policies = Policies(site.log, site.clock, Policy.from_mapping(self.config["mapping"]))
        self._begin(self.policies)
        self.worlds = {f"T-{number}": World(pick, pick.sample(refs, 2), connectors=False) for number in range(many)}
        self.contracts: dict[str, Any] = dict.fromkeys(refs)
        self.held: set[str] = set()
        for ref in refs:
            site.put_organisation(ref, name=ref)
        for ref in self.worlds:
            self._put(ref)
            site.send(site.ticket(ref))
        for _ in range(pick.randrange(4, 9)):
            for ref, world in self.worlds.items():
                self._happen(ref, world)
        if pick.random() < 0.7:
            self._move_zone(pick.choice(ZONES))

    def _begin(self, policies: Policies) -> None:
        site = self.site
        policies.follow(site.records)
        site.facts = Facts(site.keys, site.log, policies.decide, site.clock, site.ring.secret("search"))
        site.purge = site.purge_with(decide=policies.decide)

    def _happen(self, ref: str, world: World) -> None:
        site, what = self.site, world.happen()
        if what == "ticket":
            self._put(ref)
        elif what.startswith("hold "):
            self._hold(ref, what.removeprefix("hold "))
        else:
            self.contracts[what] = world.contracts[what]
            site.put_organisation(what, contract_ends_on=world.contracts[what])

    def _hold(self, ref: str, what: str) -> None:
        desk, name = self.site.holds, ref if what == "ticket" else what
        place, release = (
            (desk.place_on_ticket, desk.release_from_ticket)
            if what == "ticket"
            else (desk.place_on_organisation, desk.release_from_organisation)
        )
        if name in self.held:
            self.site.records.write(lambda unit: release(unit, SYSTEM, name, None))
        else:
            self.site.records.write(lambda unit: place(unit, SYSTEM, name, "court", None))
        self.held ^= {name}

    def _put(self, ref: str) -> None:
        facts = self.worlds[ref].ticket
        self.site.put(
            ref, status=TicketStatus.CLOSED if facts["closed"] else TicketStatus.OPEN, closed_at=facts["closed"],
            opened_at=facts["opened"], last_activity_at=facts["active"], organisation=facts["organisation"],
            channel=facts["channel"], tags=facts["tags"],
        )  # fmt: skip

    def _move_zone(self, zone: str) -> None:
        """The site moves, which brings some dates nearer: two people see to it."""
        site = self.site
        self.config = in_zone(self.config, zone)
        policies = Policies(site.log, site.clock, Policy.from_mapping(self.config["mapping"]))
        if not policies.follow(site.records):
            one, other = (Actor(Role.ADMIN, PrincipalId(name)) for name in ("anna", "berit"))
            proposal = site.records.write(lambda unit: policies.propose(unit, one))
            site.records.write(lambda unit: policies.confirm(unit, other, proposal.id))
        Dates(policies.decide).recompute(site.records, policies.configured.fingerprint)
        self._begin(policies)

    def wanted(self, ref: str) -> datetime | None:
        return oracle.due(self.config, self.worlds[ref].ticket, self.contracts)[1]

    def is_held(self, ref: str) -> bool:
        return not self.held.isdisjoint({ref, self.worlds[ref].ticket["organisation"]})

    def purged(self, at: datetime) -> set[str]:
        """The tickets whose files a run at an instant erases."""
        self.site.clock.now = max(self.site.clock.now, at)
        report = self.site.purge.run(SYSTEM, confirm=self._due())
        assert report.complete
        gone = {one.attachment_id for one in report.items}
        return {ref for ref, file in self.files.items() if file in gone}

    def _due(self) -> int:
        site = self.site
        return site.records.read(lambda unit: unit.disposals.due_count(site.clock()))

    def _file(self, ref: str) -> str:
        ticket_id = self.site.ticket(ref).id
        return self.site.records.read(lambda unit: unit.attachments.of_ticket(ticket_id, EVERYTHING)[0].id)

    def act(self) -> int:
        """Let the job run right before and at each date; how many files went at their very instant."""
        site = self.site
        self.files = {ref: self._file(ref) for ref in self.worlds}
        wanted = {ref: self.wanted(ref) for ref in self.worlds}
        assert {ref: site.ticket(ref).purge_due_at for ref in self.worlds} == wanted
        free = {ref for ref in self.worlds if not self.is_held(ref)}
        for at in sorted({at for at in wanted.values() if at is not None}):
            assert self.purged(at - TICK) == set()
            assert self.purged(at) == {ref for ref in free if wanted[ref] == at}
        assert self.purged(FAR) == set()
        for name in list(self.held):
            self._hold(name, "ticket" if name in self.worlds else name)
        assert self.purged(FAR) == {ref for ref, at in wanted.items() if at is not None} - free
        return sum(wanted[ref] is not None for ref in free)


@pytest.mark.parametrize("seed", range(4))
def test_the_job_acts_on_the_oracles_dates(tmp_path, seed: int) -> None:
    site = PurgeSite(tmp_path)
    assert Told(site, random.Random(seed), 25).act() > 0
    site.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_the_job_acts_on_the_oracles_dates_of_ten_thousand(tmp_path, seed: int) -> None:
    site = PurgeSite(tmp_path)
    assert Told(site, random.Random(seed), 100).act() > 0
    site.close()
