"""A body off the socket: too slow, given up, refused, and never a byte of what follows. Real sockets, no HTTP."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.errors import IncompleteBody, TooSlow, TypeNotAllowed
from transfer import Pump, pieces
from web.body import CUT, Body
from web.pace import Pace


class Content:
    """Stands where aiohttp's stream reader does."""

    def __init__(self) -> None:
        self.ended = False
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def is_eof(self) -> bool:
        return self.ended

    def feed_eof(self) -> None:
        self.ended = True

    async def wait_eof(self) -> None:
        await self._gone

    def give_up(self) -> None:
        """As aiohttp does when a connection is lost or the service ends."""
        self._gone.set_exception(ConnectionResetError())


class Protocol:
    """Stands where the connection does."""

    def __init__(self) -> None:
        self.transport = None
        self.anew = self.closed = 0

    def begin_anew(self) -> None:
        self.anew += 1

    def close(self) -> None:
        self.closed += 1


class Request(dict[Any, Any]):
    """As much of a request as is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.content = Content()


class Both:
    """The two ends of a connection, and what stands around the receiving one."""

    def __init__(self) -> None:
        self.sender, receiver = socket.socketpair()
        receiver.setblocking(False)
        self.receiver = receiver
        self.request: Any = Request()
        self.protocol: Any = Protocol()

    def body(self, early: bytes, left: int, pace: Pace | None = None) -> Body:
        return Body(self.request, self.protocol, self.receiver.dup(), early, left, pace)

    def next_bytes(self) -> bytes:
        """What stands on the wire behind the body."""
        return self.receiver.recv(100)


@contextmanager
def both() -> Iterator[Both]:
    made = Both()
    with made.sender, made.receiver:
        yield made


@pytest.fixture
def pump() -> Iterator[Pump]:
    pump = Pump(2)
    yield pump
    assert pump.running == 0
    pump.close()


def joined(chunks: Iterable[memoryview]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks)


async def taken(pump: Pump, body: Body, work: Callable[[Iterable[memoryview]], Any] = joined) -> Any:
    with pump.take() as slot:
        return await body.through(slot, work)


async def send(sender: socket.socket, content: bytes, seed: int) -> None:
    """In random pieces."""
    chance = random.Random(seed)
    while content:
        size = chance.choice([1, 1000, 70_000, 400_000])
        await asyncio.to_thread(sender.sendall, content[:size])
        content = content[size:]


@pytest.mark.parametrize("early", [0, 1, 100_000, 1_048_520, 1_048_521, 1_500_000])
@pytest.mark.parametrize("size", [1_500_000, 1_048_520 + 1_048_560])
async def test_what_came_early_and_what_comes_is_the_body_and_no_more(pump: Pump, early: int, size: int) -> None:
    content = random.Random(early).randbytes(size)
    with both() as ends:
        sending = asyncio.ensure_future(send(ends.sender, content[early:] + b"NEXT", early))
        sizes: list[int] = []

        def work(chunks: Iterable[memoryview]) -> bytes:
            got = [bytes(chunk) for chunk in chunks]
            sizes.extend(len(chunk) for chunk in got)
            return b"".join(got)

        assert await taken(pump, ends.body(content[:early], size - early), work) == content
        assert sizes == list(pieces(size))
        await sending
        assert ends.next_bytes() == b"NEXT"
        assert (ends.protocol.anew, ends.protocol.closed, ends.request.content.ended) == (1, 0, True)
        assert CUT not in ends.request


async def test_pieces_are_the_plaintext_of_segments() -> None:
    assert list(pieces(0)) == [0]
    assert list(pieces(1_048_520)) == [1_048_520]
    assert list(pieces(1_048_521)) == [1_048_520, 1]
    assert list(pieces(3_000_000)) == [1_048_520, 1_048_560, 902_920]


async def test_a_body_that_stays_away_is_too_slow(pump: Pump) -> None:
    with both() as ends:
        ends.sender.sendall(b"x" * 100)
        with pytest.raises(TooSlow):
            await taken(pump, ends.body(b"", 1000, Pace(window=0.5)))
        assert ends.request[CUT]
        assert ends.protocol.closed == 1


@pytest.mark.parametrize("sent", [0, 1, 999])
async def test_a_sender_that_hangs_up_has_sent_too_little(pump: Pump, sent: int) -> None:
    with both() as ends:
        ends.sender.sendall(b"x" * sent)
        ends.sender.close()
        with pytest.raises(IncompleteBody):
            await taken(pump, ends.body(b"", 1000))
        assert ends.request[CUT]
        assert ends.protocol.anew == 0


def refuse(chunks: Iterable[memoryview]) -> None:
    for _ in chunks:
        raise TypeNotAllowed


async def test_the_rest_of_a_refused_body_is_taken_in(pump: Pump) -> None:
    with both() as ends:
        sending = asyncio.ensure_future(send(ends.sender, b"x" * 1_600_000 + b"NEXT", 1))
        with pytest.raises(TypeNotAllowed):
            await taken(pump, ends.body(b"", 1_600_000), refuse)
        await sending
        assert ends.next_bytes() == b"NEXT"
        assert ends.protocol.anew == 1
        assert CUT not in ends.request


async def test_a_long_rest_of_a_refused_body_is_cut_off(pump: Pump) -> None:
    with both() as ends:
        sending = asyncio.ensure_future(send(ends.sender, b"x" * 2_200_000, 1))
        with pytest.raises(TypeNotAllowed):
            await taken(pump, ends.body(b"", 1 << 30), refuse)
        await sending
        assert ends.request[CUT]
        assert (ends.protocol.anew, ends.protocol.closed) == (0, 1)


async def test_a_cancelled_request_waits_for_nobody(pump: Pump) -> None:
    with both() as ends:
        task = asyncio.ensure_future(taken(pump, ends.body(b"early", 1000)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends.request[CUT]


async def test_a_request_that_aiohttp_gives_up_is_incomplete(pump: Pump) -> None:
    with both() as ends:
        task = asyncio.ensure_future(taken(pump, ends.body(b"early", 1000)))
        await asyncio.sleep(0.05)
        ends.request.content.give_up()
        with pytest.raises(IncompleteBody):
            await task


async def test_work_that_needs_no_more_has_the_rest_cut_off(pump: Pump) -> None:
    with both() as ends:
        assert await taken(pump, ends.body(b"early", 1000), lambda chunks: "enough") == "enough"
        assert ends.request[CUT]
        assert ends.protocol.closed == 1
