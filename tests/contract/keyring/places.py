"""Where rings of each engine keep their keys: every test gets a place of its own, and any number of rings on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Protocol

from crypto import KeyRing, OpenedKeys, Portable
from crypto.key_file import FileKeyRing
from crypto.key_managed import ManagedKeyRing
from crypto.key_memory import MemoryKeyRing
from crypto.master_key import MasterKey

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def much_later() -> datetime:
    """A clock by which everything was retired long ago."""
    return NOW + timedelta(days=400)


class Ring(KeyRing, Portable, Protocol):
    """What every ring of ours is."""


class Place(Protocol):
    """One installation's keys. ``create`` and ``create_from`` once, then ``open`` as often as one likes."""

    def create(self) -> Ring: ...

    def create_from(self, document: OpenedKeys) -> Ring: ...

    def open(self) -> Ring: ...


class MemoryPlace:
    """One ring is all there is: another process has no memory of it."""

    def __init__(self) -> None:
        self._ring: MemoryKeyRing | None = None

    def create(self) -> Ring:
        self._ring = MemoryKeyRing(NOW)
        return self._ring

    def create_from(self, document: OpenedKeys) -> Ring:
        self._ring = MemoryKeyRing.create_from(document)
        return self._ring

    def open(self) -> Ring:
        assert self._ring is not None
        return self._ring


class FilePlace:
    """A key file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> Ring:
        return FileKeyRing.create(self.path, NOW)

    def create_from(self, document: OpenedKeys) -> Ring:
        return FileKeyRing.create_from(self.path, document)

    def open(self) -> Ring:
        return FileKeyRing(self.path)


class MemoryDocuments:
    """``KeyDocuments`` in memory; ``past`` is what any backup may hold."""

    def __init__(self) -> None:
        self.text: bytes | None = None
        self.past: list[bytes] = []
        self._lock = Lock()

    def load(self) -> bytes | None:
        return self.text

    def replace(self, old: bytes | None, new: bytes) -> bool:
        with self._lock:
            if self.text != old:
                return False
            self.text = new
            self.past.append(new)
            return True


class ManagedPlace:
    """A key manager and a document."""

    def __init__(self, master: Callable[[], MasterKey]) -> None:
        self.master = master
        self.documents = MemoryDocuments()

    def create(self) -> Ring:
        ManagedKeyRing.create(self.master(), self.documents, lambda: NOW)
        return self.open()

    def create_from(self, document: OpenedKeys) -> Ring:
        return ManagedKeyRing.create_from(self.master(), self.documents, much_later, document)

    def open(self) -> ManagedKeyRing:
        return ManagedKeyRing(self.master(), self.documents, much_later)
