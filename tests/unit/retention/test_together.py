"""Several nodes purge at once: each file goes once, and only what a run past its brakes may erase (S-69, S-72)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest

from domain.actor import SYSTEM
from domain.errors import BrakeApplied, StateConflict
from domain.event import EventKind
from retention import Brakes, Pace
from tests.small_site import START
from tests.unit.retention.purged import due, gone

PACE = Pace(batch=2, blobs_a_second=None)


class Halt:
    """Holds the first run that comes to a step until it is let go."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.reached, self.may_go = Event(), Event()

    def __call__(self, name: str) -> None:
        if name == self.at and not self.reached.is_set():
            self.reached.set()
            assert self.may_go.wait(30)


def test_a_second_run_helps_the_first_and_each_file_goes_once(site):
    attachments = due(site, files=12)
    halt = Halt("claimed")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.purge_with(pace=PACE, steps=halt, together=True).run, SYSTEM)
        assert halt.reached.wait(30)
        second = site.purge_with(pace=PACE, together=True).run(SYSTEM)
        halt.may_go.set()
        assert (first.result().purged, second.purged) == (2, 10)
    for attachment in attachments:
        gone(site, attachment)
    for kind in (EventKind.PURGE_STARTED, EventKind.KEY_DESTROYED, EventKind.PURGE_FINISHED):
        assert set(Counter(event["subject"] for event in site.events(kind)).values()) == {1}
        assert len(site.events(kind)) == 12


def test_a_run_that_may_not_help_is_refused(site):
    due(site, files=4)
    halt = Halt("claimed")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.purge_with(pace=PACE, steps=halt, together=True).run, SYSTEM)
        assert halt.reached.wait(30)
        with pytest.raises(StateConflict):
            site.purge_with(pace=PACE).run(SYSTEM)
        halt.may_go.set()
        assert first.result().purged == 4


def test_who_helps_purges_no_more_than_the_run_it_helps_may(site):
    early = due(site, files=4)
    halt = Halt("claimed")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.purge_with(pace=PACE, steps=halt, together=True).run, SYSTEM)
        assert halt.reached.wait(30)
        late = site.send(site.put("T-2", last_activity_at=(START + timedelta(seconds=5)).replace(year=START.year - 1)))
        site.clock.go(seconds=10)
        second = site.purge_with(pace=PACE, together=True).run(SYSTEM)
        halt.may_go.set()
        assert first.result().purged + second.purged == 4
    for attachment in early:
        gone(site, attachment)
    assert site.state(late).purged_at is None


def test_a_braked_run_is_helped_by_nobody(site):
    due(site, files=4)
    purge = site.purge_with(Brakes(share=0.1, least=1), PACE, together=True)
    for _ in range(2):
        with pytest.raises(BrakeApplied):
            purge.run(SYSTEM)
    assert site.events(EventKind.PURGE_STARTED) == []


def test_what_fell_due_meanwhile_goes_with_the_next_run(site):
    late = site.send(site.put("T-2", last_activity_at=(START + timedelta(seconds=5)).replace(year=START.year - 1)))
    site.clock.go(seconds=10)
    assert site.purge_with(pace=PACE, together=True).run(SYSTEM).purged == 1
    gone(site, late)
