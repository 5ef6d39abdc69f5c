"""One conversation with clamd: a file in frames, and what its answer means (INSTREAM, clamd(8); S-47)."""

from __future__ import annotations

import logging
import socket
import struct
import time

from domain.attachment import Scan
from domain.errors import ScannerUnavailable
from transfer.scanner import Verdict

log = logging.getLogger(__name__)

FRAME = 256 << 10
ENGINE_CAP = (1 << 31) - 3
"""Bytes; ClamAV leaves larger files unscanned whatever its settings say."""
TOO_LARGE = b"INSTREAM size limit exceeded. ERROR"
_ANSWER_CAP = 4096
_NOT_SCANNED = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")


class Stream:
    """One INSTREAM. ``limit``: bytes above which its word is not asked for."""

    def __init__(
        self, connection: socket.socket, engine: str, limit: int | None, send_limit: float, answer_limit: float
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._limit = ENGINE_CAP if limit is None else limit
        self._send_limit = send_limit
        self._answer_limit = answer_limit
        self._fed = 0
        self._verdict: Verdict | None = None
        self._failed = False

    def open(self) -> None:
        self._send(b"zINSTREAM\0")

    def feed(self, view: bytes | bytearray | memoryview) -> None:
        self._check()
        whole = memoryview(view).cast("B")
        self._fed += len(whole)
        if self._verdict is None and self._fed > self._limit:
            self._settle(Verdict(Scan.UNSCANNABLE, "size-limit", self._engine))
        for start in range(0, len(whole), FRAME):
            if self._verdict is not None:
                return
            frame = whole[start : start + FRAME]
            self._send(struct.pack(">I", len(frame)), frame)

    def verdict(self) -> Verdict:
        self._check()
        if self._verdict is None and self._has_spoken():
            self._settle(self._judged(early=True))
        if self._verdict is None:
            self._send(bytes(4))
        if self._verdict is None:
            self._settle(self._judged(early=False))
        assert self._verdict is not None  # noqa: S101 -- for the type checker: _settle has set it
        return self._verdict

    def abort(self) -> None:
        if self._verdict is None:
            self._failed = True
        self._connection.close()

    def _check(self) -> None:
        if self._failed:
            raise ScannerUnavailable

    def _send(self, *parts: bytes | memoryview) -> None:
        """Where clamd has hung up, its answer, given before all was sent, is still there to be read."""
        try:
            self._connection.settimeout(self._send_limit)
            for part in parts:
                self._connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            self._settle(self._judged(early=True))
        except OSError as error:
            raise self._broken() from error

    def _has_spoken(self) -> bool:
        try:
            self._connection.setblocking(False)
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._broken() from error

    def _judged(self, *, early: bool) -> Verdict:
        try:
            answer = heard(self._connection, self._answer_limit)
        except OSError as error:
            raise self._broken() from error
        if answer is None:
            raise self._broken()
        found = judgement(answer, early=early)
        if found is None:
            log.warning("scanner.failed", extra={"answer": printable(answer)})
            raise self._broken()
        return Verdict(*found, self._engine)

    def _settle(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._connection.close()

    def _broken(self) -> ScannerUnavailable:
        self._failed = True
        self._connection.close()
        return ScannerUnavailable()


def judgement(answer: bytes, *, early: bool) -> tuple[Scan, str | None] | None:
    """What an answer means (S-47); None: nothing, scan it again. ``early``: it came before all bytes were sent, so it
    cannot mean clean."""
    if answer == b"stream: OK" and not early:
        return Scan.CLEAN, None
    if answer.startswith(b"stream: ") and answer.endswith(b" FOUND"):
        name = printable(answer[len(b"stream: ") : -len(b" FOUND")])
        return (Scan.UNSCANNABLE if name.startswith(_NOT_SCANNED) else Scan.INFECTED), name
    if answer == TOO_LARGE:
        return Scan.UNSCANNABLE, "size-limit"
    if answer.endswith(b"ERROR"):
        # "stream: … ERROR" is about this file. But libclamav's own troubles with disk and memory ("Can't …"), and what
        # clamd says of itself (a time-out, a full disk), are not: they pass.
        about_file = answer.startswith(b"stream: ") and not answer.startswith(b"stream: Can't ")
        return (Scan.UNSCANNABLE, "error") if about_file else None
    return Scan.UNSCANNABLE, "unknown-answer"


def heard(connection: socket.socket, limit: float) -> bytes | None:
    """One answer, up to its NUL, within ``limit`` seconds; None where it hangs up before. Raises OSError.

    What follows the NUL belongs to the answer: then it is none that anybody knows.
    """
    end = time.monotonic() + limit
    answer = bytearray()
    while b"\0" not in answer and len(answer) < _ANSWER_CAP:
        connection.settimeout(max(end - time.monotonic(), 0.001))
        part = connection.recv(_ANSWER_CAP)
        if not part:
            return None
        answer += part
    return bytes(answer).removesuffix(b"\0")


def printable(answer: bytes) -> str:
    """An answer as text that may be kept and shown: 200 characters of ASCII at the most."""
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in answer[:200])
