"""``/healthz`` while four uploads run: its p99 must stay under 100 ms (S-20), or something blocks the loop."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

import aiohttp

from bench.big import body
from bench.running import MIB, Running

UPLOADS = 4
SIZE = int(os.environ.get("SIZE_MIB", "512")) * MIB
PAUSE = 0.01


async def _ask(client: aiohttp.ClientSession, service: Running, until: asyncio.Event) -> list[float]:
    taken: list[float] = []
    while not until.is_set():
        began = time.perf_counter()
        async with client.get(f"{service.address}/healthz") as answer:
            await answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE)
    return taken


def _say(what: str, taken: list[float]) -> None:
    marks = statistics.quantiles(taken, n=100)
    print(f"{what}: {len(taken)} requests, p50 {marks[49]:.1f} ms, p99 {marks[98]:.1f} ms, most {max(taken):.1f} ms")


async def _quiet(client: aiohttp.ClientSession, service: Running) -> None:
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(5, until.set)
    _say("at rest", await _ask(client, service, until))


async def _loaded(client: aiohttp.ClientSession, service: Running) -> None:
    until = asyncio.Event()

    async def upload(number: int) -> None:
        async with client.put(f"{service.upload_link}/put/{number}.bin", data=body(SIZE)) as answer:
            if answer.status != 201:
                raise SystemExit(await answer.text())

    asking = asyncio.create_task(_ask(client, service, until))
    began = time.perf_counter()
    await asyncio.gather(*(upload(number) for number in range(UPLOADS)))
    seconds = time.perf_counter() - began
    until.set()
    _say(f"{UPLOADS} uploads of {SIZE / MIB:.0f} MiB", await asking)
    print(f"together {UPLOADS * SIZE / 1e6 / seconds:.0f} MB/s")


async def _bench(service: Running) -> None:
    # The uploading and the asking share this process: what is measured includes the client's own load.
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client:
        await _quiet(client, service)
        await _loaded(client, service)


def run() -> None:
    """At rest, then beside four uploads of ``SIZE_MIB`` (512) each."""
    with Running() as service:
        asyncio.run(_bench(service))
