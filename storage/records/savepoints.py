"""A batch of works in SQLite: each in a savepoint, one durable commit for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine

from domain.errors import RecordsUnavailable, Unavailable
from storage.records.batch import Job
from storage.records.translate import translated


class SqliteBatch:
    """``batch.Batch`` on an engine that begins with ``BEGIN IMMEDIATE``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, jobs: Sequence[Job], /) -> None:
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                for job in jobs:
                    _run_alone(connection, job, savepoint=len(jobs) > 1)
                if len(jobs) == 1 and jobs[0].error is not None:
                    transaction.rollback()
                else:
                    transaction.commit()
            except BaseException:
                transaction.close()
                raise


def _run_alone(connection: Connection, job: Job, *, savepoint: bool) -> None:
    """Run a work so that its failure undoes only itself. Raises where it took the whole transaction with it."""
    driver: Any = connection.connection.driver_connection
    if savepoint:
        driver.execute("SAVEPOINT work")
    try:
        job.result = job.work(connection)
    except BaseException as error:  # noqa: BLE001  a KeyboardInterrupt raised in a work is its caller's, not the thread's
        job.error = translated(error)
    # SQLite ends the transaction by itself after some errors (disk full, I/O), even where the work caught them. The
    # works before this one are undone as well then, and a commit would say nothing about it.
    if not driver.in_transaction:
        raise job.error if isinstance(job.error, Unavailable) else RecordsUnavailable()
    if savepoint:
        if job.error is not None:
            driver.execute("ROLLBACK TO work")
        driver.execute("RELEASE work")
