"""Abuse limits on links and addresses (S-49): moving windows in this process's memory; hard quotas are in records."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from domain.errors import RateLimited


class Rates:
    """Requests a minute for a link and for an address; 0: no limit."""

    def __init__(self, *, link: int, address: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items = {
            name: RateLimitItemPerMinute(count) for name, count in (("link", link), ("address", address)) if count
        }

    def hit(self, kind: str, key: str) -> None:
        """Count one request. Raises RateLimited with ``retry_after`` seconds."""
        item = self._items.get(kind)
        if item is None or self._limiter.hit(item, kind, key):
            return
        reset = self._limiter.get_window_stats(item, kind, key).reset_time
        raise RateLimited(retry_after=max(1, math.ceil(reset - time.time())))
