"""The upkeep of a site that several nodes serve: what one node is at, the others leave to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import server
import settings
from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.event import Event, EventKind
from domain.ids import PrincipalId
from installation import Site
from keys import Lease, Node, living_nodes
from retention import Policies, Policy
from storage.moved import MOVED, Mark
from tickets import TicketFact
from upkeep import Upkeep

STARTED = Event(EventKind.SERVICE_STARTED, SYSTEM)


class FakePost:
    def __init__(self) -> None:
        self.rounds = 0

    def has_work(self) -> bool:
        return True

    def run(self, go_on: Callable[[], None]) -> int:
        go_on()
        self.rounds += 1
        return 0


class FakeReception:
    def is_at_work(self, attachment_id: str) -> bool:
        return False


class FakeResuming:
    """Has no upload to care for."""

    def sweep(self) -> int:
        return 0

    def assemble_due(self) -> int:
        return 0

    def heed(self) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose database other nodes have too."""
    folder = {"BILAGA_DATA_DIR": str(tmp_path / "site")}
    with server.open_site(settings.load(folder), serving=True) as opened:
        yield replace(opened, shared=True)


def upkeep_of(site: Site, post: FakePost) -> Upkeep:
    node = Node(site.records, alone=not site.shared)
    reception: Any = FakeReception()
    resuming: Any = FakeResuming()
    return Upkeep(site, node, reception, resuming=resuming, scanner=None, post=post)  # type: ignore[arg-type]


def job(upkeep: Upkeep, name: str) -> Callable[[], object]:
    return next(one.work for one in upkeep.jobs() if one.name == name)


def lease(site: Site, name: str) -> Lease:
    return Lease(site.records, name, length=timedelta(minutes=1))


def checkpoints(site: Site) -> int:
    return len(site.records.read(lambda unit: unit.journal.checkpoints(0, 100)))


def test_mail_and_checkpoints_are_left_to_the_node_that_is_at_them(site: Site) -> None:
    post = FakePost()
    upkeep = upkeep_of(site, post)
    site.records.write(lambda unit: site.log.append(unit, STARTED))
    with lease(site, "post"):
        job(upkeep, "post")()
    with lease(site, "checkpoint"):
        upkeep.checkpoint()
    assert (post.rounds, checkpoints(site)) == (0, 0)
    job(upkeep, "post")()
    upkeep.checkpoint()
    assert (post.rounds, checkpoints(site)) == (1, 1)


def test_a_start_beside_other_nodes_takes_nothing_from_them(site: Site) -> None:
    other = Node(site.records, alone=False)
    other.beat()
    now = site.clock()

    def claimed() -> bool:
        until = now + timedelta(days=1)
        return (
            site.records.write(lambda unit: unit.answers.begin(b"k" * 32, node=other.id, now=now, expires_at=until))
            is None
        )

    assert claimed()
    upkeep = upkeep_of(site, FakePost())
    upkeep.recover()
    job(upkeep, "left")()
    assert not claimed()
    assert site.records.read(lambda unit: living_nodes(unit, now)) == {other.id}
    upkeep_of(replace(site, shared=False), FakePost()).recover()
    assert claimed()
    assert site.records.read(lambda unit: living_nodes(unit, now)) == set()


def test_a_node_that_slept_while_its_site_was_moved_ends(site: Site) -> None:
    ended: list[bool] = []
    node = Node(site.records, alone=False)
    reception: Any = FakeReception()
    resuming: Any = FakeResuming()
    upkeep = Upkeep(site, node, reception, resuming=resuming, scanner=None, post=None, end=lambda: ended.append(True))
    beat = job(upkeep, "node")
    beat()
    assert not ended
    site.records.write(lambda unit: unit.site.put(MOVED, Mark("x", site.clock(), "elsewhere").encode()))
    beat()
    assert ended


def test_each_run_of_the_purge_says_that_a_policy_waits_for_somebody(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.follow_policy()
    waiting = Policies(site.log, site.clock, Policy.from_mapping({"others": "P10D"}))
    job(upkeep_of(site, FakePost()), "purge")()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    job(upkeep_of(replace(site, policies=waiting), FakePost()), "purge")()
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == ["retention policy unconfirmed"]


def test_dates_follow_a_policy_that_was_confirmed_elsewhere(site: Site) -> None:
    site.follow_policy()
    put = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-1"))).ticket
    elsewhere = Policies(site.log, site.clock, Policy.from_mapping({"others": "P10D"}))
    anna, berit = (Actor(Role.ADMIN, PrincipalId(name)) for name in ("anna", "berit"))
    proposal = site.records.write(lambda unit: elsewhere.propose(unit, anna))
    site.records.write(lambda unit: elsewhere.confirm(unit, berit, proposal.id))
    job(upkeep_of(site, FakePost()), "dates")()
    now = site.records.read(lambda unit: unit.tickets.by_id(put.id, EVERYTHING))
    assert now is not None
    assert now.purge_due_at == put.last_activity_at + timedelta(days=10)


def test_a_hold_whose_review_has_passed_is_warned_of(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-1")))
    site.records.write(lambda unit: site.holds.place_on_ticket(unit, SYSTEM, "T-1", "x", date(2020, 1, 1)))
    review = job(upkeep_of(site, FakePost()), "holds")
    review()
    (warning,) = [one for one in caplog.records if one.message == "hold review overdue"]
    assert vars(warning)["holds"] == 1


def test_every_job_of_a_shared_site_runs(site: Site) -> None:
    upkeep = upkeep_of(site, FakePost())
    site.follow_policy()
    for one in upkeep.jobs():
        one.work()
    names = {one.name for one in upkeep.jobs()}
    assert {"node", "left", "purging", "orphans"} <= names
    alone = {one.name for one in upkeep_of(replace(site, shared=False), FakePost()).jobs()}
    assert "node" not in alone
