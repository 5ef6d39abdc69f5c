"""A large file in and out over S3, beside what boto3's own transfer takes for as many bytes to the same store.

    python -m bench s3            SIZE_MIB=5120

Both directions one after the other in the same run, each with its memory above idle, which must not depend on the size.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import aiohttp

from bench.big import BLOCK, SIZE, body
from bench.running import MIB
from tests.crash.vault import Vault
from tests.faults.shared import SharedSite


class Source(io.RawIOBase):
    """``SIZE`` bytes to read, of the same kind as what the service gets."""

    def __init__(self) -> None:
        self._left = SIZE

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(self._left, len(BLOCK) if size < 0 else size)
        self._left -= size
        return (BLOCK * (size // len(BLOCK) + 1))[:size]


class Nowhere(io.RawIOBase):
    """Takes bytes and keeps none."""

    def __init__(self) -> None:
        self.taken = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self.taken += len(piece)
        return len(piece)


class Watch:
    """The highest resident memory of a process, looked at 50 times a second, and its processor time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = Event()
        self.peak = 0
        self.cpu = 0.0

    def __enter__(self) -> Watch:
        self.began, self._cpu = time.perf_counter(), self._used()
        self._thread = Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.began
        self._over.set()
        self._thread.join()
        self.cpu = self._used() - self._cpu

    def memory(self) -> int:
        """Resident bytes now."""
        lines = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) << 10

    def _used(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, self.memory())


def _say(what: str, watch: Watch, idle: int) -> float:
    speed = SIZE / 1e6 / watch.seconds
    print(
        f"{what:18} {speed:4.0f} MB/s, {watch.cpu / (SIZE / (1 << 30)):.2f} CPU s/GiB, "
        f"at most {(watch.peak - idle) / MIB:.0f} MiB above idle"
    )
    return speed


async def _through_the_service(node: Vault) -> tuple[float, float]:
    pid = node.service.pid
    link = node.base + node.upload_link("BENCH-1")
    idle = Watch(pid).memory()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client:
        with Watch(pid) as up:
            headers = {"Content-Length": str(SIZE)}
            async with client.put(f"{link}/put/big.bin", data=body(SIZE), headers=headers) as answer:
                sent = await answer.json()
                if answer.status != 201:
                    raise SystemExit(f"the upload was answered {answer.status}: {sent}")
        address = f"{node.base}/api/v1/attachments/{sent['id']}/content"
        taken = 0
        with Watch(pid) as down:
            async with client.get(address, headers={"Authorization": f"Bearer {node.agent}"}) as answer:
                async for chunk in answer.content.iter_any():
                    taken += len(chunk)
        if taken != SIZE:
            raise SystemExit(f"{taken} bytes came back of {SIZE}")
    return _say("upload", up, idle), _say("download", down, idle)


def _bare(site: SharedSite) -> tuple[float, float]:
    idle = Watch(os.getpid()).memory()
    with Watch(os.getpid()) as up:
        site.s3.upload_fileobj(Source(), site.bucket, "plain")
    sink = Nowhere()
    with Watch(os.getpid()) as down:
        site.s3.download_fileobj(site.bucket, "plain", sink)
    if sink.taken != SIZE:
        raise SystemExit(f"{sink.taken} bytes came back of {SIZE}")
    return _say("boto3 upload", up, idle), _say("boto3 download", down, idle)


def run() -> None:
    """As the module's docstring says."""
    with tempfile.TemporaryDirectory() as folder, SharedSite(Path(folder)) as site:
        bare = _bare(site)
        site.s3.delete_object(Bucket=site.bucket, Key="plain")
        node = site.nodes[0]
        node.start()
        node.ticket("BENCH-1")
        ours = asyncio.run(_through_the_service(node))
        node.stop()
    print(f"ratio: upload {ours[0] / bare[0]:.2f}, download {ours[1] / bare[1]:.2f}")
