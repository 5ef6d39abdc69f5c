"""Large bodies, taken straight off the socket: no byte lost, none twice, and the connection goes on behind them."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from storage import JournalFilter
from tests.corpus.files import noise
from tests.journeys.kept import kept
from tests.journeys.service import Service

KIB, MIB = 1 << 10, 1 << 20
FIRST, STEP = MIB - 56, MIB - 16
STRAIGHT = 256 * KIB
"""From here on a body with a length is taken off the socket."""
SIZES = [
    0,
    1,
    STRAIGHT - 1,
    STRAIGHT,
    FIRST - 1,
    FIRST,
    FIRST + 1,
    FIRST + STEP - 1,
    FIRST + STEP,
    FIRST + STEP + 1,
    9 * MIB + 4321,
]
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection that reads one answer at a time, and never into the next."""

    def __init__(self, service: Service) -> None:
        self.socket = service.wire()
        self._host = service.url.removeprefix("http://").encode()
        self._read = b""

    def send(self, text: bytes) -> None:
        self.socket.sendall(text.replace(b"{host}", self._host, 1))

    def answer(self) -> Said:
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(self._read) < int(length.split(b":")[1]):
            self._more()
        body, self._read = self._read[: int(length.split(b":")[1])], self._read[int(length.split(b":")[1]) :]
        return Said(int(head.split(b" ", 2)[1]), head, body)

    def closed(self) -> bool:
        """Whether nothing more comes, and the other side says so."""
        try:
            return self._read == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        piece = self.socket.recv(65_536)
        assert piece, self._read
        self._read += piece


@contextmanager
def wired(service: Service) -> Iterator[Wire]:
    wire = Wire(service)
    with wire.socket:
        yield wire


@pytest.fixture(scope="module")
def link(service: Service) -> str:
    service.put_ticket("R-1")
    return service.upload_link("R-1", max_files=10_000)


def head(service: Service, link: str, size: int | None, name: str = "a.bin", *more: str, version: str = "1.1") -> bytes:
    length = [] if size is None else [f"Content-Length: {size}"]
    lines = [f"PUT {service.path(link)}/put/{name} HTTP/{version}", "Host: {host}", *length, *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def cut(content: bytes, seed: int) -> Iterable[bytes]:
    """In random pieces, many small and some large."""
    chance = random.Random(seed)
    edges = {0, len(content), *(chance.randrange(len(content) + 1) for _ in range(chance.randrange(12)))}
    return [content[a:b] for a, b in pairwise(sorted(edges))]


def right(said: Said, content: bytes) -> None:
    assert said.status == 201, said
    assert (said.json()["size"], said.json()["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def whole(service: Service, said: Said, content: bytes) -> None:
    """Sent, kept, and read back from the store: the same bytes."""
    right(said, content)
    answer = service.as_("agent").get(f"/api/v1/attachments/{said.json()['id']}/content")
    assert answer.body == content


@pytest.mark.parametrize("seed", range(3))
def test_bodies_of_every_size_come_whole_one_behind_the_other(service: Service, link: str, seed: int) -> None:
    with wired(service) as wire:
        for number, size in enumerate(random.Random(seed).sample(SIZES, len(SIZES))):
            content = noise(100 * seed + number, size)
            pieces = list(cut(content, size + seed))
            # The head alone, or with the beginning of the body in the same segment.
            wire.send(head(service, link, size) + (pieces.pop(0) if pieces and seed else b""))
            for piece in pieces:
                wire.send(piece)
                if seed == 2:
                    time.sleep(0.001)
            whole(service, wire.answer(), content)
        wire.send(HEALTH)
        assert wire.answer().status == 200


def test_an_agents_body_comes_whole(service: Service) -> None:
    service.put_ticket("R-2")
    content = noise(9, 3 * MIB + 5)
    answer = service.as_("agent").put("/api/v1/tickets/R-2/attachments/a.bin", body=content)
    assert answer.status == 201, answer.body
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()


def test_what_follows_a_body_in_one_breath_is_the_next_request(service: Service, link: str) -> None:
    one, two = noise(1, FIRST + STEP), noise(2, MIB)
    with wired(service) as wire:
        wire.send(head(service, link, len(one)) + one + head(service, link, len(two)).replace(b"{host}", wire._host))
        right(wire.answer(), one)
        wire.send(two + HEALTH.replace(b"{host}", wire._host))
        right(wire.answer(), two)
        assert wire.answer().status == 200


def test_more_than_was_declared_is_no_part_of_the_file(service: Service, link: str) -> None:
    content = noise(3, 2 * MIB)
    with wired(service) as wire:
        wire.send(head(service, link, len(content)) + content + b"\0" * 5000)
        right(wire.answer(), content)
        assert wire.answer().status == 400
        assert wire.closed()


@pytest.mark.parametrize("more", ["Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close"])
def test_other_ways_of_sending_are_taken_too(service: Service, link: str, more: str) -> None:
    content = noise(4, 2 * MIB + 77)
    chunked = more.startswith("Transfer")
    with wired(service) as wire:
        wire.send(head(service, link, None if chunked else len(content), "a.bin", more))
        if "100" in more:
            assert wire.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if chunked else content)
        whole(service, wire.answer(), content)
        assert "close" not in more or wire.closed()


def test_a_body_of_http_1_0_is_taken(service: Service, link: str) -> None:
    content = noise(5, MIB + 1)
    with wired(service) as wire:
        wire.send(head(service, link, len(content), version="1.0") + content)
        right(wire.answer(), content)
        assert wire.closed()


def test_the_same_request_again_has_the_same_answer_and_the_connection_goes_on(service: Service, link: str) -> None:
    content = noise(6, 2 * MIB)
    request = head(service, link, len(content), "a.bin", 'Idempotency-Key: "large-1"')
    with wired(service) as wire:
        answers = []
        for _ in range(2):
            wire.send(request + content)
            answers.append(wire.answer())
        right(answers[0], content)
        assert answers[1].json() == answers[0].json()
        wire.send(request + content[1:] + b"x")
        assert wire.answer().status == 422


def ended(service: Service) -> int:
    with service.site() as site:
        what = JournalFilter(kind="upload.refused")
        return len(site.records.read(lambda unit: unit.journal.find(what, before=None, limit=1000)))


@pytest.mark.parametrize("rude", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("sent", [0, 1, FIRST, 2 * MIB + 7])
def test_a_sender_that_hangs_up_leaves_nothing(service: Service, link: str, sent: int, rude: bool) -> None:
    before, refused = kept(service.data), ended(service)
    with wired(service) as wire:
        wire.send(head(service, link, 5 * MIB) + noise(7, sent))
        time.sleep(0.3)
        if rude:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until = time.monotonic() + 30
    while ended(service) == refused:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert kept(service.data) == before


PROGRAM = b"MZ\x90\x00" + b"\0" * 56 + b"\x80\0\0\0" + b"\0" * 64 + b"PE\0\0L\x01"


@pytest.mark.parametrize("size", [MIB, 2 * MIB, 60 * MIB])
def test_a_refused_body_is_taken_in_up_to_a_limit_or_cut_off(service: Service, link: str, size: int) -> None:
    """S-3: and never does the rest of it become a request."""
    before = kept(service.data)
    hidden = HEALTH.replace(b"{host}", b"localhost")
    body = (PROGRAM + hidden * (size // len(hidden)))[:size]
    with wired(service) as wire:
        wire.socket.settimeout(20)
        wire.send(head(service, link, size, "a.pdf"))
        try:
            wire.send(body)
        except (ConnectionResetError, BrokenPipeError):
            assert size > 2 * MIB
        else:
            said = wire.answer()
            assert said.status in {415, 422}, said
            if b"connection: close" in said.head.lower():
                assert wire.closed()
            else:
                wire.send(HEALTH)
                assert wire.answer().status == 200
    assert kept(service.data) == before
    assert service.anyone.get("/healthz").status == 200
