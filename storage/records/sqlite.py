"""The records in SQLite: one file, one writing thread, readers beside it on snapshots of their own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from domain.clock import Clock
from domain.errors import RecordsUnavailable
from storage.records import pragmas
from storage.records.place import prepare
from storage.records.ports.records import Unit
from storage.records.sql.unit import SqlUnit
from storage.records.translate import translating
from storage.records.upgrade import READ_VERSION, check_version, upgrade
from storage.records.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE = "records.sqlite"
READERS = 16
BUSY_SECONDS = 5.0
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Length of the WAL from which the writer copies it into the database: about 1000 pages, 10 ms and an fsync."""
_TIDY_SECONDS = 5.0
_TIDY_PATIENCE_MS = 100  # the longest that one try keeps the writer from its work


def open_site(folder: Path, clock: Clock) -> SqliteRecords:
    """The records of a data folder for the one process that serves it (it holds the ``SiteLock``), made where missing."""
    path = folder / DATABASE
    upgrade(path)
    return SqliteRecords(path, clock=clock, checkpoints=True)


class SqliteRecords:
    """``ports.records.Records`` on a file that ``upgrade`` has made.

    ``checkpoints``: whether this process copies the WAL into the database. True for the one that holds the site's
    ``SiteLock`` and for no other: SQLite before 3.51.3 may lose the newest commits when two processes do it at once. A command
    beside it commits to the WAL and leaves it there. When the last connection of all processes closes, SQLite checkpoints by
    itself; it takes the exclusive lock for that, so no other process is at work then, and a command that ran alone leaves
    no WAL behind.

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
        checkpoint_bytes: int = CHECKPOINT_BYTES,
    ) -> None:
        prepare(path)
        self._clock = clock
        self._checkpoints = checkpoints
        self._wal = path.with_name(path.name + "-wal")
        self._checkpoint_bytes = self._checkpoint_at = checkpoint_bytes
        self._reading = pragmas.engine(path, writing=False, connections=readers, busy_seconds=busy_seconds)
        self._writing = pragmas.engine(path, writing=True, connections=1, busy_seconds=busy_seconds)
        try:
            for engine, writing in ((self._reading, False), (self._writing, True)):
                _on_driver(engine, lambda driver, writing=writing: pragmas.check(driver, writing=writing))
        except BaseException:
            self._dispose()
            raise
        self._writer = Writer(self._writing, rest=self._checkpoint_by_size if checkpoints else None)

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
        """Cut the WAL to nothing; without ``checkpoints`` nothing at all, the serving process does it.

        Raises RecordsUnavailable where readers kept the WAL in use for 5 s: to be tried again later.
        """
        if not self._checkpoints:
            return
        deadline = time.monotonic() + _TIDY_SECONDS
        while self._wal_bytes():
            if self._writer.call(lambda: _on_driver(self._writing, _truncate)).result():
                return
            if time.monotonic() > deadline:
                raise RecordsUnavailable("The database is being read; the journal cannot be cut yet.")
            time.sleep(_TIDY_PATIENCE_MS / 1000)

    def close(self) -> None:
        self._writer.close()
        self._dispose()

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def _checkpoint_by_size(self) -> None:
        """In the writer's thread, after a commit. PASSIVE waits for nobody: it copies what no reader needs any more."""
        size = self._wal_bytes()
        if size < self._checkpoint_at:
            if size < self._checkpoint_bytes:
                self._checkpoint_at = self._checkpoint_bytes
            return
        _, frames, copied = _on_driver(
            self._writing, lambda driver: driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        )
        # While a reader holds a snapshot the WAL goes on growing; without this every commit would try again.
        self._checkpoint_at = size + self._checkpoint_bytes
        if copied < frames:
            log.debug("records.checkpoint_partial", extra={"frames": frames, "copied": copied})


def _on_driver(engine: Engine, task: Callable[[Any], T]) -> T:
    """Something outside of a transaction: SQLAlchemy would begin one."""
    with translating():
        proxied = engine.raw_connection()
        try:
            return task(proxied.driver_connection)
        finally:
            proxied.close()


def _truncate(driver: Any) -> bool:
    """Copy all of the WAL, then cut it; whether no reader was in the way. TRUNCATE holds writers up while it waits."""
    (before,) = driver.execute("PRAGMA busy_timeout").fetchone()
    driver.execute(f"PRAGMA busy_timeout={_TIDY_PATIENCE_MS}")
    try:
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        driver.execute(f"PRAGMA busy_timeout={before}")
    return not busy
