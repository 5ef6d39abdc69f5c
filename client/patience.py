"""How long to try: waits that grow, at random within bounds, until nothing has moved for too long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event

from domain.errors import BilagaError

FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0


class Stopped(Exception):
    """Whoever started the sending ended it."""


class Again(Exception):
    """Not now, perhaps later: the error if it stays so, and what the service asks to wait for, in seconds."""

    def __init__(self, error: BilagaError, retry_after: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retry_after = retry_after


class Patience:
    """The patience with one file: it is renewed by whatever gets further."""

    def __init__(
        self,
        seconds: float,
        stop: Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``seconds`` of failures without progress are the most; ``chance`` is between 0 and 1."""
        self._seconds = seconds
        self._stop = stop
        self._clock = clock
        self._chance = chance
        self._tries = 0
        self._until: float | None = None

    def renew(self) -> None:
        """Something got further."""
        self._tries = 0
        self._until = None

    def wait(self, again: Again, telling: Callable[[float], None]) -> None:
        """Wait before the next try, after telling how long. Raises the error that stayed too long, Stopped."""
        most = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._tries, 10))
        self._tries += 1
        # Somewhere in the upper half: many clients of a service that comes back do not come at once.
        delay = most * (0.5 + 0.5 * self._chance())
        if again.retry_after is not None:
            delay = again.retry_after + FIRST_WAIT * self._chance()
        # Counted from the first failure: before it all went well, however long one request took.
        if self._until is None:
            self._until = self._clock() + self._seconds
        if self._clock() + delay > self._until:
            raise again.error
        telling(delay)
        if self._stop.wait(delay):
            raise Stopped
