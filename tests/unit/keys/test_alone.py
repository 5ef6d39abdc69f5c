"""Alone with a site: whoever is there first, whoever comes, and whoever only seems to be there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import MoveUnfinished, SiteLocked, StateConflict
from keys import Alone, Lease, LeaseLost, Node
from storage import MOVE_LEASE, check_moved
from tests.small_site import SmallSite

MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(tmp_path):
    made = SmallSite(tmp_path)
    yield made
    made.close()


def alone(site: SmallSite, *, dead: bool = False, said: list[str] | None = None) -> Alone:
    def sleep(seconds: float) -> None:
        site.clock.go(seconds=max(seconds, 1))

    heard: list[str] = [] if said is None else said
    return Alone(site.records, dead=dead, say=heard.append, patience=3 * MINUTE, sleep=sleep)


def test_while_somebody_is_alone_nobody_else_comes_in(site):
    check_moved(site.records)
    with alone(site) as first:
        site.records.write(first.guard)
        with pytest.raises(MoveUnfinished, match="right now"):
            check_moved(site.records)
        check_moved(site.records, alone=True)
    check_moved(site.records)


def test_a_node_that_lives_is_a_refusal_and_one_that_left_is_none(site):
    node = Node(site.records, alone=False)
    node.beat()
    with pytest.raises(SiteLocked, match="1 of its nodes"), alone(site):
        pass
    check_moved(site.records)
    node.leave()
    with alone(site):
        pass


def test_a_job_at_work_is_waited_for_and_the_dead_are_over_in_time(site):
    Lease(site.records, "purge", length=MINUTE).__enter__()  # whoever has it died
    said: list[str] = []
    with alone(site, said=said) as here:
        site.records.write(here.guard)
    assert set(said) == {"waiting for purge"}


def test_a_job_that_does_not_end_is_a_refusal(site):
    Lease(site.records, "purge", length=timedelta(hours=1)).__enter__()
    with pytest.raises(StateConflict, match="purge"), alone(site):
        pass
    check_moved(site.records)


def test_who_holds_the_lock_of_the_site_waits_for_nobody(site):
    Lease(site.records, "purge", length=timedelta(hours=1)).__enter__()
    Lease(site.records, MOVE_LEASE, length=timedelta(hours=1)).__enter__()
    with alone(site, dead=True) as here:
        site.records.write(here.guard)


def test_two_are_never_alone(site):
    Lease(site.records, MOVE_LEASE, length=timedelta(hours=1)).__enter__()
    with pytest.raises(StateConflict, match="by another"), alone(site):
        pass


def test_whoever_lost_the_lease_finds_out_in_the_transaction_that_counts(site):
    with alone(site) as here:
        site.records.write(lambda unit: unit.leases.end_all())
        with Lease(site.records, MOVE_LEASE, length=MINUTE), pytest.raises(LeaseLost):
            site.records.write(here.guard)
