"""A faulty network: what stands between a client and an engine, on loopback, and spoils what passes as it is told."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

PIECE = 1 << 16
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER for a connection that ends with a reset instead of a goodbye."""
UNSENT = 1 << 17
"""Bytes that may lie here on their way to the target: a reset loses them, as a line does, and a line holds little."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to the traffic; without any, it passes. ``up`` is what clients send, ``down`` what is answered.

    Bytes are counted for each connection, and from when the fault was set.
    """

    latency: float = 0.0
    """Seconds that each piece waits, both ways."""
    refuse: bool = False
    """Nobody listens, and what was connected is reset."""
    stall: bool = False
    """Connections are taken and kept, and nothing passes any more until the fault is gone."""
    cut_up: int | None = None
    cut_down: int | None = None
    """The connection is reset when so many bytes have passed that way."""
    lose: bytes | None = None
    """The connection is reset instead of passing an answer on that begins like this."""
    corrupt_up: int | None = None
    corrupt_down: int | None = None
    """The byte at this offset is another one."""
    times: int | None = 1
    """How often connections are cut, answers lost and bytes corrupted; None: whenever it comes to it."""


NONE = Faults()


class Proxy:
    """Passes connections on to a target. All methods may be called from any thread; a context manager.

    >>> with Proxy("http://127.0.0.1:7480") as proxy:
    ...     proxy.set(Faults(cut_up=1 << 20))
    """

    def __init__(self, target: str) -> None:
        """``target``: any address with a host and a port; ``url`` is the same one through the proxy."""
        parts = urlsplit(target)
        self.aim(target)
        self._loop = asyncio.new_event_loop()
        self._faults = NONE
        self._epoch = 0
        self._left: int | None = 1
        self._open: set[_Connection] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.accepted = self.struck = self.sent_up = 0
        self.port = 0
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())
        account, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{account}{at}127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that still passes."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def aim(self, *targets: str) -> None:
        """From now on connections go to the first of these targets, and after each cut to the next one, in turn."""
        self._targets = deque((parts.hostname, parts.port) for parts in map(urlsplit, targets))

    def set(self, faults: Faults) -> None:
        """From now on these faults, for connections that are open as well; what was there before is over."""
        self._call(self._set(faults))

    def heal(self) -> None:
        """From now on everything passes."""
        self.set(NONE)

    def cut(self) -> None:
        """Reset whatever is connected, once."""
        self._call(self._cut())

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return len(self._open)

    # -- on the loop ---------------------------------------------------------------------------------------------------
    def _call(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, faults: Faults) -> None:
        self._faults, self._left = faults, faults.times
        self._epoch += 1
        if faults.stall:
            self._flowing.clear()
        else:
            self._flowing.set()
        if faults.refuse:
            self._deafen()
            await self._cut()
        elif self._server is None:
            await self._listen()

    def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for connection in list(self._open):
            await connection.end()

    async def _end(self) -> None:
        self._deafen()
        # A connection that was taken in at this very moment has a task that has not begun yet.
        while asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(self._strike, self._pace)
        self._open.add(connection)
        try:
            await connection.run(reader, writer, self._targets[0])
        finally:
            self._open.discard(connection)

    async def _pace(self) -> None:
        if self._faults.latency:
            await asyncio.sleep(self._faults.latency)
        await self._flowing.wait()

    def _strike(self, way: _Way, piece: bytes) -> tuple[bytes, bool]:
        """What of a piece goes on, and whether the connection is cut behind it."""
        if way.epoch != self._epoch:
            way.epoch, way.passed = self._epoch, 0
        begin, way.passed = way.passed, way.passed + len(piece)
        up = way.up
        lose = self._faults.lose
        if lose is not None and not up and piece.startswith(lose) and self._once():
            return b"", True
        corrupt = self._faults.corrupt_up if up else self._faults.corrupt_down
        if corrupt is not None and begin <= corrupt < way.passed and self._once():
            at = corrupt - begin
            piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
        cut = self._faults.cut_up if up else self._faults.cut_down
        if cut is not None and way.passed >= cut and self._once():
            piece = piece[: max(0, cut - begin)]
            self._targets.rotate(-1)
            self.sent_up += len(piece) if up else 0
            return piece, True
        self.sent_up += len(piece) if up else 0
        return piece, False

    def _once(self) -> bool:
        if self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        self.struck += 1
        return True


@dataclass(slots=True)
class _Way:
    """One direction of a connection."""

    up: bool
    epoch: int = 0
    passed: int = 0


class _Connection:
    """A client's connection, and the one to the target that belongs to it."""

    def __init__(
        self, strike: Callable[[_Way, bytes], tuple[bytes, bool]], pace: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._strike = strike
        self._pace = pace
        self._writers: list[asyncio.StreamWriter] = []
        self._task: asyncio.Task[Any] | None = None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Any) -> None:
        self._task = asyncio.current_task()
        self._writers.append(writer)
        try:
            onward = await self._open(target)
            backward = self._writers[-1]
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(_Way(up=True), reader, backward))
                both.create_task(self._pass(_Way(up=False), onward, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            self._reset()
        finally:
            for one in self._writers:
                one.close()
            for one in self._writers:
                with suppress(OSError, asyncio.CancelledError):
                    await one.wait_closed()

    async def _open(self, target: Any) -> asyncio.StreamReader:
        """The connection onward. Cancelled in the midst of that, it is waited for all the same: it must be closed."""
        opening = asyncio.ensure_future(asyncio.open_connection(*target))
        try:
            reader, writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(OSError):
                self._writers.append((await opening)[1])
            raise
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        self._writers.append(writer)
        return reader

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _pass(self, way: _Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            await self._pace()
            going, cut = self._strike(way, piece)
            sink.write(going)
            await sink.drain()
            if cut:
                raise ConnectionResetError
        await self._pace()
        if sink.can_write_eof():
            sink.write_eof()

    def _reset(self) -> None:
        for one in self._writers:
            with suppress(OSError):
                one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            one.transport.abort()
