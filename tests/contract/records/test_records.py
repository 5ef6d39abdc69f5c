"""What every engine promises of reading and writing, whatever is in it."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from datetime import timedelta

import pytest

from domain.actor import EVERYTHING
from domain.errors import NotFound, RecordsUnavailable
from storage.records import Records
from tests.contract.records.given import a_ticket, an_organisation


def mark(records: Records, name: str) -> str | None:
    return records.read(lambda unit: unit.site.get(name))


def test_what_a_work_returns_comes_back_when_it_is_committed(records):
    assert records.write(lambda unit: unit.site.put("a", "1") or "done") == "done"
    assert mark(records, "a") == "1"


def test_a_committed_work_is_there_for_another_connection_to_the_same_database(opened):
    first, second = opened(), opened()
    first.write(lambda unit: unit.site.put("a", "1"))
    assert mark(second, "a") == "1"


def test_a_work_that_raises_leaves_nothing_behind_and_its_caller_gets_what_it_raised(records):
    def work(unit):
        unit.site.put("a", "1")
        raise NotFound("nobody here")

    with pytest.raises(NotFound, match="nobody here"):
        records.write(work)
    assert mark(records, "a") is None


def test_a_failing_work_undoes_itself_and_none_of_those_that_share_its_commit(records):
    gate = threading.Event()
    # The first work holds the writer up until all the others wait behind it.
    first = records.submit(lambda unit: gate.wait(10))

    def work(n: int):
        def run(unit):
            unit.site.put(f"mark-{n}", "written")
            if n % 3 == 1:
                raise NotFound
            return n

        return run

    futures = [records.submit(work(n)) for n in range(12)]
    gate.set()
    wait([first, *futures], timeout=10)
    for n, future in enumerate(futures):
        if n % 3 == 1:
            assert isinstance(future.exception(), NotFound)
            assert mark(records, f"mark-{n}") is None
        else:
            assert future.result() == n
            assert mark(records, f"mark-{n}") == "written"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_a_work_raises_the_next_one_is_done_as_ever(records, error):
    def work(unit):
        unit.site.put("a", "1")
        raise error

    with pytest.raises(error):
        records.submit(work).result()
    records.write(lambda unit: unit.site.put("b", "2"))
    assert (mark(records, "a"), mark(records, "b")) == (None, "2")


def test_a_work_sees_what_those_before_it_wrote(records):
    futures = [
        records.submit(lambda unit: unit.site.put("n", str(int(unit.site.get("n") or "0") + 1))) for _ in range(50)
    ]
    wait(futures, timeout=10)
    assert mark(records, "n") == "50"


def test_writing_from_many_threads_loses_nothing(records):
    def add_ten() -> None:
        for _ in range(10):
            records.write(lambda unit: unit.site.put("n", str(int(unit.site.get("n") or "0") + 1)))

    threads = [threading.Thread(target=add_ten) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mark(records, "n") == "80"


def test_reading_before_writing_loses_nothing_beside_another_process_that_does_the_same(opened):
    """As two processes do it: a transaction that takes its lock only when it writes fails there, at once (SQLite), or
    overwrites what it did not see."""

    def add_one(unit) -> None:
        unit.site.put("n", str(int(unit.site.get("n") or "0") + 1))

    service, command = opened(), opened()
    threads = [threading.Thread(target=lambda r=r: [r.write(add_one) for _ in range(40)]) for r in (service, command)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mark(service, "n") == "80"


def test_a_work_is_not_answered_before_its_commit(records, opened):
    """Whoever has the answer finds the row on any other connection, at once and every time."""
    other = opened()
    for n in range(50):
        records.write(lambda unit, n=n: unit.site.put("n", str(n)))
        assert mark(other, "n") == str(n)


def test_a_read_keeps_its_snapshot_while_others_write(records):
    records.write(lambda unit: unit.site.put("a", "before"))

    def work(unit):
        first = unit.site.get("a")
        records.write(lambda other: other.site.put("a", "after"))
        return first, unit.site.get("a")

    assert records.read(work) == ("before", "before")
    assert mark(records, "a") == "after"


def test_writing_in_a_read_fails_and_writes_nothing(records):
    with pytest.raises(Exception, match=r"read-?only"):
        records.read(lambda unit: unit.site.put("a", "1"))
    assert mark(records, "a") is None


def test_a_read_that_raises_gives_its_connection_back(records):
    def work(unit):
        raise NotFound

    for _ in range(40):
        with pytest.raises(NotFound):
            records.read(work)
    assert mark(records, "a") is None


def test_a_work_that_waits_for_another_one_is_told_so_instead_of_waiting_for_ever(records):
    with pytest.raises(RuntimeError, match="must not wait"):
        records.write(lambda unit: records.write(lambda other: None))
    records.write(lambda unit: unit.site.put("a", "1"))


def test_closing_finishes_what_was_submitted(opened):
    records = opened()
    futures = [records.submit(lambda unit, n=n: unit.site.put(f"mark-{n}", "x")) for n in range(100)]
    records.close()
    assert all(future.done() and future.exception() is None for future in futures)
    again = opened()
    assert all(mark(again, f"mark-{n}") == "x" for n in range(100))


def test_nothing_is_taken_after_closing_and_closing_again_is_nothing(records):
    records.close()
    with pytest.raises(RecordsUnavailable):
        records.submit(lambda unit: None)
    records.close()


def test_a_work_that_was_cancelled_in_time_never_runs(records):
    gate = threading.Event()
    first = records.submit(lambda unit: gate.wait(10))
    second = records.submit(lambda unit: unit.site.put("a", "1"))
    third = records.submit(lambda unit: unit.site.put("b", "1"))
    assert second.cancel()
    gate.set()
    wait([first, third], timeout=10)
    assert (mark(records, "a"), mark(records, "b")) == (None, "1")


def test_now_is_an_instant_with_its_zone_that_never_goes_back(records):
    first = records.now()
    assert first.utcoffset() == timedelta(0)
    assert records.now() >= first


def test_ping_and_tidy_are_silent_on_a_database_in_order(records):
    records.ping()
    records.tidy()
    records.write(lambda unit: unit.site.put("a", "1"))
    records.tidy()
    records.tidy()
    assert mark(records, "a") == "1"


def test_rows_of_one_work_are_there_together_or_not_at_all(records):
    def work(unit):
        unit.organisations.put(an_organisation(1))
        unit.tickets.put(a_ticket(1, organisation=1))
        unit.tickets.put(a_ticket(2, organisation=7))  # no such organisation

    with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"):
        records.write(work)
    assert records.read(lambda unit: unit.organisations.get("org-1", EVERYTHING)) is None
