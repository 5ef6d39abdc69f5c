"""Connections that go where ``Reach`` allows, and nowhere else: looked up once, checked, and then connected to (S-68).

A name that resolves to something else a moment later changes nothing: what was checked is what is connected to.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from threading import Event, Timer
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, ProtocolError

from tickets.reach import Reach

CONNECT_SECONDS = 10.0


class AddressRefused(HTTPError):
    """None of a name's addresses may be connected to."""


class _Checked(HTTPConnection):
    """The part that both kinds share. ``reach`` and ``answer_seconds`` come by the pool's ``conn_kw``."""

    reach: Reach
    answer_seconds: float

    def _new_conn(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror()) from error
        allowed = [one for one in found if self.reach.allows(str(one[4][0]))]
        if not allowed:
            raise AddressRefused
        failure: OSError | None = None
        for family, kind, protocol, _, place in allowed:
            connected = socket.socket(family, kind, protocol)
            try:
                connected.settimeout(CONNECT_SECONDS)
                connected.connect(place)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connected.close()
                failure = error
            else:
                return connected
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, "no connection") from failure

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 answers with its own
        """Within ``answer_seconds`` altogether: a time-out for each piece alone would let the head drip for ever."""
        late = Event()
        cut = Timer(self.answer_seconds, self._cut, [self.sock, late])
        cut.daemon = True
        cut.start()
        try:
            answer = super().getresponse()
        finally:
            cut.cancel()
        if late.is_set():  # a head that ends in the middle passes for a whole one
            answer.close()
            self.close()
            raise ProtocolError("no answer in time")
        return answer

    @staticmethod
    def _cut(connected: socket.socket, late: Event) -> None:
        late.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)


class CheckedHttp(_Checked):
    """In clear: to this machine alone."""

    def __init__(self, *args: Any, reach: Reach, answer_seconds: float, **how: Any) -> None:
        self.reach = reach
        self.answer_seconds = answer_seconds
        super().__init__(*args, **how)


class CheckedHttps(_Checked, HTTPSConnection):
    """Over TLS, the certificate checked against the name."""

    def __init__(self, *args: Any, reach: Reach, answer_seconds: float, **how: Any) -> None:
        self.reach = reach
        self.answer_seconds = answer_seconds
        super().__init__(*args, **how)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = CheckedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = CheckedHttps


def pool(
    scheme: str, host: str, port: int, *, reach: Reach, answer_seconds: float, parallel: int, ca: str | None
) -> HTTPConnectionPool:
    """Connections to one origin, kept and shared by threads. ``ca``: a file of certificates to trust instead of the
    system's."""
    if scheme == "http":
        return _HttpPool(host, port, maxsize=parallel, reach=reach, answer_seconds=answer_seconds)
    return _HttpsPool(
        host,
        port,
        maxsize=parallel,
        reach=reach,
        answer_seconds=answer_seconds,
        ssl_context=ssl.create_default_context(cafile=ca),
    )
