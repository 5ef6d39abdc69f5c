"""What stand-ins of ticket systems share: HTTP on this machine, weather, and a record of who asked what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """A request. ``query``: its last value by name; ``said``: the JSON of its body."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    said: Any


@dataclass
class Answer:
    """``body``: JSON, or bytes as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class StandIn:
    """``with StandIn() as desk``; subclasses say what is answered. Its clock ticks a second with every change.

    ``storm``: so many requests more are refused with 429; ``down``: nothing but 503; ``bend``: what JSON becomes on its
    way out. ``files``: a second host, which must not be told who we are.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.now = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
        self.asked: list[Asked] = []
        self.storm = 0
        self.down = False
        self.bend: Callable[[Any], Any] = lambda said: said
        self.told: list[str] = []
        """Credentials that the second host was told."""

    def answer(self, asked: Asked) -> Answer:
        """What the API says. Called under the lock."""
        raise AssertionError(asked)

    def file(self, asked: Asked) -> Answer:
        """What the second host says."""
        raise AssertionError(asked)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def __enter__(self) -> Any:
        self._servers = [_serve(self._api), _serve(self._second)]
        api, files = (one.server_address[1] for one in self._servers)
        self.url, self.files_url = f"http://127.0.0.1:{api}", f"http://localhost:{files}"
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._servers:
            one.shutdown()
            one.server_close()

    def _api(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            if self.down:
                return Answer(503)
            if self.storm > 0:
                self.storm -= 1
                return Answer(429, {"error": "slow down"}, {"Retry-After": "0"})
            try:
                found = self.answer(asked)
            except ValueError:  # a page or a cursor that is none
                found = Answer(400, {"error": "bad request"})
            if not isinstance(found.body, bytes):
                found.body = self.bend(found.body)
            return found

    def _second(self, asked: Asked) -> Answer:
        with self.lock:
            self.told += [value for name, value in asked.headers.items() if name in {"authorization", "cookie"}]
            return self.file(asked)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked went away."""


def _serve(answer: Callable[[Asked], Answer]) -> ThreadingHTTPServer:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(raw) if raw else None,
            )
            found = answer(asked)
            body = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
            body = b"" if found.body is None else body
            self.send_response(found.status)
            for name, value in {"Content-Length": str(len(body)), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = _Quiet(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def written(at: datetime) -> str:
    """An instant as most of them write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
