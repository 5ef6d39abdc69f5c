"""Brakes stop a run before it claims anything; runs beside each other purge each file once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.actor import SYSTEM
from domain.attachment import AttachmentState
from domain.errors import (
    BrakeApplied,
    StateConflict,
)
from domain.event import EventKind
from retention import Brakes, CertificateDesk, Pace, Purge
from tests.small_site import START, Crash
from tests.unit.retention.purged import ADMIN, due, gone, key_of


# -- brakes (S-69) -----------------------------------------------------------------------------------------------------
def test_more_due_than_ever_stops_the_run_before_anything_is_claimed(site):
    files = due(site, files=3)
    purge = site.purge_with(brakes=Brakes(least=2))
    with pytest.raises(BrakeApplied) as braked:
        purge.run(SYSTEM)
    assert braked.value.facts == {"brake": "count", "due": 3, "most": 2, "live": 3}
    assert all(site.state(one) == one for one in files)
    assert site.events(EventKind.PURGE_BRAKED)[0]["facts"] == braked.value.facts
    for wrong in (2, 4, 0):
        with pytest.raises(BrakeApplied):
            purge.run(SYSTEM, confirm=wrong)
    assert purge.run(SYSTEM, confirm=3).purged == 3


def test_held_files_do_not_pull_the_brake_and_the_share_counts_what_is_live(site):
    due(site, "T-1", files=3)
    due(site, "T-2", files=2)
    site.records.write(lambda unit: site.holds.place_on_ticket(unit, ADMIN, "T-1", "court", None))
    assert site.purge_with(brakes=Brakes(share=0.4, least=0)).run(SYSTEM).purged == 2


@pytest.mark.parametrize("minutes", [-61, 61])
def test_a_machine_whose_own_clock_is_far_from_the_databases_stops_the_run(site, minutes):
    due(site)
    machine = lambda: site.clock() + timedelta(minutes=minutes)  # noqa: E731
    with pytest.raises(BrakeApplied) as braked:
        site.purge_with(brakes=Brakes(machine=machine)).run(SYSTEM, confirm=1)
    assert braked.value.facts == {"brake": "clock"}
    assert site.purge_with(brakes=Brakes(machine=site.clock)).run(SYSTEM, confirm=1).purged == 1


def test_a_clock_before_the_newest_entry_stops_the_run(site):
    due(site)
    site.clock.go(minutes=-61)
    with pytest.raises(BrakeApplied) as braked:
        site.purge.run(SYSTEM, confirm=1)
    assert braked.value.facts == {"brake": "clock"}


def test_a_clock_an_hour_off_the_databases_stops_the_run(site):
    due(site)

    class Elsewhere:
        def __getattr__(self, name):
            return getattr(site.records, name)

        def now(self):
            return START + timedelta(hours=1, seconds=1)

    purge = Purge(
        Elsewhere(), site.blobs, site.keys, site.log, site.policy.of, clock=site.clock, brakes=Brakes(),
        certificates=CertificateDesk(site.signer, "i", timedelta(days=30)),
    )  # fmt: skip
    with pytest.raises(BrakeApplied):
        purge.run(SYSTEM)


def test_what_a_crash_left_is_finished_even_under_the_brake(site):
    files = due(site, files=3)
    site.steps.at = ("claimed", 1)
    with pytest.raises(Crash):
        site.purge_with(pace=Pace(batch=1, blobs_a_second=None)).run(SYSTEM)
    site.steps.at = None
    site.clock.go(seconds=21)
    with pytest.raises(BrakeApplied):
        site.purge_with(brakes=Brakes(least=1)).run(SYSTEM)
    gone(site, files[0])
    assert site.state(files[1]) == files[1]


# -- runs beside each other --------------------------------------------------------------------------------------------
def test_a_run_whose_lease_was_taken_over_has_no_further_effect(site):
    files = due(site, files=2)

    def taken_over(name):
        if name == "claimed":
            later = site.records.now() + timedelta(minutes=11)
            site.records.write(
                lambda unit: unit.leases.take("purge", owner="other", now=later, until=later + timedelta(hours=1))
            )

    site.steps.__class__ = type("TakenOver", (type(site.steps),), {"__call__": lambda self, name: taken_over(name)})
    with pytest.raises(StateConflict):
        site.purge.run(SYSTEM)
    for one in files:
        assert site.state(one).state is AttachmentState.PURGING
        assert key_of(site, one) is not None
        assert site.blobs.stat(one.blob_id) is not None


def test_two_runs_at_once_purge_each_file_once(site):
    from threading import Thread

    files = due(site, files=30)
    purge = site.purge_with(pace=Pace(batch=3, blobs_a_second=None))
    outcomes = []

    def run():
        try:
            outcomes.append(purge.run(SYSTEM).purged)
        except StateConflict:
            outcomes.append(0)

    threads = [Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 30
    for one in files:
        gone(site, one)


def test_a_run_may_wait_for_one_that_died(site):
    (attachment,) = due(site)
    site.steps.at = ("claimed", 1)
    with pytest.raises(Crash):
        site.purge.run(SYSTEM)
    site.steps.at = None
    purge = site.purge_with(pace=Pace(blobs_a_second=None, sleep=lambda seconds: site.clock.go(seconds=seconds)))
    with pytest.raises(StateConflict):
        purge.run(SYSTEM, patience=timedelta(seconds=5))
    assert purge.run(SYSTEM, patience=timedelta(seconds=30)).resumed == 1
    gone(site, attachment)


def test_a_start_finishes_what_a_crash_left_and_nothing_else(site):
    begun, other = due(site, files=2)
    site.steps.at = ("claimed", 1)
    with pytest.raises(Crash):
        site.purge_with(pace=Pace(batch=1, blobs_a_second=None)).run(SYSTEM)
    site.steps.at = None
    report = site.purge.recover()
    assert (report.purged, report.resumed) == (1, 1)
    gone(site, begun)
    assert site.state(other) == other


def test_the_pace_is_kept(site):
    due(site, files=4)
    slept: list[float] = []
    site.purge_with(pace=Pace(batch=2, blobs_a_second=0.001, sleep=slept.append)).run(SYSTEM)
    assert len(slept) == 2
    assert all(1900 < one <= 2000 for one in slept)
