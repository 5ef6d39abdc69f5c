"""Group commit, on a real database: what shares a commit, what is undone, and when the answer comes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import IntegrityError

from domain.errors import NotFound, RecordsUnavailable, StorageFull
from storage.records import pragmas
from storage.records.savepoints import SqliteBatch
from storage.records.writer import Writer

SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE notes (n INTEGER PRIMARY KEY, text BLOB, parent REFERENCES parents (id) DEFERRABLE INITIALLY IMMEDIATE);
"""


class Site:
    """A database with a writer, and what it did: each commit of it, and each rest."""

    def __init__(self, path: Path, *, busy_seconds: float = 5.0, max_pages: int | None = None) -> None:
        self.path = path
        self.engine = pragmas.engine(path, writing=True, connections=1, busy_seconds=busy_seconds)
        if max_pages is not None:
            event.listen(self.engine, "connect", lambda driver, _: driver.execute(f"PRAGMA max_page_count={max_pages}"))
        with closing(sqlite3.connect(path)) as driver:
            driver.executescript(SCHEMA)
        self.commits = 0
        self.rests = 0
        event.listen(self.engine, "commit", self._count)
        self.writer = Writer(SqliteBatch(self.engine), rest=self._rest, gathered=8)

    def _count(self, connection: Connection) -> None:
        self.commits += 1

    def _rest(self) -> None:
        self.rests += 1

    def notes(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as driver:
            return [n for (n,) in driver.execute("SELECT n FROM notes ORDER BY n")]

    def together(self, *works: Callable[[Connection], Any]) -> list[Future[Any]]:
        """Works that wait for the writer at the same time, behind one that holds it up."""
        started, gate = threading.Event(), threading.Event()

        def hold_up(connection: Connection) -> None:
            started.set()
            gate.wait(10)

        before = self.writer.submit(hold_up)
        started.wait(10)
        futures = [self.writer.submit(work) for work in works]
        gate.set()
        wait([before, *futures], timeout=20)
        return futures


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "notes.sqlite", busy_seconds=0.3)
    yield site
    site.writer.close()
    site.engine.dispose()


def note(n: int, *, text: bytes = b"", then: BaseException | None = None, parent: int | None = None):
    def work(connection: Connection) -> int:
        if parent is not None:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql("INSERT INTO notes (n, text, parent) VALUES (?, ?, ?)", (n, text, parent))
        if then is not None:
            raise then
        return n

    return work


def test_works_that_wait_together_share_a_commit(site):
    futures = site.together(*(note(n) for n in range(8)))
    assert [future.result() for future in futures] == list(range(8))
    assert site.commits == 2  # the one that held the writer up, then the eight


def test_no_commit_holds_more_than_it_may(site):
    site.together(*(note(n) for n in range(20)))
    assert site.commits == 1 + 3
    assert site.notes() == list(range(20))


def test_a_work_that_raises_undoes_itself_among_others_and_alone(site):
    futures = site.together(note(1), note(2, then=NotFound()), note(3), note(4, then=KeyboardInterrupt()), note(5))
    assert site.notes() == [1, 3, 5]
    assert isinstance(futures[1].exception(), NotFound)
    assert isinstance(futures[3].exception(), KeyboardInterrupt)
    (alone,) = site.together(note(6, then=NotFound()))
    assert isinstance(alone.exception(), NotFound)
    assert site.notes() == [1, 3, 5]


def test_a_work_that_catches_its_own_failure_keeps_the_rest_of_what_it_did(site):
    def work(connection: Connection) -> None:
        note(1)(connection)
        with pytest.raises(IntegrityError):
            note(1)(connection)
        note(2)(connection)

    site.together(work, note(3))
    assert site.notes() == [1, 2, 3]


@pytest.mark.parametrize("works", [[note(1, parent=7)], [note(1), note(2, parent=7), note(3)]])
def test_when_the_commit_fails_every_work_of_it_failed_each_with_an_error_of_its_own(site, works):
    futures = site.together(*works)
    errors = [future.exception() for future in futures]
    assert all(type(error) is RecordsUnavailable for error in errors)
    assert len({id(error) for error in errors}) == len(errors)
    assert site.notes() == []
    site.writer.submit(note(9)).result()
    assert site.notes() == [9]


@pytest.mark.parametrize("others", [0, 1])
def test_a_work_that_loses_the_transaction_is_never_answered_as_if_it_were_committed(site, others):
    def losing(connection: Connection) -> str:
        note(2)(connection)
        connection.exec_driver_sql("ROLLBACK")  # as SQLite does by itself when the disk fails
        return "as if nothing were wrong"

    futures = site.together(*[note(1)] * others, losing, *[note(3)] * others)
    assert all(type(future.exception()) is RecordsUnavailable for future in futures)
    assert site.notes() == []
    site.writer.submit(note(9)).result()
    assert site.notes() == [9]


def test_a_full_disk_is_said_to_be_full_and_nothing_that_was_answered_is_lost(tmp_path):
    site = Site(tmp_path / "notes.sqlite", max_pages=12)
    futures = site.together(note(1), note(2, text=b"x" * 200_000), note(3))
    assert isinstance(futures[1].exception(), StorageFull)
    answered = [n for n, future in enumerate(futures, start=1) if future.exception() is None]
    assert site.notes() == answered
    site.writer.submit(note(4)).result()
    assert site.notes() == [*answered, 4]
    site.writer.close()
    site.engine.dispose()


def test_while_another_process_has_the_write_lock_works_are_refused_in_time_and_go_on_after_it(site):
    with closing(sqlite3.connect(site.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        futures = site.together(note(1), note(2))
        assert all(type(future.exception()) is RecordsUnavailable for future in futures)
        other.execute("ROLLBACK")
    site.writer.submit(note(3)).result()
    assert site.notes() == [3]


def test_a_lock_that_ends_in_time_is_waited_for(tmp_path):
    site = Site(tmp_path / "notes.sqlite", busy_seconds=20)
    with closing(sqlite3.connect(site.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
        timer.start()
        site.writer.submit(note(1)).result()
        timer.join()
    assert site.notes() == [1]
    site.writer.close()
    site.engine.dispose()


def test_the_answer_comes_after_the_commit(site):
    seen: list[list[int]] = []
    gate = threading.Event()
    site.writer.submit(lambda connection: gate.wait(10))
    future = site.writer.submit(note(1))
    future.add_done_callback(lambda done: seen.append(site.notes()))
    gate.set()
    site.writer.call(lambda: None).result()
    assert seen == [[1]]
    assert site.rests >= 2


def test_a_task_runs_between_commits_and_in_its_turn(site):
    inside: list[bool] = []

    def task() -> list[int]:
        proxied = site.engine.raw_connection()
        inside.append(proxied.driver_connection.in_transaction)
        proxied.close()
        return site.notes()

    gate = threading.Event()
    site.writer.submit(lambda connection: gate.wait(10))
    site.writer.submit(note(1))
    seen = site.writer.call(task)
    last = site.writer.submit(note(2))
    gate.set()
    assert seen.result() == [1]
    last.result()
    assert inside == [False]
    assert site.notes() == [1, 2]


def test_a_task_that_raises_tells_who_asked_and_nobody_else(site):
    def task() -> None:
        raise NotFound

    with pytest.raises(NotFound):
        site.writer.call(task).result()
    site.writer.submit(note(1)).result()


def test_a_rest_that_fails_ends_nothing(tmp_path):
    engine = pragmas.engine(tmp_path / "x.sqlite", writing=True, connections=1, busy_seconds=1)

    def rest() -> None:
        raise OSError("no")

    writer = Writer(SqliteBatch(engine), rest=rest)
    for _ in range(2):
        assert writer.submit(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()).result() == 1
    writer.close()
    engine.dispose()


def test_who_listens_to_a_future_cannot_harm_the_writer(site):
    future = site.writer.submit(note(1))
    future.add_done_callback(lambda done: 1 // 0)
    future.result()
    site.writer.submit(note(2)).result()
    assert site.notes() == [1, 2]


def test_closing_does_what_is_queued_first(site):
    gate = threading.Event()
    site.writer.submit(lambda connection: gate.wait(10))
    futures = [site.writer.submit(note(n)) for n in range(30)]
    closer = threading.Thread(target=site.writer.close)
    closer.start()
    gate.set()
    closer.join(20)
    assert all(future.done() for future in futures)
    assert site.notes() == list(range(30))
    with pytest.raises(RecordsUnavailable):
        site.writer.submit(note(99))
