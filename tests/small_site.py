"""A whole site below the web, on the embedded database in a temporary folder: what floor 3's unit tests stand on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import Export, Log
from crypto import Signer
from crypto.key_memory import MemoryKeyRing
from keys import Keys
from storage.records.sqlite import open_site

START = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


class MemoryExport:
    """A second place in memory; ``full`` makes it refuse."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.full = False

    def append(self, note: str) -> None:
        if self.full:
            raise OSError("no space left")
        self.notes.append(note)

    def last(self) -> str | None:
        return self.notes[-1] if self.notes else None


class SmallSite:
    """Clock, keys, records and log of one installation."""

    def __init__(self, folder: Path, export: Export | None = None) -> None:
        self.clock = FakeClock()
        self.records = open_site(folder, self.clock)
        self.ring = MemoryKeyRing(self.clock())
        self.keys = Keys(self.ring)
        self.signer = Signer(f"bilaga/{self.ring.installation}", self.ring.secret("audit"))
        self.log = Log(self.signer, self.clock, self.ring.installation, export)

    def close(self) -> None:
        self.records.close()
