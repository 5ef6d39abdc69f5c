"""The port of the store of sealed bytes: blobs under opaque names, whole and durable or not there at all (S-10, S-11).

A blob id is 32 hexadecimal digits made by the service, and used for one blob only, whatever becomes of that; anything
else is a bug and raises ValueError. A blob is never overwritten. Errors of the engine's world become
``BlobsUnavailable``, ``StorageFull``, ``BlobLocked`` or ``BlobMissing`` at its border.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from domain.errors import BilagaError
from domain.ids import BlobId

_ID = re.compile(r"[0-9a-f]{32}")


def check_id(blob_id: BlobId) -> None:
    """Raises ValueError for what is no blob id: no name from outside ever becomes a path or a key."""
    if not _ID.fullmatch(blob_id):
        raise ValueError("not a blob id")


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a store knows of a blob. ``size`` in bytes; not ``finished``: a writer's leavings, never readable."""

    blob_id: BlobId
    size: int
    modified_at: datetime
    finished: bool


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the store: all of it, and what may still be written (the reserve taken off). Of a store without an end
    that it would tell: how large one blob can be, twice."""

    total: int
    free: int


class BlobWriter(Protocol):
    """A blob being written, by one thread. Leaving the ``with`` block without ``commit`` aborts."""

    def write(self, view: memoryview | bytes) -> None:
        """Append bytes; the view is not kept. Raises StorageFull, BlobsUnavailable: then the blob is gone already."""
        ...

    def commit(self) -> BlobStat:
        """Make the blob durable and readable under its id, and only then return (S-10). Raises as ``write`` does, also
        where the blob was deleted meanwhile."""
        ...

    def abort(self) -> None:
        """Leave nothing of it. Again, or after ``commit``: nothing happens."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobReader(Protocol):
    """A finished blob, open. ``read_at`` may be called from several threads, and ``close`` beside it."""

    @property
    def size(self) -> int:
        """Bytes of the blob."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``, fewer only at the end. Raises BlobsUnavailable, also after
        ``close``, and from some stores where the blob was deleted meanwhile; ValueError where either is negative."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """A store. Safe to call from any thread."""

    def create(self, blob_id: BlobId, expected_size: int | None) -> BlobWriter:
        """Begin a blob. Raises StorageFull where ``expected_size`` bytes would not leave the reserve (S-13), and
        BlobsUnavailable, before anything is written."""
        ...

    def open(self, blob_id: BlobId) -> BlobReader:
        """Open a finished blob. Raises BlobMissing."""
        ...

    def stat(self, blob_id: BlobId) -> BlobStat | None:
        """A finished blob's facts; None: there is none. Raises BlobsUnavailable."""
        ...

    def delete(self, blob_id: BlobId) -> None:
        """Remove every byte of that id, durably: versions, parts and a writer's leavings. Again: nothing happens, and
        after a BlobsUnavailable it must be done again, as nothing is known then. Raises BlobLocked where the store
        has been told to keep it, or does not let us."""
        ...

    def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
        """All blobs in the order of their ids, each id once, unfinished ones among them, beginning after an id. What
        comes or goes meanwhile may be in it or not. Raises BlobsUnavailable, at any step."""
        ...

    def space(self) -> Space:
        """How full the store is. Raises BlobsUnavailable."""
        ...

    def ping(self) -> None:
        """Return if the store can be written right now, and is to be believed (S-12). Raises BlobsUnavailable, and
        StorageFull where not even the reserve is left."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Digesting(Protocol):
    """The ability of a store to read a blob back and digest it (``VERIFY_UPLOADS=readback``, ``fsck --digests``)."""

    def digest(self, blob_id: BlobId) -> bytes:
        """SHA-256 of the bytes as the store gives them back, not as they were written. Raises BlobMissing."""
        ...


class Clearing(Protocol):
    """The ability of a store to remove many blobs at once, faster than one by one."""

    def delete_all(self, blob_ids: Collection[BlobId]) -> Mapping[BlobId, BilagaError]:
        """Remove them as ``delete`` does, each as surely; those that could not be, and why. So an id that is not in
        the answer was looked for and is gone. Raises BlobsUnavailable where nothing is known of any."""
        ...
