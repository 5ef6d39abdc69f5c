"""Bytes between the event loop and threads: the one place below ``web`` that knows asyncio.

One long-lived worker thread a transfer; both ways are bounded, so a slow side slows the other one down and memory stays
within a few batches (S-29). Nothing polls: the loop wakes threads by a queue or a semaphore, threads wake the loop by
``call_soon_threadsafe``. Whatever is cancelled on the loop first waits for its thread to end (S-19): the commit section
of a cancelled request runs to its end, and no thread is left behind.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

from domain.errors import IncompleteBody, RateLimited

BATCH = 1 << 20
"""Bytes gathered before they cross to a thread: at 256 KiB each, crossings cost 1.6 times the CPU."""
INLET_DEPTH = 3
OUTLET_DEPTH = 2

T = TypeVar("T")
R = TypeVar("R")


async def run_in_thread(
    work: Callable[..., R],
    *args: Any,
    threads: Executor | None = None,
    undo: Callable[[R], object] | None = None,
    stop: Callable[[], object] | None = None,
) -> R:
    """Run ``work`` in a thread of ``threads`` (None: the loop's own).

    Cancelled meanwhile, it calls ``stop`` (on the loop), which makes work that waits end soon; waits for the end of it,
    hands the result to ``undo`` in a thread too, and only then lets the cancellation go on: a claim whose request died
    is given back at once.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(threads, work, *args)
    cancelled = await _until_done(future, stop)
    if cancelled is None:
        return future.result()
    failure = future.exception()  # seen here, or asyncio complains of it later
    if undo is not None and failure is None:
        undone = loop.run_in_executor(threads, undo, future.result())
        await _until_done(undone)
        undone.result()
    raise cancelled


class Pump:
    """Room for ``size`` transfers at once, each with a thread; above that they are refused, never queued (S-86)."""

    def __init__(self, size: int, *, retry_after: int = 5) -> None:
        self._size = size
        self._retry_after = retry_after
        self._taken = 0  # touched on the loop only
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="transfer")

    @property
    def running(self) -> int:
        """How many transfers have a slot now."""
        return self._taken

    def take(self) -> Slot:
        """A slot, for one request from before its claim to its answer. Raises RateLimited where none is free."""
        if self._taken >= self._size:
            raise RateLimited("too many transfers are running", retry_after=self._retry_after)
        self._taken += 1
        return Slot(self._threads, self._give_back)

    def close(self) -> None:
        """Wait for the threads, and start no more."""
        self._threads.shutdown(wait=True)

    def _give_back(self) -> None:
        self._taken -= 1


class Slot:
    """The right to one transfer thread at a time: ``with pump.take() as slot``, on the loop's thread."""

    def __init__(self, threads: Executor, give_back: Callable[[], None]) -> None:
        self._threads = threads
        self._give_back: Callable[[], None] | None = give_back

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the slot back; again is nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    async def run(
        self,
        work: Callable[..., R],
        *args: Any,
        undo: Callable[[R], object] | None = None,
        stop: Callable[[], object] | None = None,
    ) -> R:
        """As ``run_in_thread``, in the slot's thread."""
        return await run_in_thread(work, *args, threads=self._threads, undo=undo, stop=stop)

    def inlet(self, work: Callable[[Iterable[bytes]], R], *, depth: int = INLET_DEPTH, batch: int = BATCH) -> Inlet[R]:
        """A way in for one body, which ``work`` reads in the slot's thread."""
        return Inlet(self._threads, work, depth=depth, batch=batch)

    def outlet(self, chunks: Callable[[], Iterable[T]], *, depth: int = OUTLET_DEPTH) -> Outlet[T]:
        """A way out: ``chunks`` is called and iterated in the slot's thread, ``depth`` items ahead."""
        return Outlet(self._threads, chunks, depth=depth)


class Inlet(Generic[R]):
    """A body on its way into a thread. ``async with slot.inlet(work) as inlet``: ``put`` chunks, then ``finish``.

    When the worker fails, the block is interrupted at once, whatever it is waiting for, and raises the worker's error.
    Leaving the block without ``finish`` makes the worker's next read raise IncompleteBody (or what ``fail`` said). The
    block is never left before its worker has ended.
    """

    def __init__(self, threads: Executor, work: Callable[[Iterable[bytes]], R], *, depth: int, batch: int) -> None:
        self._threads = threads
        self._work = work
        self._depth = depth
        self._batch = batch
        self._pieces: list[bytes | bytearray] = []
        self._held = 0
        self._queue: queue.SimpleQueue[bytes | _End] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._queued = 0
        self._room: asyncio.Future[None] | None = None
        self._ended = False
        self._interrupted = False

    async def __aenter__(self) -> Inlet[R]:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._future = self._loop.run_in_executor(self._threads, self._work, self._chunks())
        self._future.add_done_callback(self._worker_ended)
        return self

    async def put(self, chunk: bytes | bytearray) -> None:
        """Hand over bytes, which must not change any more; waits while ``depth`` batches are waiting for the worker."""
        self._pieces.append(chunk)
        self._held += len(chunk)
        if self._held >= self._batch:
            await self._flush()

    async def finish(self) -> R:
        """The body is complete: what the worker makes of it. Raises the worker's error."""
        if self._pieces:
            await self._flush()
        self._end(_End(None))
        cancelled = await _until_done(self._future)
        if cancelled is not None and not self._interrupted:
            raise cancelled
        return self._future.result()

    def fail(self, error: BaseException) -> None:
        """The body will not be complete: the worker's next read raises ``error``."""
        self._end(_End(error))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(_End(IncompleteBody()))
        cancelled = await _until_done(self._future)
        failure = self._future.exception()
        if not self._interrupted or self._task is None:
            if cancelled is not None:
                raise cancelled
            return
        # Our own interruption is taken back (as asyncio.timeout does); somebody else's beside it goes on.
        if self._task.uncancel() > 0:
            if cancelled is not None:
                raise cancelled
        elif failure is not None and (error is None or isinstance(error, asyncio.CancelledError)):
            raise failure

    async def _flush(self) -> None:
        batch = b"".join(self._pieces)  # one piece of bytes is not copied
        self._pieces, self._held = [], 0
        while not self._future.done():  # nobody reads any more: nothing to wait for
            with self._lock:
                if self._queued < self._depth:
                    self._queued += 1
                    self._queue.put(batch)
                    return
                self._room = self._loop.create_future()
            await self._room

    def _end(self, end: _End) -> None:
        if not self._ended:
            self._ended = True
            self._queue.put(end)

    def _chunks(self) -> Iterator[bytes]:
        # In the worker's thread.
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            with self._lock:
                self._queued -= 1
                room, self._room = self._room, None
            if room is not None:
                self._loop.call_soon_threadsafe(_wake, room)
            yield item

    def _worker_ended(self, future: asyncio.Future[R]) -> None:
        # On the loop.
        room, self._room = self._room, None
        if room is not None:
            _wake(room)
        if not self._ended and future.exception() is not None and self._task is not None:
            self._interrupted = True
            self._task.cancel()


class Outlet(Generic[T]):
    """What a thread produces on its way to the loop: ``async with slot.outlet(chunks) as outlet``, ``async for …``.

    The producer's error is raised where the items before it have been taken. Leaving the block stops the producer after
    the item it is at, closes its iterator in its own thread, and waits for it.
    """

    def __init__(self, threads: Executor, chunks: Callable[[], Iterable[T]], *, depth: int) -> None:
        self._threads = threads
        self._chunks = chunks
        self._room = threading.Semaphore(depth)
        self._stopped = False
        self._items: deque[T] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._done = False

    async def __aenter__(self) -> Outlet[T]:
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.run_in_executor(self._threads, self._produce)
        self._future.add_done_callback(self._producer_ended)
        return self

    def __aiter__(self) -> Outlet[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._done:
                self._future.result()
                raise StopAsyncIteration
            self._arrival = self._loop.create_future()
            await self._arrival
        self._room.release()
        return self._items.popleft()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._room.release()
        cancelled = await _until_done(self._future)
        self._items.clear()
        self._future.exception()  # told by __anext__, or of no interest to whoever left early
        if cancelled is not None:
            raise cancelled

    def _produce(self) -> None:
        items = iter(self._chunks())
        try:
            while True:
                self._room.acquire()
                if self._stopped:
                    return
                try:
                    item = next(items)
                except StopIteration:
                    return
                self._loop.call_soon_threadsafe(self._arrived, item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def _arrived(self, item: T) -> None:
        self._items.append(item)
        self._wake_reader()

    def _producer_ended(self, future: asyncio.Future[None]) -> None:
        self._done = True
        self._wake_reader()

    def _wake_reader(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            _wake(arrival)


class _End:
    """The end of a body: it is whole where ``error`` is None."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def _until_done(
    future: asyncio.Future[Any], stop: Callable[[], object] | None = None
) -> asyncio.CancelledError | None:
    """Wait for a thread, whatever happens to this task; the cancellation that came meanwhile, if any."""
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
            if stop is not None:
                stop()
    return cancelled
