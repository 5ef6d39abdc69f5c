"""Requests to OpenBao's (or Vault's) HTTP API: one connection a request, and an end within seconds."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crypto.master_key import MasterRefused
from domain.errors import KeysUnavailable

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
_MAX_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A status below 500, and the JSON that came with it, if any."""

    status: int
    body: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        """What an answer to a question is about."""
        found = self.body.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def errors(self) -> str:
        """What it complains of, in its own words: names of keys and rules, never a value."""
        found = self.body.get("errors")
        return "; ".join(str(one) for one in found)[:200] if isinstance(found, list) else ""


class OpenbaoServer:
    """A server and what to show it. Thread-safe. ``tls`` None: plain HTTP."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, headers: Mapping[str, str]) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._headers = {"Content-Type": "application/json", "Connection": "close", **headers}

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """Raises KeysUnavailable where no answer came or it was "not now", MasterRefused where there is no talking."""
        connection = self._connection()
        # A time-out of the socket starts anew with each byte; this one does not.
        watch = threading.Timer(CONNECT_SECONDS + ANSWER_SECONDS, _cut, [connection])
        watch.daemon = True
        watch.start()
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            text = None if body is None else json.dumps(body).encode()
            connection.request(method, path, text, dict(self._headers))
            return _answer(connection.getresponse())
        except ssl.SSLCertVerificationError as failure:
            raise MasterRefused(f"shows a certificate that is not trusted: {failure.verify_message}") from failure
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as failure:
            raise KeysUnavailable from failure
        except ssl.SSLError as failure:
            raise MasterRefused(f"does not speak TLS with us: {failure.reason}") from failure
        except (OSError, http.client.HTTPException) as failure:
            raise KeysUnavailable from failure
        finally:
            watch.cancel()
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
        return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=self._tls)


def _answer(response: http.client.HTTPResponse) -> Answer:
    text = response.read(_MAX_ANSWER)
    status = response.status
    if 300 <= status < 400:
        raise MasterRefused("sends us on to another address; name that one")
    # 429 and 47x: too many questions, a standby that cannot answer; 503: sealed. All of it may be over soon.
    if status >= 500 or status in {412, 429, 472, 473}:
        raise KeysUnavailable
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise MasterRefused("answers in no words that we know; is it OpenBao or Vault?")
    return Answer(status, body)


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)
