"""The store of wrapped data keys: the only place they are in, so that destroying a row destroys the key (S-39).

Owners are attachments, tickets and organisations; ``purpose`` is the crypto context's purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WrappedRow:
    """An owner's wrapped key: opaque here but for the number of the generation that wraps it."""

    owner_id: str
    purpose: str
    generation: int
    sealed: bytes


class WrappedKeys(Protocol):
    """Wrapped keys' rows, one for an owner and a purpose."""

    def add(self, row: WrappedRow) -> None:
        """Keep a key, and count one use of its generation (S-35)."""
        ...

    def get(self, owner_id: str, purpose: str) -> WrappedRow | None:
        """An owner's key; None: never made, or destroyed."""
        ...

    def destroy(self, owner_id: str) -> int:
        """Delete all of an owner's keys; how many there were."""
        ...

    def replace(self, row: WrappedRow, *, generation: int) -> bool:
        """Put a re-wrapped key in place of the one of ``generation``, counting a use; False where it is no more."""
        ...

    def older_than(self, generation: int, *, after: tuple[str, str] | None, limit: int) -> Sequence[WrappedRow]:
        """Keys under older generations, by (owner, purpose): what re-wrapping walks over."""
        ...

    def count(self, generation: int) -> int:
        """How many keys a generation wraps now."""
        ...

    def uses(self, generation: int) -> int:
        """How many keys a generation ever wrapped."""
        ...

    def owners(self, *, after: tuple[str, str] | None, limit: int) -> Sequence[WrappedRow]:
        """All keys, by (owner, purpose), for fsck."""
        ...
