"""The lease of a run, with the fencing number that its every effect is checked against (S-71)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from crypto import new_id
from storage.records import Records, Unit

_POLL = 0.25  # seconds


class LeaseLost(Exception):
    """Another run has taken over: this one ends where it is."""


class LeaseTaken(Exception):
    """Another run is at work."""


class Lease:
    """A job's lease for one run; every run is an owner of its own. Not thread-safe. By the database's clock (S-76).

    ``length`` is how long a run that died keeps the others out; ``patience``, how long to wait for one at work.
    """

    def __init__(
        self,
        records: Records,
        name: str,
        *,
        length: timedelta,
        patience: timedelta = timedelta(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records = records
        self._name = name
        self._length = length
        self._patience = patience
        self._sleep = sleep
        self._prolonged = 0.0
        self._owner = new_id()
        self._fence = 0
        self._asked_at: datetime | None = None

    def __enter__(self) -> Self:
        """Raises LeaseTaken where another run has the lease."""
        give_up_at = self._records.now() + self._patience
        while (fence := self._take()) is None:
            if self._asked_at is None or self._asked_at >= give_up_at:
                raise LeaseTaken
            self._sleep(_POLL)
        self._fence = fence
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):  # a process that is dying does not clean up
            self._records.write(lambda unit: unit.leases.give_up(self._name, fence=self._fence))

    @property
    def fence(self) -> int:
        """The fencing number of this run."""
        return self._fence

    def prolong(self) -> None:
        """Prolong the lease where a tenth of it is over. Raises LeaseLost."""
        if time.monotonic() - self._prolonged < self._length.total_seconds() / 10:
            return
        if self._take() != self._fence:
            raise LeaseLost

    def guard(self, unit: Unit) -> None:
        """To be asked in each effect's own transaction. Raises LeaseLost."""
        # An instant some seconds old will do: whoever took the lease over since then changed its number.
        if self._asked_at is None or not unit.leases.holds(self._name, fence=self._fence, now=self._asked_at):
            raise LeaseLost

    def _take(self) -> int | None:
        now = self._records.now()
        self._asked_at = now
        self._prolonged = time.monotonic()
        return self._records.write(
            lambda unit: unit.leases.take(self._name, owner=self._owner, now=now, until=now + self._length)
        )
