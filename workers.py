"""``serve --workers N``: one process owns the listening socket, its workers take connections from it.

A worker is the same command again with the socket handed over, so that a rolling restart runs whatever is installed and
configured by then. It says on its stdout when it is ready, and ends in order when its stdin does: workers whose parent
was killed would keep the address from the next one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from listener import close_door

log = logging.getLogger(__name__)
READY = "listening on "
ARRIVAL = 0.1
"""Seconds that what is on its way in has to be taken, before the workers are told to end."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before a worker that died is started again: doubled each time, from the first to the longest; one that
    had lived for ``steady`` begins anew."""

    first: float = 0.5
    longest: float = 30.0
    steady: float = 60.0


class _Worker:
    """One worker process."""

    def __init__(self, process: Process, said: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self.process = process
        self.started = loop.time()
        self._leaving = False
        self.ready: asyncio.Future[bool] = loop.create_future()
        self._reading = asyncio.create_task(self._read(said))

    async def _read(self, said: Callable[[str], None]) -> None:
        assert self.process.stdout is not None  # noqa: S101  # a pipe was asked for
        async for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            said(text)
            if text.startswith(READY) and not self.ready.done():
                self.ready.set_result(True)
        if not self.ready.done():
            self.ready.set_result(False)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def leave(self) -> None:
        """Tell it to end in order. Told again, it would end at once; so it is told once."""
        if not self._leaving:
            self._leaving = True
            self.tell(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for its end, and for what it said; its exit code."""
        code = await self.process.wait()
        await self._reading
        return code


class Workers:
    """``count`` workers on a socket. ``command`` starts one, given ``--listener FD``; ``say`` prints a line for the
    operator: each different line once, however many workers say it."""

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        count: int,
        *,
        say: Callable[[str], None],
        pauses: Pauses | None = None,
    ) -> None:
        self._command = command
        self._listener = listener
        self._count = count
        self._say = say
        self._pauses = pauses or Pauses()
        self._said: set[str] = set()
        self._workers: list[_Worker] = []
        """Those that serve, by their place."""
        self._all: list[_Worker] = []
        """Those, the ones that leave, and the ones that are not ready yet."""

    def run(self) -> int:
        """Run them until SIGTERM or SIGINT; the exit code. 0 after a drain; a first worker that does not get ready ends
        it with that worker's own. SIGHUP: each is replaced by a new one, one after the other, and no request fails."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        self._stopping = asyncio.Event()
        self._rolling = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._rolling.set)
        # The first alone: what is wrong is said once, and what a first start makes is made once.
        first = await self._start()
        stopping = asyncio.create_task(self._stopping.wait())
        either: set[asyncio.Future[Any]] = {first.ready, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if first.ready.done() and not first.ready.result():
            return await first.ended() or 1
        if not self._stopping.is_set():
            self._workers = [first, *[await self._start() for _ in range(self._count - 1)]]
            tasks = [asyncio.create_task(self._keep(place)) for place in range(self._count)]
            tasks.append(asyncio.create_task(self._roll()))
            await stopping
            for task in tasks:
                task.cancel()
        close_door(self._listener)
        await asyncio.sleep(ARRIVAL)
        self._listener.close()
        leaving = self._alive()
        for worker in leaving:
            worker.leave()
        codes = [await worker.ended() for worker in leaving]
        log.info("workers ended", extra={"codes": codes})
        # One that had not got so far as to mind the signal is ended by it.
        return 0 if {*codes} <= {0, -signal.SIGTERM} else 1

    def _stop(self) -> None:
        if self._stopping.is_set():  # the second time: at once
            for worker in self._all:
                worker.tell(signal.SIGTERM)
        self._stopping.set()

    async def _start(self) -> _Worker:
        descriptor = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "--listener",
            str(descriptor),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=(descriptor,),
            start_new_session=True,  # a Ctrl-C is ours to pass on
        )
        self._all = self._alive()
        self._all.append(_Worker(process, self._hear))
        return self._all[-1]

    def _alive(self) -> list[_Worker]:
        return [one for one in self._all if one.process.returncode is None]

    def _hear(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    async def _keep(self, place: int) -> None:
        """Start the worker of a place again whenever it died."""
        pause = 0.0
        while True:
            worker = self._workers[place]
            code = await worker.ended()
            if self._workers[place] is not worker:
                continue
            lived = asyncio.get_running_loop().time() - worker.started
            pause = min(
                self._pauses.longest, pause * 2 if pause and lived < self._pauses.steady else self._pauses.first
            )
            log.error("worker ended", extra={"code": code, "again_in": pause})
            await asyncio.sleep(pause)
            if self._workers[place] is worker:
                new = await self._start()
                if self._workers[place] is worker:
                    self._workers[place] = new
                else:
                    new.leave()

    async def _roll(self) -> None:
        """At every SIGHUP, replace each worker once a new one is ready."""
        while True:
            await self._rolling.wait()
            self._rolling.clear()
            for place in range(self._count):
                new = await self._start()
                if not await new.ready:
                    log.error("worker not replaced", extra={"code": await new.ended()})
                    break
                old, self._workers[place] = self._workers[place], new
                old.leave()
                await old.ended()
            else:
                log.info("workers replaced", extra={"count": self._count})
