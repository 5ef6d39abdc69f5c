"""A Scanner of the tests' own, that passes the contract suite: it finds what the clamd of services/ finds."""

from __future__ import annotations

import io
import zipfile

from domain.attachment import Scan
from domain.errors import ScannerUnavailable
from transfer.probes import EICAR
from transfer.scanner import Scanning, Verdict

PATTERN = b"BILAGA-TEST-PATTERN-1"
_DEEPEST = 16


class FakeScanner:
    """``down`` True: it is not there, for scans under way either. ``version`` is part of its name."""

    def __init__(self, limit: int | None = None, *, version: int = 1) -> None:
        self.down = False
        self.version = version
        self.begun = 0
        self._limit = limit

    def begin(self) -> Scanning:
        self.ping()
        self.begun += 1
        return _FakeScanning(self)

    def ping(self) -> None:
        if self.down:
            raise ScannerUnavailable

    def engine(self) -> str:
        self.ping()
        return f"Fake 1.0/{self.version}"

    def limit(self) -> int | None:
        self.ping()
        return self._limit

    def judge(self, content: bytes) -> Verdict:
        found = _look(content, 0)
        if self._limit is not None and len(content) > self._limit:
            found = Scan.UNSCANNABLE, "size-limit"
        return Verdict(*found, self.engine())


class _FakeScanning:
    def __init__(self, scanner: FakeScanner) -> None:
        self._scanner = scanner
        self._content = bytearray()
        self._verdict: Verdict | None = None
        self._failed = False

    def feed(self, view: bytes | bytearray | memoryview) -> None:
        self._check()
        if self._verdict is None:
            self._content += view

    def verdict(self) -> Verdict:
        if self._verdict is None:
            self._check()
            self._verdict = self._scanner.judge(bytes(self._content))
        return self._verdict

    def abort(self) -> None:
        self._failed = self._failed or self._verdict is None

    def _check(self) -> None:
        self._failed = self._failed or self._scanner.down
        if self._failed:
            raise ScannerUnavailable


def _look(content: bytes, depth: int) -> tuple[Scan, str | None]:
    if content.startswith(EICAR):
        return Scan.INFECTED, "Eicar-Test-Signature"
    if PATTERN in content:
        return Scan.INFECTED, "Bilaga.Test.Pattern1"
    if not content.startswith(b"PK\x03\x04"):
        return Scan.CLEAN, None
    if depth >= _DEEPEST:
        return Scan.UNSCANNABLE, "Heuristics.Limits.Exceeded.MaxRecursion"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.flag_bits & 1:
                return Scan.UNSCANNABLE, "Heuristics.Encrypted.Zip"
            scan, name = _look(archive.read(member), depth + 1)
            if scan is not Scan.CLEAN:
                return scan, name
    return Scan.CLEAN, None
