"""Jobs: each goes on after its own failures, and all of them end when the service does."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

from domain.errors import BlobsUnavailable
from jobs import Job, Jobs

SOON = timedelta(milliseconds=5)


def test_a_job_goes_on_after_whatever_happened_to_it() -> None:
    enough = Event()
    rounds: list[int] = []

    def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise BlobsUnavailable
        if len(rounds) == 2:
            raise RuntimeError("a bug")
        enough.set()

    jobs = Jobs([Job("tried", SOON, work)])
    jobs.start()
    assert enough.wait(20)
    jobs.stop()
    seen = len(rounds)
    assert not Event().wait(0.05)
    assert len(rounds) == seen


def test_stopping_waits_for_the_round_under_way() -> None:
    begun, may_end = Event(), Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        may_end.wait(20)
        ended.append(True)

    jobs = Jobs([Job("long", SOON, work)])
    jobs.start()
    assert begun.wait(20)
    may_end.set()
    jobs.stop()
    assert ended
