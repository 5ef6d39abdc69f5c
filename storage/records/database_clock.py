"""The time of a site that many nodes serve: the database's, on every one of them (S-76).

Asking the database for every instant would cost a round trip each, and the event loop may not wait. So its clock is
measured now and then, and this process's monotonic clock counts on from there. The machine's own wall clock is not
read, so a step of it moves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from storage.records.ports.records import Records

log = logging.getLogger(__name__)
DRIFT = timedelta(hours=1)
"""A step larger than this is nobody's drift. It is not followed: the brake of S-69 holds the purge, and people look."""
_SLOWEST = 0.5


@dataclass(frozen=True, slots=True)
class _Line:
    """Instants from a measurement on. Where the clock was ahead it goes slower for a while; back it never goes."""

    at: datetime
    mono: float
    ahead: float

    def value(self, mono: float) -> datetime:
        elapsed = mono - self.mono
        slowed = min(self.ahead, elapsed * _SLOWEST)
        return self.at + timedelta(seconds=elapsed - slowed)


class DatabaseClock:
    """A ``Clock`` that follows ``records.now()``. Safe from any thread; asking it costs no call of the database.

    Raises RecordsUnavailable where the first measurement fails.
    """

    def __init__(self, records: Records, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._monotonic = monotonic
        self._lock = Lock()
        at, mono, _ = self._ask()
        self._line = _Line(at, mono, 0.0)

    def __call__(self) -> datetime:
        return self._line.value(self._monotonic())

    def measure(self) -> None:
        """Follow the database's clock; every half minute, by a job. Raises RecordsUnavailable: it counts on."""
        with self._lock:
            at, mono, error = self._ask()
            now = self._line.value(mono)
            ahead = (now - at).total_seconds()
            if abs(ahead) > DRIFT.total_seconds():
                log.critical("database clock jumped", extra={"seconds": round(-ahead)})
                return
            # Where the answer took longer than the difference, there is none to be known of.
            if abs(ahead) <= error:
                self._line = _Line(now, mono, 0.0)
            elif ahead > 0:
                self._line = _Line(now, mono, ahead)
            else:
                self._line = _Line(at, mono, 0.0)

    def _ask(self) -> tuple[datetime, float, float]:
        """What its clock said, when in the middle of the asking, and by how many seconds that may be wrong."""
        before = self._monotonic()
        at = self._records.now()
        after = self._monotonic()
        return at, (before + after) / 2, (after - before) / 2
