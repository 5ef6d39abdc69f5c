"""The service's own recurring work: each job has a thread, waits its time, and survives its own failures."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread

from domain.errors import BilagaError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """``work`` is run every so often; jobs that must run once on many nodes take their lease themselves (S-71)."""

    name: str
    every: timedelta
    work: Callable[[], object]


class Jobs:
    """Runs jobs beside the service, from ``start`` to ``stop``."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._stop = Event()
        self._threads = [Thread(target=self._run, args=(job,), name=f"job-{job.name}") for job in jobs]

    def start(self) -> None:
        """Begin; the first round of each comes within its first interval, spread out."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the rounds under way, and begin no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, job: Job) -> None:
        seconds = job.every.total_seconds()
        wait = min(seconds, random.uniform(0.1, 5.0))  # noqa: S311 (spreads load, guards nothing)
        while not self._stop.wait(wait):
            wait = seconds
            try:
                job.work()
            except BilagaError as error:
                log.warning("job failed", extra={"job": job.name, "code": error.code, "detail": error.detail})
            except Exception:
                # A bug in one round must not end all later ones: a purge that silently stops is worse.
                log.exception("job failed unforeseen", extra={"job": job.name})
