"""The records in PostgreSQL: any number of nodes, readers on snapshots of their own, writers one batch at a time.

Isolation, by transaction: a read is REPEATABLE READ, READ ONLY. A write takes its turn among the writers of all nodes
before its snapshot, so writes are serial; what a work reads, nobody changes before its commit. SERIALIZABLE would fail
here instead of waiting: every write numbers an entry of the journal without a gap, so any two at a time conflict. For
the same reason a queue needs no SKIP LOCKED: no row is ever locked by another writer.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, TypeVar

from psycopg.errors import UndefinedTable
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, ProgrammingError

from domain.errors import RecordsUnavailable
from storage.records import postgres_engine
from storage.records.outcome import RESOLVE_SECONDS, SWEEP
from storage.records.ports.records import Unit
from storage.records.postgres_engine import alone, was_dead
from storage.records.postgres_upgrade import upgrade
from storage.records.sql.unit import SqlUnit
from storage.records.translate import translating
from storage.records.turn import PostgresBatch
from storage.records.upgrade import check_version
from storage.records.writer import Writer

__all__ = ["PostgresRecords", "upgrade"]

T = TypeVar("T")

CONNECTIONS = 16
"""One of them is the writer's."""
GATHERED = 16
"""Works in one turn: enough to share a commit, and the nodes that wait behind it wait 50 ms."""

_VERSION = "SELECT version_num, pg_is_in_recovery() FROM schema_version"
_NOW = "SELECT clock_timestamp()"
# Rows that were deleted are dead tuples until then, for everybody who reads the files.
_DEAD_KEYS = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'wrapped_keys' AND n_dead_tup > 0"
_VACUUM_KEYS = "VACUUM wrapped_keys"


class PostgresRecords:
    """``ports.records.Records`` on a database that ``upgrade`` has made.

    ``url``: libpq's, with its parameters (``sslmode``, several hosts, …). ``connections``: at most, from two.
    ``patience``: seconds to wait for an answer; ``resolve``: seconds to find out what became of a commit without one.

    Raises Misconfigured where the URL, the role or the server's settings are not as they must be, SchemaOld where the
    schema is not ours, RecordsUnavailable where the server does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = CONNECTIONS,
        patience: float = postgres_engine.ANSWER_SECONDS,
        resolve: float = RESOLVE_SECONDS,
    ) -> None:
        self._reading = postgres_engine.engine(
            url, begin=postgres_engine.READ, connections=max(1, connections - 1), patience=patience
        )
        self._writing = postgres_engine.engine(url, begin=postgres_engine.WRITE, connections=1, patience=patience)
        try:
            postgres_engine.check(self._reading)
            self.ping()
        except BaseException:
            self._dispose()
            raise
        self._writer = Writer(PostgresBatch(self._writing, resolve=resolve), gathered=GATHERED)

    def read(self, work: Callable[[Unit], T]) -> T:
        def run() -> T:
            with self._reading.begin() as connection:
                return work(SqlUnit(connection))

        return _twice(run)

    def write(self, work: Callable[[Unit], T]) -> T:
        """Raises OutcomeUnknown where the connection was lost in the commit, and nobody could tell what became of it;
        RecordsUnavailable where it certainly was not committed."""
        return self.submit(work).result()

    def submit(self, work: Callable[[Unit], T]) -> Future[T]:
        def run(connection: Connection) -> T:
            return work(SqlUnit(connection))

        return self._writer.submit(run)

    def now(self) -> datetime:
        at: datetime = self._alone(_NOW)[0]
        return at.astimezone(UTC)

    def ping(self) -> None:
        try:
            row = self._alone(_VERSION)
        except ProgrammingError as error:
            if not isinstance(error.orig, UndefinedTable):
                raise
            row = None
        version, in_recovery = row or (None, False)
        check_version(version)
        if in_recovery:
            raise RecordsUnavailable("This PostgreSQL is a standby: nothing can be written to it.")

    def tidy(self) -> None:
        """Take destroyed keys out of their table's pages. Nothing overwrites them in PostgreSQL's files, its log or its
        backups: that horizon is the destruction of the generation that wrapped them (S-39, ``docs/postgresql.md``)."""
        self._alone(SWEEP)
        if self._alone(_DEAD_KEYS) is not None:
            self._alone(_VACUUM_KEYS, patience=postgres_engine.ANSWER_SECONDS)

    def close(self) -> None:
        self._writer.close()
        self._dispose()

    def _alone(self, statement: str, *, patience: float = postgres_engine.QUICK_SECONDS) -> Any:
        return _twice(lambda: alone(self._reading, statement, patience=patience))

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()


def _twice(task: Callable[[], T]) -> T:
    with translating():
        try:
            return task()
        except DBAPIError as error:
            if not was_dead(error):
                raise
        return task()
