"""The store of the audit log: append only, numbered without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """``body`` is the canonical JSON that counts (RFC 8785); the other columns repeat it for queries, no more."""

    index: int
    body: bytes
    leaf: bytes
    at: datetime
    kind: str
    subject: str | None
    principal_id: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed point of the log: ``note`` is a C2SP signed note over (origin, size, root)."""

    size: int
    root: bytes
    note: str
    frontier: bytes
    """Hashes of the perfect subtrees that cover ``size`` leaves, largest first, 32 bytes each."""
    at: datetime
    exported_at: datetime | None


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """What a query of the log is narrowed to."""

    kind: str | None = None
    subject: str | None = None
    principal_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Journal(Protocol):
    """Entries and checkpoints."""

    def size(self) -> int:
        """How many entries there are; the next one's index."""
        ...

    def append(self, entry: JournalEntry) -> None:
        """Add the entry whose index is ``size()``. Raises StateConflict on any other index."""
        ...

    def entries(self, start: int, limit: int) -> Sequence[JournalEntry]:
        """Entries from an index on, in order."""
        ...

    def find(self, what: JournalFilter, *, before: int | None, limit: int) -> Sequence[JournalEntry]:
        """Matching entries, newest first, beginning below an index."""
        ...

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint. Raises StateConflict where one of that size has another root (S-89)."""
        ...

    def last_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint."""
        ...

    def checkpoints(self, start_size: int, limit: int) -> Sequence[Checkpoint]:
        """Checkpoints from a size on, in order."""
        ...

    def mark_exported(self, size: int, *, at: datetime) -> None:
        """The checkpoint of that size is in the second place too."""
        ...
