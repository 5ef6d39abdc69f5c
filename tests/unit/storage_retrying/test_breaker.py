"""The circuit breaker by itself: who finds out, who is told, and who waits for nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from domain.breaker import Breaker
from domain.errors import BlobMissing, BlobsUnavailable
from tests.unit.storage_retrying.flaky import Time


class Dependency:
    def __init__(self) -> None:
        self.down = False
        self.probed = 0
        self.held: Event | None = None
        self.entered = Event()

    def probe(self) -> None:
        self.probed += 1
        self.entered.set()
        if self.held is not None:
            assert self.held.wait(10)
        self.ask()

    def ask(self) -> str:
        if self.down:
            raise BlobsUnavailable
        return "answer"


@pytest.fixture
def behind() -> Dependency:
    return Dependency()


def made(behind: Dependency, time: Time, told: list[bool]) -> Breaker:
    return Breaker(BlobsUnavailable, behind.probe, told.append, failures=3, pause=5, monotonic=time)


def fail(breaker: Breaker, behind: Dependency, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BlobsUnavailable):
            breaker.call(behind.ask)


def test_failures_count_only_in_a_row(behind):
    told: list[bool] = []
    breaker = made(behind, Time(), told)
    for _ in range(5):
        behind.down = True
        fail(breaker, behind, 2)
        behind.down = False
        assert breaker.call(behind.ask) == "answer"
    assert (behind.probed, told) == (0, [])


def test_whoever_comes_after_the_third_asks_for_a_sign_of_life(behind):
    told: list[bool] = []
    breaker = made(behind, time := Time(), told)
    behind.down = True
    fail(breaker, behind, 3)
    assert (behind.probed, told) == (0, [])
    fail(breaker, behind, 5)
    assert (behind.probed, told) == (1, [False])
    time.now = 5.0
    fail(breaker, behind, 5)
    assert (behind.probed, told) == (2, [False])
    time.now = 10.0
    behind.down = False
    assert breaker.call(behind.ask) == "answer"
    assert (behind.probed, told) == (3, [False, True])


def test_a_refusal_is_an_answer_and_an_unforeseen_error_is_neither(behind):
    breaker = made(behind, Time(), [])

    def missing() -> None:
        raise BlobMissing

    def bug() -> None:
        raise ZeroDivisionError

    behind.down = True
    fail(breaker, behind, 2)
    with pytest.raises(BlobMissing):
        breaker.call(missing)
    fail(breaker, behind, 2)
    with pytest.raises(ZeroDivisionError):
        breaker.call(bug)
    fail(breaker, behind, 1)
    assert behind.probed == 0
    fail(breaker, behind, 1)
    assert behind.probed == 1


def test_while_one_finds_out_nobody_waits(behind):
    breaker = made(behind, time := Time(), [])
    behind.down = True
    fail(breaker, behind, 3)
    behind.held = Event()
    with ThreadPoolExecutor(1) as pool:
        finding_out = pool.submit(breaker.check)
        assert behind.entered.wait(10)
        breaker.check()  # suspected only: everybody tries for himself
        behind.held.set()
        assert isinstance(finding_out.exception(), BlobsUnavailable)
        time.now, behind.held = 5.0, Event()
        behind.entered.clear()
        finding_out = pool.submit(breaker.check)
        assert behind.entered.wait(10)
        with pytest.raises(BlobsUnavailable):
            breaker.check()
        behind.down = False
        behind.held.set()
        assert finding_out.exception() is None
    assert breaker.call(behind.ask) == "answer"
    assert behind.probed == 2


def test_a_question_without_an_answer_makes_the_next_one_find_out(behind):
    time = Time()
    told: list[bool] = []
    breaker = Breaker(BlobsUnavailable, behind.probe, told.append, failures=3, pause=5, slow=8, monotonic=time)
    asked, go = Event(), Event()

    def stall() -> None:
        asked.set()
        assert go.wait(10)
        raise BlobsUnavailable

    with ThreadPoolExecutor(1) as pool:
        stalled = pool.submit(breaker.call, stall)
        assert asked.wait(10)
        time.now = 8.0
        assert breaker.call(behind.ask) == "answer"
        assert behind.probed == 0
        time.now = 8.1
        assert breaker.call(behind.ask) == "answer"
        assert breaker.call(behind.ask) == "answer"
        assert (behind.probed, told) == (1, [])
        time.now, behind.down = 13.1, True
        fail(breaker, behind, 3)
        assert (behind.probed, told) == (2, [False])
        go.set()
        assert isinstance(stalled.exception(), BlobsUnavailable)
    time.now, behind.down = 18.1, False
    assert breaker.call(behind.ask) == "answer"
    assert (behind.probed, told) == (3, [False, True])
