"""A body taken off the socket by the thread that seals it, beside aiohttp, which knows only its own buffers.

For bodies whose length is declared, on a plain socket: nearly all that are large. Each byte is received once, into the
segment it is sealed from (docs/performance.md). The loop reads no byte of such a connection meanwhile, and takes it up
again behind the body's last byte.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TypeVar

from aiohttp import web

from domain.errors import IncompleteBody, OffsetConflict, TooSlow
from transfer import Slot, pieces
from web.connection import Connection
from web.pace import Pace

R = TypeVar("R")

SMALLEST = 256 << 10
"""Below, a body is mostly in aiohttp's buffers by the time anybody looks at it."""
LOOK = 1.0
"""Seconds after which a thread that waits for bytes looks up: whether it is too slow, or to stop."""
REST_BYTES = 1 << 20
REST_SECONDS = 5.0
"""What is still taken in of a refused body, so that its sender reads the answer (S-3)."""
STALE_BYTES = 128 << 10
"""As much, of what is sent from another offset than the upload's: its sender has to ask for that anyway, and a browser
that sends it again by itself is to notice soon."""
CUT: web.RequestKey[bool] = web.RequestKey("body-cut", bool)
"""Bytes of the request's body are left on the wire: no other request can follow on this connection."""


def off_socket(request: web.Request) -> Body | None:
    """The request's body, from here on by its socket; None where it has to come by ``request.content``.

    On the loop, with nobody reading the content. What aiohttp has taken in already is the beginning of it.
    """
    connection, transport, content = request.protocol, request.transport, request.content
    size = request.content_length
    if size is None or size < SMALLEST or "Transfer-Encoding" in request.headers or content.total_bytes >= size:
        return None
    if not isinstance(connection, Connection) or transport is None or transport.is_closing():
        return None
    wire = transport.get_extra_info("socket")
    if wire is None or wire.type != socket.SOCK_STREAM or transport.get_extra_info("sslcontext") is not None:
        return None
    if content.exception() is not None:
        return None
    early = bytearray()
    # Taking it out may bring in more: what the parser had kept back when the buffer was full.
    while taken := content.read_nowait():
        early += taken
    # Only now: taking it out also lets the transport read again.
    transport.pause_reading()
    return Body(request, connection, wire.dup(), bytes(early), size - content.total_bytes)


class Body:
    """What came ``early``, and ``left`` bytes from ``wire``, a descriptor of its own of the connection's socket."""

    def __init__(
        self,
        request: web.Request,
        connection: Connection,
        wire: socket.socket,
        early: bytes,
        left: int,
        pace: Pace | None = None,
    ) -> None:
        self._request = request
        self._connection = connection
        self._wire = wire
        self._size = len(early) + left
        self._early = memoryview(early)
        self._left = left
        self._pace = pace or Pace()
        self._stopped = False
        self._over = False
        self._dry = False
        self._filled = 0

    async def through(self, slot: Slot, work: Callable[[Iterable[memoryview]], R]) -> R:
        """What ``work`` makes of the body's pieces, read in the slot's thread. Once only.

        The memory of a piece is used again when the next one is asked for. Where the work fails, what is left of the
        body is taken in up to a limit, else the connection is closed after the answer.
        """
        watching = asyncio.ensure_future(self._watch())
        try:
            return await slot.run(self._work, work, stop=self.stop)
        finally:
            self._over = True
            watching.cancel()
            self._wire.close()
            self._give_back()

    # -- in the thread -----------------------------------------------------------------------------------------------
    def _work(self, work: Callable[[Iterable[memoryview]], R]) -> R:
        # The descriptors share one state: non-blocking it stays, the waiting is done by poll.
        self._wire.settimeout(LOOK)
        body = self._pieces()
        try:
            return work(body)
        except OffsetConflict:
            self._take_rest(STALE_BYTES)
            raise
        except BaseException:
            self._take_rest(REST_BYTES)
            raise
        finally:
            body.close()

    def _pieces(self) -> Generator[memoryview, None, None]:
        with _Segment() as segment:
            for length in pieces(self._size):
                piece = segment.view[:length]
                try:
                    self._fill(piece)
                except (IncompleteBody, TooSlow):
                    # What came is handed on before: an upload that may go on keeps it, and others end anyway.
                    if self._filled:
                        yield piece[: self._filled]
                    raise
                yield piece

    def _fill(self, piece: memoryview) -> None:
        """Raises IncompleteBody, TooSlow."""
        filled = min(len(self._early), len(piece))
        piece[:filled] = self._early[:filled]
        self._early = self._early[filled:]
        self._filled = filled
        while self._filled < len(piece):
            began = time.monotonic()
            got = self._receive(piece[self._filled :])
            self._filled += got
            try:
                self._pace.count(time.monotonic() - began, got)
            except TooSlow:
                self._dry = True
                raise

    def _receive(self, into: memoryview) -> int:
        """Bytes received, none where nothing came for a while. Raises IncompleteBody."""
        if self._stopped:
            raise IncompleteBody
        try:
            got = self._wire.recv_into(into)
        except TimeoutError:
            return 0
        except OSError as error:
            self._dry = True
            raise IncompleteBody from error
        if got == 0:
            self._dry = True
            raise IncompleteBody
        self._left -= got
        return got

    def _take_rest(self, most: int) -> None:
        """Of a refused body ``most`` bytes, so that its sender comes to reading the answer; if they come."""
        room = memoryview(bytearray(64 << 10))
        until = time.monotonic() + REST_SECONDS
        try:
            while self._left and most > 0 and not self._dry and time.monotonic() < until:
                most -= self._receive(room[: min(len(room), self._left, most)])
        except IncompleteBody:
            return

    # -- on the loop -------------------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        """Giving a request up, aiohttp says so by an error in its content: then its body is not waited for."""
        with suppress(Exception, asyncio.CancelledError):
            await self._request.content.wait_eof()
        if not self._over:
            self.stop()

    def stop(self) -> None:
        """Let the pieces end where they are; from any thread, and also when it is over."""
        self._stopped = True
        with suppress(OSError):
            self._wire.shutdown(socket.SHUT_RD)  # wakes the thread; what was received already would still come

    def _give_back(self) -> None:
        """Let aiohttp go on behind the body, or not at all."""
        content, transport = self._request.content, self._connection.transport
        if self._left:
            self._request[CUT] = True
            self._connection.close()  # after the answer
        elif not content.is_eof():
            self._connection.begin_anew()
        if not content.is_eof():
            content.feed_eof()
        if transport is not None:
            if self._left:
                transport.pause_reading()
            else:
                transport.resume_reading()


class _Segment:
    """Memory of one segment for one body: pages of its own, wiped and given back to the kernel at the end."""

    def __init__(self) -> None:
        self._pages = mmap.mmap(-1, 1 << 20)
        self.view = memoryview(self._pages)

    def __enter__(self) -> _Segment:
        return self

    def __exit__(self, *_: object) -> None:
        self.view[:] = bytes(len(self.view))
