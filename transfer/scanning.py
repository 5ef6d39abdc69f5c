"""A body's malware scan while it comes in, and what its verdict makes of the file (S-47)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from domain.attachment import AttachmentState, Scan

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    state: AttachmentState
    scan: Scan
    scanned_by: str | None = None


class BodyScan:
    def __init__(self, scanner: Any) -> None:
        self._scanner = scanner

    def feed(self, chunk: bytes | memoryview) -> None:
        pass

    def verdict(self) -> Verdict:
        return Verdict(AttachmentState.AVAILABLE, Scan.NONE)

    def close(self) -> None:
        pass
