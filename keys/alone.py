"""Alone with a site's records, for work that nobody may meet: no node, no job, no other of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Thread
from types import TracebackType
from typing import Self

from domain.errors import SiteLocked, StateConflict, Unavailable
from keys.lease import Lease, LeaseLost, LeaseTaken
from storage import MOVE_LEASE, NODES
from storage.records import Records, Unit

LEASE_FOR = timedelta(seconds=15)
PATIENCE = timedelta(seconds=90)
"""How long to wait for whoever has a lease: longer than one of a process that died is left."""
BEAT = 3.0  # seconds


class Alone:
    """The lease under which a site is moved, prolonged in a thread of its own; whoever opens the site asks for it.

    ``dead``: we hold the site's lock, so whoever had a lease is dead, or a command that finds out now. ``say`` hears
    what is waited for.
    """

    def __init__(
        self,
        records: Records,
        *,
        dead: bool,
        say: Callable[[str], None],
        patience: timedelta = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records = records
        self._dead = dead
        self._say = say
        self._patience = patience
        self._sleep = sleep
        self._lease = Lease(records, MOVE_LEASE, length=LEASE_FOR, patience=patience, sleep=sleep)
        self._stack = ExitStack()
        self._over = Event()

    def __enter__(self) -> Self:
        """Raises SiteLocked where nodes serve the site, StateConflict where another is at it, or a job goes on."""
        if self._dead:
            self._records.write(lambda unit: unit.leases.end_all())
        with ExitStack() as stack:
            try:
                stack.enter_context(self._lease)
            except LeaseTaken as error:
                raise StateConflict("This site is being moved by another process.") from error
            self._wait_for_jobs()
            beat = Thread(target=self._beat, name="alone", daemon=True)
            beat.start()
            stack.callback(beat.join)
            stack.callback(self._over.set)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def guard(self, unit: Unit) -> None:
        """To be asked in the transaction that counts. Raises LeaseLost."""
        self._lease.guard(unit)

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            try:
                self._lease.prolong()
            except LeaseLost:
                return  # ``guard`` finds out
            except Unavailable:
                continue

    def _wait_for_jobs(self) -> None:
        give_up_at = self._records.now() + self._patience
        while busy := self._records.read(partial(_living, now=self._records.now())):
            names = ", ".join(sorted(busy))
            if nodes := [name for name in busy if name.startswith(NODES)]:
                raise SiteLocked(f"{len(nodes)} of its nodes serve this site: stop them first.")
            if self._records.now() >= give_up_at:
                raise StateConflict(f"A job is at work: {names}. Try again when it has ended.")
            self._say(f"waiting for {names}")
            self._sleep(1)
            self._lease.prolong()


def _living(unit: Unit, *, now: datetime) -> frozenset[str]:
    return unit.leases.living("", now=now) - {MOVE_LEASE}
