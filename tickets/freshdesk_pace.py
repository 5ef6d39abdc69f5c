"""How fast we may ask: an account's calls a minute are everybody's, and we take a share of them.

The plan tells the rate (trial 50, Growth 100, Pro 400, Enterprise 700), and every answer tells it anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock

TRIAL = 50
"""Calls a minute until an answer told another figure: the smallest plan's."""
SHARE = 0.5
"""Of the account's calls: agents' own work, and other programs, come first."""
SCARCE = 0.1
"""Where less than this part of a minute's calls is left, all we do is wait."""
_MINUTE = 60.0


class Pace:
    """Spreads calls evenly. Safe from any thread; a call waits for its turn.

    ``calls_a_minute``: what the site says we may take, None: half of what the account has.
    """

    def __init__(
        self,
        calls_a_minute: int | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fixed = calls_a_minute
        self._total = TRIAL
        self._now = now
        self._sleep = sleep
        self._lock = Lock()
        self._next = now()

    def wait(self, credits: int = 1) -> None:
        """Wait for the turn of a call that costs so many."""
        with self._lock:
            now = self._now()
            turn = max(self._next, now)
            self._next = turn + credits * self._interval
        if turn > now:
            self._sleep(turn - now)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer says about the account's rate."""
        total, left = _number(headers.get("x-ratelimit-total")), _number(headers.get("x-ratelimit-remaining"))
        with self._lock:
            if total and total != self._total:
                self._total, self._next = total, self._now()  # turns were given out by another rate
            if self._fixed is None and left is not None and left < self._total * SCARCE:
                # Others are at it as well; a few seconds give them their turn, and the minute time to go on.
                self._next = max(self._next, self._now() + _MINUTE * SCARCE)

    @property
    def _interval(self) -> float:
        return _MINUTE / (self._fixed or max(self._total * SHARE, 1))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
