"""What stands between a node and an S3 store and speaks HTTP: passes everything on, but for what a fault is set for.

Host and path go on as they came, so that signatures stay right. ``tests/faults/proxy.py`` is for faults of the wire.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """One answer. ``cut``: so many bytes of the body are sent, and then the connection ends."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: int | None = None


Onward = Callable[[Asked], Answered]
Fault = Callable[[Asked, Onward], Answered]
Match = Callable[[Asked], bool]


# -- which requests ----------------------------------------------------------------------------------------------------
def anything(_: Asked) -> bool:
    """Every request."""
    return True


def of(*methods: str, query: str = "", without: str | None = None) -> Match:
    """Requests of these methods with that in their query, and without that."""

    def match(asked: Asked) -> bool:
        said = urlsplit(asked.target).query
        return asked.method in methods and query in said and (without is None or without not in said)

    return match


# -- what happens to them ----------------------------------------------------------------------------------------------
def _document(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()


def _said(status: int, code: str) -> Answered:
    return Answered(status, (("Content-Type", "application/xml"),), _document(code))


def refused(status: int, code: str) -> Fault:
    """The store answers with an error, and does nothing."""
    return lambda _asked, _onward: _said(status, code)


def denied_although_done(status: int, code: str) -> Fault:
    """The store does what it is asked, and answers with an error all the same."""

    def fault(asked: Asked, onward: Onward) -> Answered:
        onward(asked)
        return _said(status, code)

    return fault


def error_in_success(code: str = "InternalError") -> Fault:
    """200, and the error in the body, as S3 may answer what takes long; nothing was done."""
    return lambda _asked, _onward: _said(200, code)


def truncated(asked: Asked, onward: Onward) -> Answered:
    """Half of the body, and then the end of the connection."""
    answer = onward(asked)
    return replace(answer, cut=len(answer.body) // 2)


def short_and_proud(asked: Asked, onward: Onward) -> Answered:
    """Half of the body, under a length that says so: nothing on the wire is wrong."""
    answer = onward(asked)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def corrupted_answer(asked: Asked, onward: Onward) -> Answered:
    """A byte in the middle of what comes back is another."""
    answer = onward(asked)
    return replace(answer, body=flipped(answer.body))


def corrupted_request(asked: Asked, onward: Onward) -> Answered:
    """A byte in the middle of what goes there is another."""
    return onward(replace(asked, body=flipped(asked.body)))


def flipped(body: bytes) -> bytes:
    """The same bytes, but for one."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :] if body else body


class Answers:
    """``with Answers(endpoint) as between``: at ``between.url``. ``set`` a fault, ``clear`` them all; ``met`` counts
    the requests that met one."""

    def __init__(self, endpoint: str) -> None:
        self._where = urlsplit(endpoint).netloc
        self._lock = Lock()
        self._faults: list[tuple[Match, Fault, int]] = []
        self.met = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._routes())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, name="answers", daemon=True)

    def __enter__(self) -> Answers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def set(self, match: Match, fault: Fault, times: int = 1 << 30) -> None:
        """The next ``times`` requests that match meet the fault."""
        with self._lock:
            self._faults.append((match, fault, times))

    def clear(self) -> int:
        """All is well again; how many requests met a fault."""
        with self._lock:
            self._faults.clear()
            met, self.met = self.met, 0
        return met

    def fault(self, asked: Asked) -> Fault | None:
        """The fault of this request, if there is one."""
        with self._lock:
            for n, (match, fault, times) in enumerate(self._faults):
                if times and match(asked):
                    self._faults[n] = (match, fault, times - 1)
                    self.met += 1
                    return fault
        return None

    def onward(self, asked: Asked) -> Answered:
        """What the store itself answers."""
        connection = HTTPConnection(self._where, timeout=60)
        try:
            connection.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers:
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(asked.body or None)
            answer = connection.getresponse()
            body = answer.read()
            kept = tuple(one for one in answer.getheaders() if one[0].lower() not in {*HOP_BY_HOP, "content-length"})
            if asked.method == "HEAD":
                kept += (("Content-Length", answer.headers["Content-Length"] or "0"),)
            return Answered(answer.status, kept, body)
        finally:
            connection.close()

    def _routes(self) -> type[BaseHTTPRequestHandler]:
        between = self

        class Route(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            disable_nagle_algorithm = True

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, tuple(self.headers.items()), body)
                fault = between.fault(asked)
                try:
                    answer = between.onward(asked) if fault is None else fault(asked, between.onward)
                except (OSError, HTTPException):
                    self.close_connection = True
                    return
                self._send(answer)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 (names that the base class asks for)

            def _send(self, answer: Answered) -> None:
                with suppress(ConnectionError):
                    self.send_response_only(answer.status)
                    for name, value in answer.headers:
                        self.send_header(name, value)
                    if self.command != "HEAD":
                        self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(answer.body[: answer.cut])
                if answer.cut is not None:
                    self.close_connection = True
                    with suppress(OSError):
                        self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is logged."""

        return Route
