"""Uploads by plain PUT, 1 GiB in all: one, four and sixteen at once, beside a bare plaintext server in the same run.

Throughput here depends on what else the machine does and on whether its memory was touched lately, so each round is
warmed up, best and median are told, and processor seconds of the server a GiB are the steadier figure. The other server
neither hashes, seals nor syncs: the ratio is what all that costs.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from bench.running import MIB, Running

GIB = 1 << 30
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SHAPES = ((1, GIB), (4, 256 * MIB), (16, 64 * MIB))
BLOCK = 64 * MIB
WARM = bytes(BLOCK)


class Sender:
    """A client that costs little: bytes go from memory to the socket inside the kernel."""

    def __init__(self) -> None:
        self._block = os.memfd_create("bench")
        for _ in range(BLOCK // MIB):
            os.write(self._block, os.urandom(MIB))

    def put(self, url: str, size: int) -> bytes:
        """The body of the answer, which must be 201."""
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port)) as wire:
            head = f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n\r\n"
            wire.sendall(head.encode())
            sent = 0
            while sent < size:
                at = sent % BLOCK
                sent += os.sendfile(wire.fileno(), self._block, at, min(size - sent, BLOCK - at))
            answer = HTTPResponse(wire)
            answer.begin()
            body = answer.read()
        if answer.status != 201:
            raise SystemExit(f"{answer.status}: {body.decode()}")
        return body


@dataclass
class Figures:
    """What the rounds of one shape took."""

    speeds: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu: float) -> None:
        """One round of 1 GiB."""
        self.speeds.append(GIB / 1e6 / seconds)
        self.costs.append(cpu)

    def __str__(self) -> str:
        return (
            f"{max(self.speeds):5.0f} ({statistics.median(self.speeds):5.0f}) MB/s, "
            f"{min(self.costs):4.2f} ({statistics.median(self.costs):4.2f}) CPU s/GiB"
        )


@dataclass(frozen=True)
class Target:
    """A server under test: where a file goes, what its processor time is, and how what was sent is removed."""

    name: str
    url: Callable[[int], str]
    cpu: Callable[[], float]
    remove: Callable[[int, bytes], object]


def warm(folder: Path, size: int = GIB) -> None:
    """Have the memory that caches files touched: a virtual machine's host takes it back when it is idle, and then each
    page costs ten times as much. Both servers find it alike."""
    target = folder / "warm"
    with target.open("wb") as file:
        for _ in range(max(1, size // BLOCK) * 5 // 4):
            file.write(WARM)
    target.unlink()


def _round(sender: Sender, target: Target, shape: tuple[int, int], figures: Figures) -> None:
    count, size = shape
    with ThreadPoolExecutor(count) as threads:
        began, cpu = time.perf_counter(), target.cpu()
        answers = list(threads.map(lambda number: sender.put(target.url(number), size), range(count)))
        figures.add(time.perf_counter() - began, target.cpu() - cpu)
    for number, answer in enumerate(answers):
        target.remove(number, answer)


def ask(method: str, url: str, body: str | None = None, *, fields: Mapping[str, str] | None = None) -> bytes:
    """The body of the answer, which must be a good one; asked for as a program does."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
    headers |= fields or {}
    connection.request(method, parts.path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{method}: {answer.status}")
    return content


def _bilaga(service: Running) -> Target:
    def withdraw(_: int, answer: bytes) -> None:
        ask("POST", f"{json.loads(answer)['receipt_url']}/withdraw", "{}")

    return Target("bilaga", lambda number: f"{service.upload_link}/put/{number}.bin", service.cpu, withdraw)


def _sink(address: str, process: int) -> Target:
    def cpu() -> float:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def url(number: int) -> str:
        return f"{address}/{number}.bin"

    return Target("bare aiohttp, plaintext", url, cpu, lambda number, _: ask("DELETE", url(number)))


def _bench(targets: tuple[Target, ...], service: Running, folder: Path) -> None:
    sender = Sender()
    idle = service.memory()
    for shape in SHAPES:
        figures = {target.name: Figures() for target in targets}
        service.forget_peak()
        for target in targets:
            for _ in range(ROUNDS):
                warm(folder)
                _round(sender, target, shape, figures[target.name])
        print(f"{shape[0]} x {shape[1] // MIB} MiB")
        for target in targets:
            print(f"  {target.name:24} {figures[target.name]}")
        ours, theirs = (figures[target.name] for target in targets)
        best = max(ours.speeds) / max(theirs.speeds)
        median = statistics.median(ours.speeds) / statistics.median(theirs.speeds)
        print(f"  ratio {best:.2f} ({median:.2f}); memory at most {(service.peak - idle) / MIB:.0f} MiB above idle")


def run() -> None:
    """Each shape ``ROUNDS`` (5) times: best (median)."""
    with tempfile.TemporaryDirectory() as folder, Running() as service:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink", folder], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        try:
            address = next(line.split()[-1] for line in process.stdout or () if line.startswith("listening on "))
            _bench((_bilaga(service), _sink(address, process.pid)), service, Path(folder))
        finally:
            process.terminate()
            process.wait()
