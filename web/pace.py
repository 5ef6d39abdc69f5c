"""How fast a body must come (S-79): 1 KiB/s over half a minute, or its connection is needed for others."""

from __future__ import annotations

from domain.errors import TooSlow

WINDOW = 30.0
SLOWEST = 1024


class Pace:
    """Counts what came and how long it was waited for; our own slowness does not count. ``window`` in seconds."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._waited = 0.0
        self._got = 0

    @property
    def left(self) -> float:
        """Seconds that may be waited until it is time to ``count``."""
        return self._window - self._waited

    def count(self, waited: float, got: int) -> None:
        """Further ``got`` bytes after ``waited`` seconds. Raises TooSlow."""
        self._waited += waited
        self._got += got
        enough = self._got >= SLOWEST * self._window
        if enough or self._waited >= self._window:
            if not enough:
                raise TooSlow
            self._waited, self._got = 0.0, 0
