"""Group commit: one thread writes, gathers what waits, and answers only once the commit is durable."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection

from domain.errors import RecordsUnavailable, Unavailable
from storage.records.batch import Batch, Job
from storage.records.translate import translated

log = logging.getLogger(__name__)

T = TypeVar("T")

GATHERED = 64
"""Works one commit may hold. Above that the fsync is spread thin already, and the first of them only waits longer."""


class Writer:
    """The only writer of this process. Safe to call from any thread but its own.

    Works that wait at the same time share a commit, a ``batch``: one that raises is undone alone, and its future gets
    what it raised. If the commit itself fails, every work of it failed (RecordsUnavailable or StorageFull). ``rest``
    runs in the thread after each commit, when everybody has been answered.
    """

    def __init__(self, batch: Batch, *, rest: Callable[[], None] | None = None, gathered: int = GATHERED) -> None:
        self._batch = batch
        self._rest = rest
        self._gathered = gathered
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        # A daemon, so that a program that dies without `close` does die; nobody was told of what it leaves undone.
        self._thread = threading.Thread(target=self._run, name="records-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue a work. Its future is done after the durable commit. Raises RecordsUnavailable when closed."""
        return self._queue(Job(work))

    def call(self, task: Callable[[], T]) -> Future[T]:
        """Run a task in the writer's thread between two commits: what must not meet a write of this process."""
        return self._queue(Job(task, alone=True))

    def close(self) -> None:
        """Do what is queued, then end the thread; again is nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _queue(self, job: Job) -> Future[Any]:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a work must not wait for another work")
        with self._changed:
            if self._closed:
                raise RecordsUnavailable("The database is closed.")
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def _gather(self) -> list[Job]:
        """What waits, in order: a task alone, or works up to the next task. Nothing: closed, and all is done."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            jobs = [self._waiting.popleft()]
            while self._waiting and len(jobs) < self._gathered and not (jobs[0].alone or self._waiting[0].alone):
                jobs.append(self._waiting.popleft())
            return jobs

    def _run(self) -> None:
        while gathered := self._gather():
            jobs = [job for job in gathered if job.future.set_running_or_notify_cancel()]
            if not jobs:
                continue
            if jobs[0].alone:
                _run_task(jobs[0])
            else:
                self._commit(jobs)
            for job in jobs:
                _answer(job)
            self._have_rest()

    def _have_rest(self) -> None:
        if self._rest is None:
            return
        try:
            self._rest()
        except Exception as error:  # noqa: BLE001  the works are committed; the next rest tries again
            log.warning("records.rest_failed", extra={"error": type(error).__name__})

    def _commit(self, jobs: list[Job]) -> None:
        """Run the works and commit; each has its result or its error then."""
        try:
            self._batch(jobs)
        except BaseException as error:  # noqa: BLE001  the thread lives on, whatever a driver raises
            log.warning("records.commit_failed", extra={"works": len(jobs), "error": type(error).__name__})
            for job in jobs:
                job.error = job.error or _for_one(error)


def _run_task(job: Job) -> None:
    try:
        job.result = job.work()
    except BaseException as error:  # noqa: BLE001  as above
        job.error = translated(error)


def _for_one(error: BaseException) -> BaseException:
    """The error of a commit for one of its works: one exception object must not be raised in many threads."""
    ours = translated(error)
    if not isinstance(ours, Unavailable):
        ours = RecordsUnavailable()
    mine = type(ours)(ours.detail)
    mine.__cause__ = error
    return mine


def _answer(job: Job) -> None:
    if job.error is not None:
        job.future.set_exception(job.error)
    else:
        job.future.set_result(job.result)
