"""What was asked of a ticket system a moment ago, and need not be asked again: people, organisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from domain.clock import Clock

KNOWN_FOR = timedelta(minutes=10)
MOST_KNOWN = 10_000


class Known:
    """Safe from any thread. Nothing of it is kept on disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._found: dict[str, tuple[datetime, Mapping[str, Any]]] = {}

    def get(self, key: str, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What is known by that key, asked for where it is not, or not any more."""
        now = self._clock()
        with self._lock:
            known = self._found.get(key)
        if known is not None and known[0] <= now < known[0] + KNOWN_FOR:
            return known[1]
        found = ask()
        self.put(key, found)
        return found

    def put(self, key: str, found: Mapping[str, Any]) -> None:
        """Know it."""
        with self._lock:
            if len(self._found) >= MOST_KNOWN:
                self._found.clear()
            self._found[key] = (self._clock(), found)
