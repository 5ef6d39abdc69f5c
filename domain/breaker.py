"""A circuit breaker: what is down is not asked all the time, and nobody waits for it (S-85)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from domain.errors import BilagaError, Unavailable

T = TypeVar("T")


class Breaker:
    """Stands before one dependency, which says ``down`` where it is not to be had. Thread-safe.

    After ``failures`` in a row it is suspected, and while a question waits for its answer longer than ``slow`` seconds;
    the next caller then asks ``probe`` first. Where that fails, it is down: everybody is told so at once, and every
    ``pause`` seconds one caller asks ``probe`` again. So a single thing that cannot be had (one blob, one key) closes
    nothing for the others. ``tell`` hears False when it goes down, True when it is back.
    """

    def __init__(
        self,
        down: type[Unavailable],
        probe: Callable[[], object],
        tell: Callable[[bool], None],
        *,
        failures: int = 3,
        pause: float = 5.0,
        slow: float = float("inf"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._down = down
        self._probe = probe
        self._tell = tell
        self._failures = failures
        self._pause = pause
        self._slow = slow
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failed = 0
        self._is_down = False
        self._next_probe = 0.0
        self._asked: dict[object, float] = {}
        """When the questions that wait for their answers were asked, the oldest first."""

    def call(self, question: Callable[[], T]) -> T:
        """The answer to a question. Raises what it raises, and ``down`` without asking while the dependency is down."""
        self.check()
        return self.watch(question)

    def check(self) -> None:
        """Raises ``down`` while the dependency is down. Asks it only where it is this caller's turn to find out."""
        with self._lock:
            now = self._monotonic()
            since = next(iter(self._asked.values()), now)
            if self._failed < self._failures and now - since <= self._slow and not self._is_down:
                return
            if now < self._next_probe:
                if self._is_down:
                    raise self._down
                return  # suspected, and somebody is finding out
            self._next_probe = now + self._pause
        try:
            self._probe()
        except self._down:
            with self._lock:
                self._next_probe = self._monotonic() + self._pause
                self._turn(is_down=True)
            raise
        except BilagaError:
            pass  # an answer, if no pleasant one: the question itself will meet it
        self.succeeded()

    def watch(self, question: Callable[[], T]) -> T:
        """Ask in any case, and learn from it: for what has begun already and is better ended in its own way."""
        this = object()
        with self._lock:
            self._asked[this] = self._monotonic()
        try:
            answer = question()
        except self._down:
            self.failed()
            raise
        except BilagaError:
            self.succeeded()
            raise
        finally:
            with self._lock:
                del self._asked[this]
        self.succeeded()
        return answer

    def failed(self) -> None:
        """A question failed as it does when the dependency is down."""
        with self._lock:
            self._failed += 1

    def succeeded(self) -> None:
        """The dependency answered."""
        with self._lock:
            self._failed = 0
            self._turn(is_down=False)

    def _turn(self, *, is_down: bool) -> None:
        if self._is_down is not is_down:
            self._is_down = is_down
            self._tell(not is_down)
