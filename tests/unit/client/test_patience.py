"""How long is tried, and how long is waited in between."""

from __future__ import annotations

from threading import Event

import pytest

from client.patience import Again, Patience, Stopped
from domain.errors import Unavailable


class Never(Event):
    """Is not set, and nobody waits for it."""

    def wait(self, timeout=None):
        return False


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_wait_ends_when_the_run_is_stopped():
    stop = Event()
    with pytest.raises(Stopped):
        Patience(60, stop).wait(Again(Unavailable()), lambda _: stop.set())


def test_waits_grow_to_a_minute_and_progress_renews_them():
    told: list[float] = []
    patience = Patience(1e9, Never(), clock=lambda: 0.0, chance=lambda: 1.0)
    for _ in range(9):
        patience.wait(Again(Unavailable()), told.append)
    assert told == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    patience.renew()
    patience.wait(Again(Unavailable()), told.append)
    assert told[-1] == 0.5


def test_a_wait_is_never_less_than_half_of_what_it_may_be():
    told: list[float] = []
    Patience(60, Never(), chance=lambda: 0.0).wait(Again(Unavailable()), told.append)
    assert told == [0.25]


def test_patience_is_counted_from_the_first_failure():
    clock = Hand()
    patience = Patience(600, Never(), clock=clock)
    clock.now = 5000  # a large body was well on its way all that time
    patience.wait(Again(Unavailable()), lambda _: None)
    clock.now += 590
    patience.wait(Again(Unavailable()), lambda _: None)
    clock.now += 10
    with pytest.raises(Unavailable):
        patience.wait(Again(Unavailable()), lambda _: None)


def test_what_the_service_asks_to_wait_for_is_waited_for_if_patience_allows():
    told: list[float] = []
    patience = Patience(100, Never(), chance=lambda: 0.0)
    patience.wait(Again(Unavailable(), 30), told.append)
    assert told == [30]
    with pytest.raises(Unavailable):
        patience.wait(Again(Unavailable(), 300), told.append)
