"""What is kept for a moment: for how long, how much of it, and who fetches it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from crypto.key_managed_cache import FreshCache
from domain.errors import KeysUnavailable


class Seconds:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Source:
    """Gives 1, 2, 3, …; None in ``fails``: it works."""

    def __init__(self) -> None:
        self.count = 0
        self.down = False

    def __call__(self) -> int:
        if self.down:
            raise KeysUnavailable
        self.count += 1
        return self.count


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def cache(seconds):
    return FreshCache[int](fresh=10, stale=60, most=3, monotonic=seconds)


def test_a_fresh_value_is_not_fetched_again(cache, source, seconds):
    assert cache.get(1, source) == 1
    seconds.at += 9.9
    assert cache.get(1, source) == 1
    seconds.at += 0.1
    assert cache.get(1, source) == 2


def test_while_it_cannot_be_fetched_the_old_one_is_good_until_it_is_stale(cache, source, seconds):
    cache.get(1, source)
    source.down = True
    seconds.at += 59.9
    assert cache.get(1, source) == 1
    seconds.at += 0.1
    with pytest.raises(KeysUnavailable):
        cache.get(1, source)


def test_a_stale_value_is_forgotten_whichever_is_asked_for(cache, source, seconds):
    cache.get(1, source)
    seconds.at += 60
    cache.get(2, source)
    assert list(cache._entries) == [2]


def test_no_more_are_kept_than_that(cache, source):
    for number in range(10):
        cache.get(number, source)
    assert list(cache._entries) == [7, 8, 9]
    assert set(cache._gates) == {7, 8, 9}


def test_dropped_is_fetched_again(cache, source):
    cache.get(1, source)
    cache.drop(1)
    cache.drop(2)
    assert cache.get(1, source) == 2


def test_renewed_whatever_there_is_and_never_by_an_older_one(cache, source, seconds):
    assert cache.get(1, source) == 1
    assert cache.renew(1, source) == 2
    assert cache.get(1, source) == 2

    def slow():
        seconds.at += 1
        cache.put(1, 99)  # somebody has it newer meanwhile
        return 50

    assert cache.renew(1, slow) == 50
    assert cache.get(1, source) == 99


def test_one_fetches_and_the_others_go_on_with_what_there_is(cache, source, seconds):
    cache.get(1, source)
    seconds.at += 11
    entered, leave = threading.Event(), threading.Event()

    def slow():
        entered.set()
        assert leave.wait(20)
        return 7

    with ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(cache.get, 1, slow)
        assert entered.wait(20)
        assert cache.get(1, source) == 1
        leave.set()
        assert fetching.result() == 7
    assert cache.get(1, source) == 7


def test_of_many_that_wait_one_fetches(cache):
    calls = []
    gate = threading.Barrier(8)

    def fetch():
        calls.append(1)
        return 5

    def ask(_):
        gate.wait()
        return cache.get(1, fetch)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {5}
    assert len(calls) == 1
