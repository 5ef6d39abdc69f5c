"""Bytes that are not quite HTTP: refused and closed, never a second request, never a 500 (S-78), and 100-continue."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import quote

import pytest

from storage import JournalFilter
from tests.journeys.kept import kept
from tests.journeys.service import Service
from transfer.names import stored_name

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: {host}\r\n\r\n"
BODY = b"Content-Length: 5\r\n\r\nhello"


def raw(service: Service, text: bytes, link: str = "") -> bytes:
    """A hand-made request, its place-holders filled in."""
    host = service.url.removeprefix("http://").encode()
    return text.replace(b"{host}", host).replace(b"{put}", service.path(link).encode() + b"/put/a.txt")


def exchange(service: Service, request: bytes, seconds: float = 3) -> bytes:
    """Send bytes, and read until the other side closes, or is silent for a while."""
    with service.wire() as wire:
        wire.settimeout(seconds)
        wire.sendall(request)
        answer = b""
        try:
            while piece := wire.recv(65_536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            answer += b"<still open>"
        return answer


@pytest.fixture(scope="module")
def link(service: Service) -> str:
    service.put_ticket("H-1")
    return service.upload_link("H-1")


MALFORMED = {
    "length and chunks": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + HIDDEN
    ),
    "chunks and length": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n"
        + HIDDEN
    ),
    "two lengths": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello"
    + HIDDEN,
    "two lengths in one": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3, 5\r\n\r\nhello" + HIDDEN,
    "a signed length": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nhello" + HIDDEN,
    "a negative length": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\nhello" + HIDDEN,
    "a length with an underscore": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1_0\r\n\r\nhello" + HIDDEN,
    "an odd coding": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN
    ),
    "a chunk's size that is no number": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n" + HIDDEN
    ),
    "a chunk's size of 0x": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + HIDDEN
    ),
    "a chunk longer than it says": (
        b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n" + HIDDEN
    ),
    "a folded header": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nX-Long: a\r\n b\r\n" + BODY + HIDDEN,
    "a bare CR in a header": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nX-Odd: a\rb\r\n" + BODY + HIDDEN,
    "NUL in a header": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nX-Odd: a\0b\r\n" + BODY + HIDDEN,
    "a space before the colon": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 5\r\n\r\nhello" + HIDDEN,
    "a header without a name": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\n: a\r\n" + BODY + HIDDEN,
    "two hosts": b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n" + BODY + HIDDEN,
    "no host": b"PUT {put} HTTP/1.1\r\n" + BODY + HIDDEN,
    "HTTP/1.0 with chunks": (
        b"PUT {put} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + HIDDEN
    ),
    "a version there is none of": b"PUT {put} HTTP/3.7\r\nHost: {host}\r\n" + BODY + HIDDEN,
    "no HTTP at all": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    "a header line of 128 KiB": b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Long: "
    + b"a" * 131_072
    + b"\r\n\r\n"
    + HIDDEN,
    "an address of 32 KiB": b"GET /" + b"a" * 32_768 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n" + HIDDEN,
    "2000 headers": (
        b"GET /healthz HTTP/1.1\r\nHost: {host}\r\n"
        + b"".join(b"X-%d: y\r\n" % n for n in range(2000))
        + b"\r\n"
        + HIDDEN
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_framing_is_refused_and_the_connection_closed(service: Service, link: str, what: str) -> None:
    before = kept(service.data)
    answer = exchange(service, raw(service, MALFORMED[what], link))
    status = answer.split(b" ", 2)[1]
    assert status in {b"400", b"414", b"431", b"421", b"505"}, answer
    assert len(re.findall(rb"HTTP/1\.\d \d{3} ", answer)) == 1, answer
    assert b"<still open>" not in answer, answer
    assert b"Python" not in answer
    assert b"aiohttp" not in answer
    assert kept(service.data) == before
    assert service.anyone.get("/healthz").status == 200


def test_an_upgrade_is_not_made(service: Service) -> None:
    for protocol in (b"websocket", b"h2c"):
        request = (
            b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, close\r\nUpgrade: " + protocol + b"\r\n\r\n"
        )
        answer = exchange(service, raw(service, request))
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert b"101" not in answer.split(b"\r\n", 1)[0]


def refused_uploads(service: Service) -> int:
    with service.site() as site:
        what = JournalFilter(kind="upload.refused")
        return len(site.records.read(lambda unit: unit.journal.find(what, before=None, limit=1000)))


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 500\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    ids=["declared", "chunked"],
)
def test_a_body_that_ends_early_leaves_nothing(service: Service, link: str, head: bytes) -> None:
    before, refused = kept(service.data), refused_uploads(service)
    with service.wire() as wire:
        wire.sendall(raw(service, b"PUT {put} HTTP/1.1\r\nHost: {host}\r\n" + head, link))
        wire.shutdown(socket.SHUT_WR)
        wire.settimeout(10)
        answer = wire.recv(65_536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer
    until = time.monotonic() + 20
    while refused_uploads(service) == refused:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert kept(service.data) == before


def expecting(service: Service, link: str, head: bytes, body: bytes = b"hello") -> tuple[bytes, bytes]:
    """What comes before the body was sent, and all of it. A refusal is all: the server waits a while, then closes."""
    with service.wire() as wire:
        wire.settimeout(5)
        wire.sendall(
            raw(service, b"PUT {put} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n" + head + b"\r\n", link)
        )
        first = wire.recv(65_536)
        whole = first
        if first.startswith(b"HTTP/1.1 100 "):
            wire.sendall(body)
            while piece := wire.recv(65_536):
                whole += piece
        return first, whole


def test_a_client_that_waits_is_told_to_go_on(service: Service, link: str) -> None:
    first, whole = expecting(service, link, b"Expect: 100-continue\r\nContent-Length: 5\r\n")
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"HTTP/1.1 201 Created\r\n" in whole
    assert whole.count(b"100 Continue") == 1


@pytest.mark.parametrize(
    "name, head, status",
    [
        ("too large", b"Expect: 100-continue\r\nContent-Length: 999999999999999\r\n", b"413"),
        ("coded", b"Expect: 100-continue\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n", b"415"),
        ("another expectation", b"Expect: a miracle\r\nContent-Length: 5\r\n", b"417"),
    ],
)
def test_a_client_that_waits_is_refused_before_it_sends(service: Service, link: str, name, head, status) -> None:
    first, whole = expecting(service, link, head)
    assert first.split(b" ", 2)[1] == status
    assert b"100 Continue" not in whole


def test_an_unknown_link_is_refused_before_the_body(service: Service, link: str) -> None:
    first, whole = expecting(service, "/u/nobody", b"Expect: 100-continue\r\nContent-Length: 500000000\r\n")
    assert first.split(b" ", 2)[1] == b"404"
    assert b"100 Continue" not in whole


@pytest.mark.parametrize(
    "name", ["a%0d%0aSet-Cookie: x=y.txt", "a%0aX-Odd: y", "%22; filename=%22evil.html", "a%5c%22.txt"]
)
def test_no_name_gets_into_a_header_but_as_a_name(service: Service, link: str, name: str) -> None:
    sent = service.anyone.put(f"{link}/put/{name.replace(' ', '%20')}", body=b"x").json()
    answer = service.as_("agent").get(f"/api/v1/attachments/{sent['id']}/content")
    assert answer.status == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
    assert answer.headers["Content-Disposition"].isprintable()
    assert "Set-Cookie" not in answer.headers
    assert "X-Odd" not in answer.headers


def test_a_refused_body_does_not_become_the_next_request(service: Service) -> None:
    """S-3: the rest of a refused body is taken in, or the connection is closed."""
    body = raw(service, HIDDEN)
    request = b"PUT /u/nobody/put/a.txt HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n" % len(body)
    follow = b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = exchange(service, raw(service, request) + body + raw(service, follow))
    assert answer.count(b"HTTP/1.1 404 ") == 1
    assert answer.count(b"HTTP/1.1 200 ") <= 1
    large = 8 << 20
    request = b"PUT /u/nobody/put/a.txt HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n" % large
    # Closed with time for the client to read why, so silence is enough here.
    answer = exchange(service, raw(service, request) + b"\0" * (2 << 20) + raw(service, HIDDEN), seconds=1)
    assert answer.count(b"HTTP/1.") <= 1, answer


@pytest.mark.parametrize("name", ["{a}.txt", "a+b c.txt", "100%25.txt", "%FF.txt", "a;b=c.txt", "å%0Aä.txt"])
def test_any_name_can_be_put_into_an_address(service: Service, link: str, name: str) -> None:
    """Once coded it is one segment of the path, and is decoded once (S-44)."""
    sent = service.anyone.put(f"{link}/put/{quote(name, safe='')}", body=b"x")
    assert sent.status == 201
    assert sent.json()["name"] == stored_name(name)


def test_a_connection_that_never_brings_its_head_is_ended_while_others_are_served(service: Service) -> None:
    slow, silent = service.wire(), service.wire()
    for wire in (slow, silent):
        wire.settimeout(40)
    slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    assert service.anyone.get("/healthz").status == 200
    for wire in (slow, silent):
        with wire:
            assert wire.recv(4096).startswith(b"HTTP/1.1 408 ")
            assert wire.recv(4096) == b""
