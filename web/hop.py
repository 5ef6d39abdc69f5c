"""The one way from the event loop to blocking calls: units of work by their futures, the rest on one executor."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from storage import Records, Unit

T = TypeVar("T")
P = ParamSpec("P")

# Short calls only: reads of records, argon2 (64 MiB each), opening a download. Transfers have threads of their own.
THREADS = 16


class Hop:
    """Carries short blocking calls off the loop. Closing waits for those under way."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hop")

    async def read(self, work: Callable[[Unit], T]) -> T:
        """``records.read`` of the work."""
        return await self.call(self._records.read, work)

    async def write(self, work: Callable[[Unit], T]) -> T:
        """``records.write`` of the work; once submitted it runs to its end even if the caller is cancelled (S-19)."""
        return await asyncio.shield(asyncio.wrap_future(self._records.submit(work)))

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Any short blocking call."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(work, *args, **kwargs))

    def close(self) -> None:
        """Wait for the calls under way."""
        self._pool.shutdown(wait=True)
