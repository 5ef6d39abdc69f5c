"""A stand-in for Freshdesk: its API v2 over HTTP, and the bucket its attachments lie in, on two ports of this machine.

Also by its own name over TLS, through its ``CONNECT``: clients that insist on it take it as their proxy. ``meeting`` is
told of every request as it comes and, once more, when it took effect and before it is answered: there things break.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.desks.freshdesk_account import Account
from tests.desks.freshdesk_answers import Problem, when
from tests.desks.freshdesk_api import Call

HOST = "acme.freshdesk.com"


@dataclass
class Asked:
    """A request that was answered, the bucket's too (``place`` ``bucket``)."""

    place: str
    method: str
    path: str
    query: dict[str, str]
    status: int
    at: float


@dataclass
class Weather:
    """What goes wrong by itself. ``down``: nothing but 503. ``storm``: so many requests more are refused with 429, each
    asking for ``retry_after`` seconds. ``cut``: so many downloads more break off half-way."""

    down: bool = False
    storm: int = 0
    retry_after: int = 0
    cut: int = 0


def unbent(said: Any) -> Any:
    """Goes out as it is."""
    return said


def unmet(moment: str, method: str, path: str) -> None:
    """Nobody is told."""


@dataclass
class Freshdesk:
    """The running stand-in; ``with Freshdesk() as desk``."""

    account: Account = field(default_factory=Account)
    weather: Weather = field(default_factory=Weather)
    meeting: Callable[[str, str, str], None] = unmet
    """``moment`` is ``before`` or ``done``."""
    asked: list[Asked] = field(default_factory=list)
    bend: Callable[[Any], Any] = unbent
    """What JSON becomes on its way out."""
    certificate: tuple[str, str] | None = None
    """Files of a certificate and its key, for ``CONNECT``."""
    _calls: list[float] = field(default_factory=list)

    def __enter__(self) -> Freshdesk:
        self._servers = [_Server(self, _Api), _Server(self, _Bucket)]
        for one in self._servers:
            Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
        self.begin(self.account)
        return self

    def begin(self, account: Account) -> None:
        """Serve another account, in fair weather, as if nothing had been asked before."""
        api, bucket = (one.server_address[1] for one in self._servers)
        account.base = self.url = f"http://127.0.0.1:{api}"
        # By another name, as the real one's bucket has.
        account.bucket = f"http://localhost:{bucket}"
        self.account, self.weather, self.meeting, self.bend = account, Weather(), unmet, unbent
        self.asked.clear()
        self._calls.clear()

    def __exit__(self, *_: object) -> None:
        for one in self._servers:
            one.shutdown()
            one.server_close()

    def calls(self, method: str = "", path: str = "") -> list[Asked]:
        """Requests to the API of a method whose path matches a pattern."""
        return [
            one
            for one in list(self.asked)
            if one.place == "api" and method in {"", one.method} and re.search(path, one.path)
        ]

    def used(self, credits: int) -> tuple[int, float]:
        """Count a call; how many of this minute are left, and for how long it lasts. Less than none: over the limit."""
        now = monotonic()
        self._calls = [at for at in self._calls if at > now - 60]
        self._calls += [now] * credits
        return self.account.calls_a_minute - len(self._calls), 60 - (now - self._calls[0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, desk: Freshdesk, handler: type[_Answering]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.desk = desk

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed here."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    place = "api"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    @property
    def desk(self) -> Freshdesk:
        return self.server.desk

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        self.desk.asked.append(
            Asked(self.place, self.command, parts.path, dict(parse_qsl(parts.query)), status, monotonic())
        )
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Bucket(_Answering):
    """S3, as far as a pre-signed address goes."""

    place = "bucket"

    def do_GET(self) -> None:
        account, weather = self.desk.account, self.desk.weather
        self.desk.meeting("before", "GET", "/bucket")
        try:
            with account.lock:
                file = account.opened_address(self.path, authorised="Authorization" in self.headers)
        except Problem as problem:
            self.answer(problem.status, f"<Error><Code>{problem.body}</Code></Error>".encode(), {})
            return
        if weather.cut > 0:
            weather.cut -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(file.content)))
            self.end_headers()
            self.wfile.write(file.content[: len(file.content) // 2])
            self.close_connection = True
            return
        self.answer(200, file.content, {"Content-Type": file.content_type})
        self.wfile.flush()
        with account.lock:
            account.note_down("download", file.id)
        self.desk.meeting("done", "GET", "/bucket")


class _Api(_Answering):
    def do_CONNECT(self) -> None:
        """A tunnel that ends here: we are who the client wants to speak to."""
        if self.desk.certificate is None or self.path != f"{HOST}:443":
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.desk.certificate)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.close()

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        headers: dict[str, str] = {"Content-Type": "application/json; charset=utf-8"}
        try:
            self.desk.meeting("before", self.command, path)
            with self.desk.account.lock:
                self._pass(headers)
                status, found, more = Call(
                    self.desk.account, self.command, self.path, self.headers.get("Content-Type", ""), body
                ).answer()
            headers |= more
            if self.desk.bend is not unbent:
                found = self.desk.bend(json.loads(json.dumps(found, default=when)))
            self.desk.meeting("done", self.command, path)
        except Problem as problem:
            status, found = problem.status, problem.body
            headers |= problem.headers
        self.answer(status, b"" if found is None else json.dumps(found, default=when).encode(), headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815

    def _pass(self, headers: dict[str, str]) -> None:
        """Weather, credentials, rate. Raises Problem."""
        account, weather = self.desk.account, self.desk.weather
        if weather.down:
            raise Problem(503)
        include = dict(parse_qsl(urlsplit(self.path).query)).get("include", "")
        left, over = self.desk.used(1 + len([one for one in include.split(",") if one]))
        headers |= {
            "X-RateLimit-Total": str(account.calls_a_minute),
            "X-RateLimit-Remaining": str(max(left, 0)),
            "X-RateLimit-Used-CurrentRequest": "1",
        }
        too_many = {"message": "You have exceeded the limit of requests per minute"}
        if weather.storm > 0:
            weather.storm -= 1
            raise Problem(429, too_many, {"Retry-After": str(weather.retry_after)})
        if left < 0:
            raise Problem(429, too_many, {"Retry-After": str(int(over) + 1)})
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        with contextlib.suppress(ValueError):
            if kind == "Basic" and base64.b64decode(word).decode().split(":")[0] == account.key:
                return
        raise Problem(
            401, {"code": "invalid_credentials", "message": "You have to be logged in to perform this action."}
        )
