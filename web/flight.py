"""Requests in flight, and the drain: aiohttp's own graceful shutdown drops running uploads (libraries.md §1.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Flight:
    """Counts requests under way; ``drain`` waits for them. Used on the event loop only."""

    def __init__(self) -> None:
        self.draining = False
        self.silent: set[object] = set()
        """Connections that have not brought a whole request head yet (S-79)."""
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """How many requests are under way."""
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """A request is under way inside."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is under way, ``seconds`` at the most; whether that came about."""
        self.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not self._count
