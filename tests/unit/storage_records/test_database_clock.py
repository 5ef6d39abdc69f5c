"""The database's time on every node: followed, never back, and no jump of it without people."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from domain.errors import RecordsUnavailable
from storage.records import DatabaseClock

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Worlds:
    """The database's clock and this process's monotonic one; both are moved by hand, ``takes`` is how long an answer is
    on its way."""

    def __init__(self) -> None:
        self.database = NOON
        self.mono = 1000.0
        self.takes = 0.0
        self.down = False

    def now(self) -> datetime:
        if self.down:
            raise RecordsUnavailable
        self.go(self.takes / 2)
        answer = self.database
        self.go(self.takes / 2)
        return answer

    def go(self, seconds: float, *, rate: float = 1.0) -> None:
        """``rate``: of this machine's oscillator."""
        self.database += timedelta(seconds=seconds)
        self.mono += seconds * rate


@pytest.fixture
def worlds():
    return Worlds()


@pytest.fixture
def clock(worlds):
    return DatabaseClock(worlds, monotonic=lambda: worlds.mono)


def off(clock, worlds) -> float:
    return (clock() - worlds.database).total_seconds()


def test_it_tells_the_databases_time_and_counts_on_without_asking(clock, worlds):
    assert clock() == NOON
    worlds.down = True
    worlds.go(3600)
    assert clock() == NOON + timedelta(hours=1)


def test_a_machine_that_runs_fast_or_slow_is_put_right(worlds):
    for rate in (1.001, 0.999):
        clock = DatabaseClock(worlds, monotonic=lambda: worlds.mono)
        for _ in range(100):
            worlds.go(30, rate=rate)
            clock.measure()
        worlds.go(5, rate=rate)
        assert abs(off(clock, worlds)) < 0.05


def test_a_database_whose_clock_was_set_back_makes_it_go_slower_never_back(clock, worlds):
    worlds.database -= timedelta(minutes=5)
    before = clock()
    clock.measure()
    seen = [clock()]
    for second in range(900):
        worlds.go(1)
        if second % 30 == 29:
            clock.measure()
        seen.append(clock())
    assert seen[0] >= before
    assert all(later > earlier for earlier, later in pairwise(seen))
    assert abs(off(clock, worlds)) < 0.001


def test_a_database_whose_clock_was_set_forward_is_followed_at_once(clock, worlds):
    worlds.database += timedelta(minutes=59)
    clock.measure()
    assert off(clock, worlds) == 0


@pytest.mark.parametrize("hours", [-25, -2, 2, 400])
def test_a_jump_of_more_than_an_hour_is_not_followed_and_said_aloud(clock, worlds, hours, caplog):
    worlds.database += timedelta(hours=hours)
    with caplog.at_level(logging.CRITICAL):
        clock.measure()
    assert clock() == NOON
    assert [record.message for record in caplog.records] == ["database clock jumped"]
    worlds.database -= timedelta(hours=hours)
    worlds.go(10)
    clock.measure()
    assert off(clock, worlds) == 0


def test_answers_that_are_long_on_their_way_move_nothing_by_that(clock, worlds):
    for takes in (0.0, 4.0, 0.2, 8.0, 0.0, 2.0):
        worlds.takes = takes
        worlds.go(30)
        clock.measure()
        assert abs(off(clock, worlds)) < 0.001


def test_a_database_that_is_down_is_no_reason_to_stand_still(clock, worlds):
    worlds.down = True
    worlds.go(60)
    with pytest.raises(RecordsUnavailable):
        clock.measure()
    assert off(clock, worlds) == 0
