"""The port of the malware scanner (S-47), and a decorator that keeps one that is down from being asked all the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from domain.attachment import Scan
from domain.breaker import Breaker
from domain.errors import ScannerUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``scan``: ``clean``, ``infected`` or ``unscannable``, nothing else. ``signature``: what the scanner calls it, or
    why it could not say. ``engine``: program and signature version that said it."""

    scan: Scan
    signature: str | None
    engine: str


class Scanning(Protocol):
    """The scan of one file, used by one thread at a time. Once it failed it fails again with the same error.

    Its bytes are fed in order; what was fed is sent at once, so a stalling upload is a stalling scan.
    """

    def feed(self, view: bytes | bytearray | memoryview) -> None:
        """Some more bytes, any number; the buffer is free again when it returns. Where the scanner has already
        answered it does nothing. Raises ScannerUnavailable."""

    def verdict(self) -> Verdict:
        """That was all: what the scanner says. Clean only if it said exactly that, of all bytes. Asked again, it gives
        the same. Raises ScannerUnavailable where no answer was to be had: scanning it again later may help."""

    def abort(self) -> None:
        """Leave it; never raises, and after a verdict or another abort does nothing."""


class Scanner(Protocol):
    """A malware scanner; thread-safe."""

    def begin(self) -> Scanning:
        """A new scan; end it by ``verdict`` or ``abort``. Raises ScannerUnavailable."""

    def ping(self) -> None:
        """Raises ScannerUnavailable where it does not answer within its time limit."""

    def engine(self) -> str:
        """Program and version of the signatures, as it names itself. Raises ScannerUnavailable."""

    def limit(self) -> int | None:
        """Bytes of the largest file that it can say ``clean`` of, larger ones are ``unscannable``; None: not known.
        Raises ScannerUnavailable."""


def _tell(back: bool) -> None:
    if back:
        log.info("scanner.back")
    else:
        log.error("scanner.down")


class BreakingScanner:
    """A Scanner that is not asked all the time when it is down: behind a ``Breaker`` of ``failures`` and ``pause`` that
    goes by ``ping`` (S-85). At most ``scans`` at a time (S-86), more are refused as if it were.
    """

    def __init__(
        self,
        scanner: Scanner,
        *,
        failures: int = 3,
        pause: float = 5.0,
        scans: int = 64,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scanner = scanner
        self._breaker = Breaker(
            ScannerUnavailable, scanner.ping, _tell, failures=failures, pause=pause, monotonic=monotonic
        )
        self._places = threading.BoundedSemaphore(scans)

    def begin(self) -> Scanning:
        if not self._places.acquire(blocking=False):
            raise ScannerUnavailable
        try:
            return _Placed(self._breaker.call(self._scanner.begin), self._places.release)
        except BaseException:
            self._places.release()
            raise

    def ping(self) -> None:
        self._breaker.call(self._scanner.ping)

    def engine(self) -> str:
        return self._breaker.call(self._scanner.engine)

    def limit(self) -> int | None:
        return self._breaker.call(self._scanner.limit)


class _Placed:
    """A scan that gives its place back when it ends."""

    def __init__(self, scanning: Scanning, leave: Callable[[], None]) -> None:
        self._scanning = scanning
        self._leave: Callable[[], None] | None = leave

    def feed(self, view: bytes | bytearray | memoryview) -> None:
        self._scanning.feed(view)

    def verdict(self) -> Verdict:
        try:
            return self._scanning.verdict()
        finally:
            self._end()

    def abort(self) -> None:
        self._scanning.abort()
        self._end()

    def _end(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
