"""The load: files sent and fetched by a client that costs little, one connection a client, each used again and again.

Bytes to send go from memory to the socket inside the kernel, bytes that come are dropped inside it (MSG_TRUNC), so
that a client's own work hides no server's; what is sent is random, the same for everybody.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from bench.peer import Peer
from bench.running import MIB

T = TypeVar("T")
BLOCK = 64 * MIB
HEAD = 64 << 10


class Block:
    """Random bytes in memory, as a file that sockets are fed from."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("bench")
        for _ in range(BLOCK // MIB):
            os.write(self.fd, os.urandom(MIB))


@dataclass(frozen=True)
class Done:
    """One request: what it was about, what came back of it, and how long it took, in seconds."""

    name: str
    answer: bytes
    seconds: float


class Client:
    """One connection to one peer."""

    def __init__(self, peer: Peer, block: Block) -> None:
        self._peer = peer
        self._block = block
        self._wire: socket.socket | None = None
        self._host = ""

    def send(self, name: str, size: int) -> Done:
        """A file of ``size`` bytes; its answer must be a 2xx."""
        url = self._peer.put(name)
        method, fields = "PUT", [f"Content-Length: {size}"]
        if self._peer.tus:  # made and brought in one request, the shortest way there is
            method = "POST"
            fields += [
                "Tus-Resumable: 1.0.0",
                f"Upload-Length: {size}",
                "Content-Type: application/offset+octet-stream",
            ]
        began = time.perf_counter()
        wire = self._ask(method, url, fields)
        sent = 0
        while sent < size:
            at = sent % BLOCK
            sent += os.sendfile(wire.fileno(), self._block.fd, at, min(size - sent, BLOCK - at))
        head, body = self._answer(wire)
        return Done(name, head["location"].encode() if self._peer.tus else body, time.perf_counter() - began)

    def fetch(self, done: Done, size: int) -> Done:
        """A file that was sent: exactly ``size`` bytes of it must come."""
        began = time.perf_counter()
        wire = self._ask("GET", self._peer.get(done.name, done.answer), [])
        head, body = self._answer(wire, drop=True)
        if int(head["content-length"]) != size:
            raise SystemExit(
                f"{self._peer.name}: {head['content-length']} bytes came instead of {size}: {body[:200]!r}"
            )
        return Done(done.name, b"", time.perf_counter() - began)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    def _ask(self, method: str, url: str, fields: Sequence[str]) -> socket.socket:
        parts = urlsplit(url)
        if self._wire is None:
            self._wire = socket.create_connection((parts.hostname, parts.port))
            self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *self._peer.headers, *fields]
        self._wire.sendall("\r\n".join([*lines, "", ""]).encode())
        return self._wire

    def _answer(self, wire: socket.socket, *, drop: bool = False) -> tuple[dict[str, str], bytes]:
        got = b""
        while b"\r\n\r\n" not in got:
            piece = wire.recv(HEAD)
            if not piece:
                raise SystemExit(f"{self._peer.name}: the connection ended: {got[:200]!r}")
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if not 200 <= int(status.split()[1]) < 300:
            raise SystemExit(f"{self._peer.name}: {status}: {body[:200]!r}")
        left = int(fields.get("content-length", "0")) - len(body)
        while left > 0:
            came = wire.recv_into(_NOTHING, min(left, MIB), socket.MSG_TRUNC) if drop else 0
            if not drop:
                piece = wire.recv(left)
                body, came = body + piece, len(piece)
            if not came:
                raise SystemExit(f"{self._peer.name}: the connection ended amid the answer")
            left -= came
        if fields.get("connection", "").lower() == "close":
            wire.close()
            self._wire = None
        return fields, body


_NOTHING = bytearray(MIB)
"""Where bytes that are dropped would go; on TCP, MSG_TRUNC copies none."""


class Load:
    """``clients`` at once, each with its share of ``count`` files of ``size`` bytes."""

    def __init__(self, peer: Peer, block: Block, clients: int) -> None:
        self._clients = [Client(peer, block) for _ in range(clients)]
        self._threads = ThreadPoolExecutor(clients)

    def send(self, names: Sequence[str], size: int) -> list[Done]:
        return self._spread(lambda client, name: client.send(name, size), names)

    def fetch(self, files: Sequence[Done], size: int) -> list[Done]:
        return self._spread(lambda client, done: client.fetch(done, size), files)

    def close(self) -> None:
        self._threads.shutdown()
        for client in self._clients:
            client.close()

    def _spread(self, act: Callable[[Client, T], Done], items: Sequence[T]) -> list[Done]:
        count = len(self._clients)

        def share(number: int) -> list[Done]:
            return [act(self._clients[number], item) for item in items[number::count]]

        return [done for part in self._threads.map(share, range(count)) for done in part]
