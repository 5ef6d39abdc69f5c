"""One file by tus beside the same by plain PUT, in turn in one run: in one PATCH, in PATCHes of 8 and of 1 MiB.

The clock runs from the first byte to the last answer. That to the last PATCH comes when the file is an attachment, or
after ten seconds (docs/resumable.md): so it is looked at whether it is, and waited for. All requests go over one
connection, each when the one before it is answered, as clients do.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
from dataclasses import dataclass, field
from http.client import HTTPResponse
from urllib.parse import urlsplit

from bench.running import MIB, Running
from bench.uploads import BLOCK, Sender, ask

SIZE = int(os.environ.get("SIZE_MIB", "512")) * MIB
ROUNDS = int(os.environ.get("ROUNDS", "5"))
PIECES = (SIZE, 8 * MIB, MIB)
NAME = "ZmlsbS5iaW4="
TUS = "Tus-Resumable: 1.0.0"


@dataclass
class Figures:
    """Rounds of one way to send."""

    seconds: list[float] = field(default_factory=list)
    brought: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def speed(self) -> float:
        return SIZE / 1e6 / statistics.median(self.seconds)

    def __str__(self) -> str:
        cost = statistics.median(self.cpu) * 1024 * MIB / SIZE
        brought = SIZE / 1e6 / statistics.median(self.brought)
        return f"{self.speed:5.0f} MB/s, bytes durable at {brought:5.0f} MB/s, {cost:4.2f} CPU s/GiB"


class Wire(Sender):
    """One connection."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._host = parts.netloc
        self._wire = socket.create_connection((parts.hostname, parts.port))
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, url: str, expected: int, *fields: str, start: int = 0, size: int = 0) -> HTTPResponse:
        """One request, with ``size`` bytes of the file from ``start``; its answer, read."""
        lines = (
            f"{method} {urlsplit(url).path} HTTP/1.1",
            f"Host: {self._host}",
            f"Content-Length: {size}",
            *fields,
        )
        self._wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        sent = 0
        while sent < size:
            at = (start + sent) % BLOCK
            sent += os.sendfile(self._wire.fileno(), self._block, at, min(size - sent, BLOCK - at))
        answer = HTTPResponse(self._wire, method=method)
        answer.begin()
        self.body = answer.read()
        if answer.status != expected:
            raise SystemExit(f"{method}: {answer.status} {self.body.decode()}")
        return answer

    def close(self) -> None:
        self._wire.close()


def _by_put(wire: Wire, link: str) -> tuple[str, float]:
    wire.ask("PUT", f"{link}/put/film.bin", 201, size=SIZE)
    return json.loads(wire.body)["receipt_url"], time.perf_counter()


def _by_tus(wire: Wire, link: str, piece: int) -> tuple[str, float]:
    """The receipt, and when the last byte was on its way."""
    made = wire.ask("POST", f"{link}/files", 201, TUS, f"Upload-Length: {SIZE}", f"Upload-Metadata: filename {NAME}")
    upload, receipt = made.headers["Location"], made.headers["Bilaga-Receipt"]
    octets = "Content-Type: application/offset+octet-stream"
    brought = 0.0
    for start in range(0, SIZE, piece):
        size = min(piece, SIZE - start)
        if start + size == SIZE:
            brought = time.perf_counter()
        wire.ask("PATCH", upload, 204, TUS, octets, f"Upload-Offset: {start}", start=start, size=size)
    return receipt, brought if piece < SIZE else time.perf_counter()


def _await(receipt: str) -> None:
    while True:
        (row,) = json.loads(ask("GET", receipt))["attachments"]
        if row["state"] == "available":
            return
        time.sleep(0.05)


def _round(service: Running, piece: int | None, figures: Figures) -> None:
    wire = Wire(service.address)
    cpu, began = service.cpu(), time.perf_counter()
    if piece is None:
        receipt, brought = _by_put(wire, service.upload_link)
    else:
        receipt, brought = _by_tus(wire, service.upload_link, piece)
    _await(receipt)
    figures.seconds.append(time.perf_counter() - began)
    figures.brought.append(brought - began)
    figures.cpu.append(service.cpu() - cpu)
    wire.close()
    ask("POST", f"{receipt}/withdraw", "{}")


def run() -> None:
    """``SIZE_MIB`` (512) by each way, ``ROUNDS`` (5) times, PUT before each: medians, and the ratio to that PUT."""
    with Running() as service:
        # Many blobs: the first in each of the store's 256 folders costs a sync more.
        _round(service, MIB, Figures())
        for piece in PIECES:
            put, tus = Figures(), Figures()
            for _ in range(ROUNDS):
                _round(service, None, put)
                _round(service, piece, tus)
            name = "one PATCH" if piece == SIZE else f"PATCHes of {piece // MIB} MiB"
            print(f"{SIZE // MIB} MiB, {name}; load {os.getloadavg()[0]:.1f}")
            print(f"  PUT {put}")
            print(f"  tus {tus}")
            print(f"  ratio {tus.speed / put.speed:.2f}", flush=True)
