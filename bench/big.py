"""A large file in and out: MB/s, processor seconds a GiB, and memory above idle, which must not depend on the size."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator

import aiohttp

from bench.running import MIB, Running

SIZE = int(os.environ.get("SIZE_MIB", "5120")) * MIB
BLOCK = os.urandom(8 * MIB)


async def body(size: int) -> AsyncIterator[bytes]:
    """``size`` bytes that no two blocks of are alike enough to matter."""
    left = size
    while left:
        piece = BLOCK[: min(left, MIB)]
        yield piece
        left -= len(piece)


async def _bench(service: Running) -> None:
    idle = service.memory()
    print(f"idle memory {idle / MIB:.0f} MiB")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client:
        service.forget_peak()
        began, cpu = time.perf_counter(), service.cpu()
        async with client.put(
            f"{service.upload_link}/put/big.bin", data=body(SIZE), headers={"Content-Length": str(SIZE)}
        ) as answer:
            sent = await answer.json()
        _say("upload", began, service.cpu() - cpu, service.peak - idle)
        service.forget_peak()
        began, cpu = time.perf_counter(), service.cpu()
        digest = hashlib.sha256()
        address = f"{service.address}/api/v1/attachments/{sent['id']}/content"
        async with client.get(address, headers={"Authorization": f"Bearer {service.key}"}) as answer:
            async for chunk in answer.content.iter_any():
                digest.update(chunk)
        _say("download (with the client's SHA-256)", began, service.cpu() - cpu, service.peak - idle)
        if digest.hexdigest() != sent["sha256"]:
            raise SystemExit("the download differs from the upload")
        print("downloaded bytes equal the uploaded ones by SHA-256")


def _say(what: str, began: float, cpu: float, above: int) -> None:
    seconds = time.perf_counter() - began
    print(
        f"{what}: {SIZE / MIB:.0f} MiB in {seconds:.1f} s, {SIZE / 1e6 / seconds:.0f} MB/s, "
        f"{cpu / (SIZE / (1 << 30)):.2f} CPU s/GiB, at most {above / MIB:.0f} MiB above idle"
    )


def run() -> None:
    """One upload and one download of ``SIZE_MIB`` (5120)."""
    with Running() as service:
        asyncio.run(_bench(service))
