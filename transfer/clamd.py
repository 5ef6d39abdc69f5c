"""The Scanner that is a clamd, by its own protocol (INSTREAM; clamd(8)) over a Unix socket or TCP (S-47).

clamd's own settings decide what its ``OK`` is worth, and it tells none of them. So before the first verdict, and again
whenever it names another version of its signatures, it is tried out with files that it must not call clean.
"""

from __future__ import annotations

import errno
import logging
import random
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

from domain.attachment import Scan
from domain.errors import Misconfigured, ScannerUnavailable
from transfer.instream import ENGINE_CAP, TOO_LARGE, Stream, heard, printable
from transfer.probes import EICAR, encrypted, nested
from transfer.scanner import Scanning, Verdict

log = logging.getLogger(__name__)

_PROBE_LIMIT = 30.0
"""Seconds for the verdict on a file of ours, all of them small."""


class ClamdScanner:
    """``url``: ``unix:/path`` or ``tcp://host:port``; Misconfigured where it is neither. Limits are seconds.

    Thread-safe; holds no connection between scans, so a clamd that was restarted is simply there again.
    """

    def __init__(
        self, url: str, *, connect_limit: float = 5.0, send_limit: float = 30.0, answer_limit: float = 300.0
    ) -> None:
        self._address = _parsed(url)
        self._connect_limit = connect_limit
        self._send_limit = send_limit
        self._answer_limit = answer_limit
        self._proof = threading.Lock()
        self._proven: str | None = None  # the engine that was tried out, and with it the limit
        self._limit: int | None = None

    def check_start(self, max_file_size: int) -> None:
        """Try it out, and compare its limit with ours. Raises Misconfigured where its ``OK`` would mean nothing,
        ScannerUnavailable where it is down: then the first scan does this."""
        self._prove(self.engine())
        if self._limit is not None and self._limit < max_file_size:
            log.warning("scanner.limit-low", extra={"limit": self._limit, "max_file_size": max_file_size})

    def begin(self) -> Scanning:
        engine = self.engine()
        try:
            self._prove(engine)
        except Misconfigured as error:
            log.error("scanner.unfit", extra={"reason": error.detail})
            raise ScannerUnavailable from error
        return self._stream(engine, self._limit, self._answer_limit)

    def ping(self) -> None:
        if self._asked(b"zPING\0") != "PONG":
            raise ScannerUnavailable

    def engine(self) -> str:
        return self._asked(b"zVERSION\0")

    def limit(self) -> int | None:
        if self._proven is None:
            self._prove(self.engine())
        return self._limit

    def _asked(self, command: bytes) -> str:
        with self._connected() as connection:
            try:
                connection.sendall(command)
                answer = heard(connection, self._connect_limit)
            except OSError as error:
                raise ScannerUnavailable from error
        if not answer:
            raise ScannerUnavailable
        return printable(answer)

    def _connected(self) -> socket.socket:
        end = time.monotonic() + self._connect_limit
        for attempt in range(3):
            try:
                return _connection(self._address, max(end - time.monotonic(), 0.01))
            except OSError as error:
                # A full backlog of a Unix socket, and a clamd that is just starting: worth another try.
                if attempt == 2 or error.errno not in {errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT}:
                    raise ScannerUnavailable from error
                time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 -- jitter, no secret
        raise AssertionError("unreachable")

    def _stream(self, engine: str, limit: int | None, answer_limit: float) -> Stream:
        stream = Stream(self._connected(), engine, limit, self._send_limit, answer_limit)
        stream.open()
        return stream

    # -- What its "OK" is worth --------------------------------------------------------------------------------------
    def _prove(self, engine: str) -> None:
        with self._proof:
            if engine == self._proven:
                return
            if self._scanned(engine, EICAR).scan is not Scan.INFECTED:
                raise Misconfigured("CLAMD_URL: clamd does not find the EICAR test file; are its signatures loaded?")
            if self._scanned(engine, nested()).scan is Scan.CLEAN:
                raise Misconfigured(
                    "CLAMD_URL: clamd calls files clean that it did not scan to their end; set AlertExceedsMax yes"
                )
            if self._scanned(engine, encrypted()).scan is Scan.CLEAN:
                raise Misconfigured("CLAMD_URL: clamd calls encrypted archives clean; set AlertEncrypted yes")
            self._limit = self._found_limit()
            self._proven = engine
            log.info("scanner.proven", extra={"engine": engine, "limit": self._limit})

    def _scanned(self, engine: str, content: bytes) -> Verdict:
        stream = self._stream(engine, None, min(self._answer_limit, _PROBE_LIMIT))
        try:
            stream.feed(content)
            return stream.verdict()
        finally:
            stream.abort()

    def _found_limit(self) -> int | None:
        """Its StreamMaxLength, capped: clamd judges a frame by its length before it has a byte of it, so the limit can
        be found without sending any. None where what speaks there behaves otherwise."""
        known = self._limit
        if known is not None and self._takes(known) and (known == ENGINE_CAP or self._takes(known + 1) is False):
            return known
        low, high = 0, ENGINE_CAP + 1  # it takes low, and does not take high
        if self._takes(ENGINE_CAP):
            return ENGINE_CAP
        while high - low > 1:
            middle = (low + high) // 2
            takes = self._takes(middle)
            if takes is None:
                return None
            low, high = (middle, high) if takes else (low, middle)
        return low or None

    def _takes(self, size: int) -> bool | None:
        """Whether it would take that many bytes in one stream: we announce them, and hang up."""
        with self._connected() as connection:
            try:
                connection.sendall(b"zINSTREAM\0" + struct.pack(">I", size))
                connection.shutdown(socket.SHUT_WR)
                answer = heard(connection, self._connect_limit)
            except OSError as error:
                raise ScannerUnavailable from error
        return {None: True, TOO_LARGE: False}.get(answer)


def _parsed(url: str) -> str | tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return parts.path
    if parts.scheme == "tcp" and parts.hostname and not parts.path.strip("/"):
        return parts.hostname, 3310 if port is None else port
    raise Misconfigured("CLAMD_URL: needs unix:/path or tcp://host:port")


def _connection(address: str | tuple[str, int], limit: float) -> socket.socket:
    if isinstance(address, tuple):
        connection = socket.create_connection(address, limit)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
