"""Slow bodies (S-79): too slow is refused, slow enough is taken, and our own slowness is not the client's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from domain.errors import IncompleteBody, TooSlow
from web import intake, pace


class Body:
    """A body whose pieces come after a while each; stands where aiohttp's stream reader does."""

    def __init__(self, *pieces: tuple[float, bytes | Exception]) -> None:
        self._pieces = list(pieces)

    async def readany(self) -> bytes:
        if not self._pieces:
            return b""
        after, piece = self._pieces[0]
        await asyncio.sleep(after)
        self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


class Hours:
    """A loop's clock that jumps ahead whenever everybody sleeps: half a minute takes no time."""

    def __init__(self, loop: Any) -> None:
        self._now = loop.time()
        self._select = loop._selector.select

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> Any:
        ready = self._select(0)
        if not ready and timeout:
            self._now += timeout
        return ready


@pytest.fixture
async def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    loop: Any = asyncio.get_running_loop()
    clock = Hours(loop)
    monkeypatch.setattr(loop, "time", clock.time)
    monkeypatch.setattr(loop._selector, "select", clock.select)
    return clock


async def taken(*pieces: tuple[float, bytes | Exception], pause: float = 0) -> bytes:
    request: Any = SimpleNamespace(content=Body(*pieces))
    got = b""
    async for chunk in intake.paced(request):
        got += chunk
        await asyncio.sleep(pause)
    return got


KIB = b"x" * 1024


async def test_a_body_that_comes_is_taken(hours: Hours) -> None:
    assert await taken((0, b"one "), (1, b"two")) == b"one two"


async def test_a_kibibyte_a_second_is_enough(hours: Hours) -> None:
    assert len(await taken(*[(0.99, KIB)] * 200)) == 200 * 1024


async def test_half_a_kibibyte_a_second_is_too_slow(hours: Hours) -> None:
    began = hours.time()
    with pytest.raises(TooSlow):
        await taken(*[(2.0, KIB)] * 200)
    assert hours.time() - began <= 2 * pace.WINDOW


async def test_nothing_for_half_a_minute_is_too_slow(hours: Hours) -> None:
    with pytest.raises(TooSlow):
        await taken((31.0, b"late"))


async def test_a_quick_beginning_does_not_pay_for_a_silence(hours: Hours) -> None:
    with pytest.raises(TooSlow):
        await taken((0.1, KIB * 1000), (61.0, b"late"))


async def test_drops_just_often_enough_are_still_too_slow(hours: Hours) -> None:
    with pytest.raises(TooSlow):
        await taken(*[(5.0, b"x")] * 100)


async def test_our_own_slowness_is_not_the_clients(hours: Hours) -> None:
    assert len(await taken(*[(0.0, KIB)] * 10, pause=60)) == 10 * 1024


@pytest.mark.parametrize("error", [ConnectionResetError(), web.RequestPayloadError("cut")])
async def test_a_body_that_breaks_off_is_incomplete(error: Exception) -> None:
    with pytest.raises(IncompleteBody):
        await taken((0, b"half"), (0, error))
