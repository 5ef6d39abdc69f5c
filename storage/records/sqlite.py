"""The records in SQLite: one file, one writing thread, readers beside it on snapshots of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from domain.clock import Clock
from domain.errors import RecordsUnavailable
from storage.records import pragmas
from storage.records.checkpoint import ROWS, Checkpointer
from storage.records.place import prepare
from storage.records.ports.records import Unit
from storage.records.savepoints import SqliteBatch
from storage.records.sql.unit import SqlUnit
from storage.records.translate import translating
from storage.records.upgrade import READ_VERSION, check_version, upgrade
from storage.records.writer import Writer

T = TypeVar("T")

DATABASE = "records.sqlite"
READERS = 16
BUSY_SECONDS = 5.0
TIDY_SECONDS = 5.0
_TIDY_PAUSE = 0.05


def open_site(folder: Path, clock: Clock) -> SqliteRecords:
    """The records of a data folder, made where missing, for the one process that serves it (it holds ``SiteLock``)."""
    path = folder / DATABASE
    upgrade(path)
    return SqliteRecords(path, clock=clock, checkpoints=True)


class SqliteRecords:
    """``ports.records.Records`` on a file that ``upgrade`` has made.

    ``checkpoints``: whether this process copies the WAL into the database (``checkpoint`` says why it must be one).
    True for the one that holds the site's ``SiteLock`` and for no other. A command beside it commits to the WAL and
    leaves it there; one that runs alone leaves none behind, as SQLite copies it when the last connection closes.

    Raises Misconfigured where the place or SQLite is not as it must be, RecordsUnavailable where it does not answer.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        checkpoints: bool,
        readers: int = READERS,
        busy_seconds: float = BUSY_SECONDS,
        checkpoint_rows: int = ROWS,
        tidy_seconds: float = TIDY_SECONDS,
    ) -> None:
        prepare(path)
        self._clock = clock
        self._tidy_seconds = tidy_seconds
        self._reading = pragmas.engine(path, writing=False, connections=readers, busy_seconds=busy_seconds)
        self._writing = pragmas.engine(path, writing=True, connections=1, busy_seconds=busy_seconds)
        self._checkpointer: Checkpointer | None = None
        rest: Callable[[], None] | None = None
        try:
            _on_driver(self._reading, partial(pragmas.check, writing=False))
            _on_driver(self._writing, partial(pragmas.check, writing=True))
            if checkpoints:
                with translating():
                    self._checkpointer = Checkpointer(path, busy_seconds=busy_seconds, rows=checkpoint_rows)
                rest = partial(_on_driver, self._writing, self._checkpointer.after_commit)
        except BaseException:
            self._dispose()
            raise
        self._writer = Writer(SqliteBatch(self._writing), rest=rest)

    def read(self, work: Callable[[Unit], T]) -> T:
        with translating(), self._reading.begin() as connection:
            return work(SqlUnit(connection))

    def write(self, work: Callable[[Unit], T]) -> T:
        return self.submit(work).result()

    def submit(self, work: Callable[[Unit], T]) -> Future[T]:
        def run(connection: Connection) -> T:
            return work(SqlUnit(connection))

        return self._writer.submit(run)

    def now(self) -> datetime:
        # One machine, one clock: SQLite's own would be the same, read to the millisecond.
        return self._clock()

    def ping(self) -> None:
        with translating(), self._reading.begin() as connection:
            try:
                found = connection.exec_driver_sql(READ_VERSION).scalar_one_or_none()
            except OperationalError as error:
                if "no such table" not in str(error.orig):
                    raise
                found = None
        check_version(found)

    def tidy(self) -> None:
        """Copy the WAL and begin it anew; without ``checkpoints`` nothing at all, the serving process does it.

        Raises RecordsUnavailable where readers kept the WAL in use all the time (5 s): to be tried again later.
        """
        checkpointer = self._checkpointer
        if checkpointer is None:
            return
        deadline = time.monotonic() + self._tidy_seconds
        while not checkpointer.is_tidy():
            if self._writer.call(lambda: _on_driver(self._writing, checkpointer.tidy)).result():
                return
            if time.monotonic() > deadline:
                raise RecordsUnavailable("The database is being read; its journal cannot be cut yet.")
            time.sleep(_TIDY_PAUSE)

    def close(self) -> None:
        self._writer.close()
        self._dispose()

    def _dispose(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._reading.dispose()
        self._writing.dispose()


def _on_driver(engine: Engine, task: Callable[[Any], T]) -> T:
    """Something outside of a transaction: SQLAlchemy would begin one."""
    with translating():
        proxied = engine.raw_connection()
        try:
            return task(proxied.driver_connection)
        finally:
            proxied.close()
