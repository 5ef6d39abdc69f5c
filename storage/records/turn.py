"""A batch of works in PostgreSQL: one turn of all nodes' writers, each work in a savepoint, one durable commit."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Sequence
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import DBAPIError

from domain.errors import OutcomeUnknown, RecordsUnavailable
from storage.records.batch import Job
from storage.records.outcome import RESOLVE_SECONDS, Mark, committed, leave
from storage.records.postgres_engine import was_dead
from storage.records.translate import translated

log = logging.getLogger(__name__)

TRIES = 5
"""How often a batch is run again after a conflict (S-75)."""
RECONNECTIONS = 1
"""How often it is run again where the connection was dead."""
_PAUSE = 0.01

_CONFLICTS = frozenset({"40001", "40P01"})  # serialisation failure, deadlock
_READ_ONLY = "25006"  # the server was demoted: elsewhere there is another one


class PostgresBatch:
    """``batch.Batch`` on an engine that begins with ``postgres_engine.WRITE``."""

    def __init__(self, engine: Engine, *, resolve: float = RESOLVE_SECONDS) -> None:
        self._engine = engine
        self._resolve = resolve
        self._last = Mark(str(uuid.uuid4()), 0)

    def __call__(self, jobs: Sequence[Job], /) -> None:
        conflicts = reconnections = 0
        while True:
            try:
                self._run(jobs)
            except DBAPIError as error:
                if _is_conflict(error) and conflicts < TRIES:
                    # Each time over a longer stretch, so that whoever collided does not collide again.
                    time.sleep(random.uniform(0, _PAUSE * 2**conflicts))  # noqa: S311  jitter
                    conflicts += 1
                elif was_dead(error) and reconnections < RECONNECTIONS:
                    reconnections += 1
                else:
                    raise
                log.info("records.again", extra={"works": len(jobs), "sqlstate": _sqlstate(error)})
                for job in jobs:
                    job.result = job.error = None
            else:
                return

    def _run(self, jobs: Sequence[Job]) -> None:
        # Never the same twice, whatever became of the one before.
        this = self._last = Mark(self._last.writer, self._last.number + 1)
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                leave(connection, this)
                _run_each(connection, jobs)
                if len(jobs) == 1 and jobs[0].error is not None:
                    transaction.rollback()
                    return
            except DBAPIError as error:
                if _sqlstate(error) == _READ_ONLY:
                    connection.invalidate()
                transaction.close()
                raise
            except BaseException:
                transaction.close()
                raise
            lost = _commit(connection, transaction)
        if lost is None:
            return
        # The connection is gone: its place in the pool is free for the one that asks.
        outcome = committed(self._engine, this, patience=self._resolve)
        log.warning("records.outcome_sought", extra={"works": len(jobs), "committed": outcome})
        if outcome is None:
            raise OutcomeUnknown from lost
        if not outcome:
            raise lost


def _commit(connection: Connection, transaction: Transaction) -> DBAPIError | None:
    """Commit; what happened where nobody knows whether it did. Raises where it certainly did not."""
    try:
        transaction.commit()
    except DBAPIError as error:
        if not _is_lost(error):
            raise
        connection.invalidate()
        return error
    return None


def _run_each(connection: Connection, jobs: Sequence[Job]) -> None:
    """Run the works, so that the failure of one undoes only itself. Raises where the whole transaction is to be begun
    anew, or is gone."""
    driver: Any = connection.connection.driver_connection
    together = len(jobs) > 1
    for job in jobs:
        if together:
            # One round trip a work: the savepoint of the one before is kept where that one failed.
            connection.exec_driver_sql("SAVEPOINT work" if job is jobs[0] else "RELEASE work; SAVEPOINT work")
        try:
            job.result = job.work(connection)
        except DBAPIError as error:
            if _is_conflict(error) or error.connection_invalidated or _sqlstate(error) == _READ_ONLY:
                raise
            job.error = translated(error)
        except BaseException as error:  # noqa: BLE001  a KeyboardInterrupt raised in a work is its caller's, not the thread's
            job.error = translated(error)
        # After an error PostgreSQL takes nothing more, even where the work caught it, and answers COMMIT with ROLLBACK.
        status = driver.info.transaction_status
        if status is TransactionStatus.INERROR and job.error is None:
            job.error = RuntimeError("a work went on after a statement that failed")
        elif status not in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            raise RecordsUnavailable
        if together and job.error is not None:
            connection.exec_driver_sql("ROLLBACK TO work")


def _is_lost(error: DBAPIError) -> bool:
    """Whether the connection went, or the server goes: an answer that is missing may be any answer."""
    state = _sqlstate(error)
    return error.connection_invalidated or state is None or state.startswith(("08", "57P"))


def _is_conflict(error: DBAPIError) -> bool:
    return _sqlstate(error) in _CONFLICTS


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
