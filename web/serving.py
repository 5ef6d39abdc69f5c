"""A listening service and its end: own drain, since aiohttp's cuts running uploads off (libraries.md §1.1).

The end loses no request that was on its way. First nobody new is let in, but for whoever stands in the door already;
what is under way ends; and whoever has kept a connection open gets a moment to bring one request more, whose answer
says that the connection closes with it (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from web.connection import Connection
from web.flight import Flight
from web.services import SERVICES

log = logging.getLogger(__name__)
# S-79: header within 10 s, idle keep-alive at most 75 s; a request line up to 16 KiB, a field up to 64 KiB: a list of
# the pieces of a file is one.
KEEP_ALIVE = 75.0
HEADER_SECONDS = 10.0
MAX_LINE = 16 << 10
MAX_FIELD = 64 << 10
# On the way out: so long what is on its way in has to arrive, and an idle connection to be used once more.
ARRIVAL = 0.1
LINGER = 1.0
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def serve(
    application: web.Application,
    listener: socket.socket,
    *,
    drain_seconds: float,
    ready: Callable[[], None],
    close_door: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: readiness ends, the listener closes, running requests finish within
    ``drain_seconds``. A second signal ends at once. ``ready`` is called once connections are taken; ``close_door`` when
    no more are to come, a moment before the listener closes.
    """
    # The drain is ours; what is left after it is cut.
    runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        loop = asyncio.get_running_loop()
        flight = application[SERVICES].flight
        stop, at_once = asyncio.Event(), asyncio.Event()

        def signalled() -> None:
            (at_once if stop.is_set() else stop).set()

        # Before anybody can know that we listen: a signal may follow on the heels of that.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled)
        accepting = await loop.create_server(_Connections(runner, flight), sock=listener, backlog=512)
        ready()
        await stop.wait()
        log.info("draining", extra={"in_flight": flight.count})
        flight.draining = True
        draining = asyncio.create_task(_drain(runner, flight, accepting, drain_seconds, close_door))
        waiting = asyncio.create_task(at_once.wait())
        await asyncio.wait({draining, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, waiting):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        log.info("drained", extra={"in_flight": flight.count})
    finally:
        await runner.cleanup()


async def _drain(
    runner: web.AppRunner,
    flight: Flight,
    accepting: asyncio.Server,
    seconds: float,
    close_door: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        close_door()
        await asyncio.sleep(min(ARRIVAL, seconds))
    finally:
        accepting.close()
    while (left := began + seconds - loop.time()) > 0:
        await flight.drain(left)
        if runner.server is None or not runner.server.connections or loop.time() - began >= LINGER:
            return
        await asyncio.sleep(0.02)


class _Connections:
    """Makes the protocol of each connection, and ends those whose first request head does not come in time: aiohttp
    itself has no limit on that."""

    def __init__(self, runner: web.AppRunner, flight: Flight) -> None:
        if runner.server is None:
            raise RuntimeError("the runner is not set up")
        self._server = runner.server
        self._flight = flight

    def __call__(self) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        connection = Connection(
            self._server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # so aiohttp's own runner says it: none
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
        )
        self._flight.silent.add(connection)
        loop.call_later(HEADER_SECONDS, self._end_if_silent, connection)
        return connection

    def _end_if_silent(self, connection: web.RequestHandler) -> None:
        if connection in self._flight.silent:
            self._flight.silent.discard(connection)
            if connection.transport is not None:
                connection.transport.write(TOO_SLOW)
            connection.force_close()
