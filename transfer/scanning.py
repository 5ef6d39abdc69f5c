"""A body's malware scan while it comes in, and what its verdict makes of the file (S-47)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from domain.attachment import AttachmentState, Scan
from domain.errors import Infected, ScannerUnavailable
from transfer.scanner import Scanner, Scanning, Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scan, or the lack of one, makes of a file. ``engine`` and ``signature``: as the scanner said."""

    state: AttachmentState
    scan: Scan
    engine: str | None = None
    signature: str | None = None


UNSCANNED = Outcome(AttachmentState.AVAILABLE, Scan.NONE)
"""No scanner is configured; everything that shows the file says so."""
PUT_OFF = Outcome(AttachmentState.SCANNING, Scan.PENDING)
"""The scanner failed on the way: the file is kept, sealed, and scanned again before anybody gets it."""


def outcome_of(verdict: Verdict) -> Outcome:
    """Available for exactly ``clean``; whatever else was said, locked away."""
    state = AttachmentState.AVAILABLE if verdict.scan is Scan.CLEAN else AttachmentState.QUARANTINED
    return Outcome(state, verdict.scan, verdict.engine, verdict.signature)


class BodyScan:
    """The scan of one body. Raises ScannerUnavailable only when it is made: before the first byte."""

    def __init__(self, scanner: Scanner | None) -> None:
        self._scanning: Scanning | None = None if scanner is None else scanner.begin()
        self._configured = scanner is not None

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Some more of the body."""
        if self._scanning is not None:
            try:
                self._scanning.feed(chunk)
            except ScannerUnavailable:
                self._put_off()

    def outcome(self) -> Outcome:
        """The body has ended. Raises Infected."""
        if not self._configured:
            return UNSCANNED
        if self._scanning is None:
            return PUT_OFF
        try:
            verdict = self._scanning.verdict()
        except ScannerUnavailable:
            self._put_off()
            return PUT_OFF
        if verdict.scan is Scan.INFECTED:
            raise Infected(signature=verdict.signature)
        return outcome_of(verdict)

    def close(self) -> None:
        """Let go of it."""
        if self._scanning is not None:
            self._scanning.abort()

    def _put_off(self) -> None:
        log.warning("scan.put-off")
        self.close()
        self._scanning = None
