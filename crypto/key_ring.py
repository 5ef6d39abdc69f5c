"""The port of the key ring: the key-encryption keys at hand, in generations, and the site's secrets (S-33)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.secret import Secret

WRAP_LIMIT = 1 << 28
"""How many data keys one generation may wrap before it must be rotated (S-35); the records count them."""
ACTIVE_FOR = timedelta(days=365)
"""How long one generation may be the active one (S-35)."""


class GenerationState(StrEnum):
    """``active`` wraps and unwraps, ``retired`` only unwraps, ``destroyed`` is gone and only its number is known."""

    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the key-encryption key. Numbers count from 1, and none is ever given twice."""

    number: int
    created_at: datetime
    state: GenerationState


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key under a generation: all that may rest in a database."""

    generation: int
    sealed: bytes


class KeyRing(Protocol):
    """Safe to use from several threads at once, and beside another process on the same keys: what one does, the other
    sees at its next use. Every method raises KeysUnavailable where the keys cannot be reached right now.
    """

    @property
    def installation(self) -> str:
        """This installation's random id: a part of every context."""
        ...

    def wrap(self, key: DataKey, context: Context) -> WrappedKey:
        """The key under the active generation, bound to its context. Raises WrongContext for a foreign installation."""
        ...

    def unwrap(self, wrapped: WrappedKey, context: Context) -> DataKey:
        """The key. Raises WrongContext where it was changed or wrapped for something else, KeysUnavailable where its
        generation is unknown or destroyed; no other generation is ever tried (S-25).
        """
        ...

    def generations(self) -> list[Generation]:
        """All there ever were, by number; exactly one is active."""
        ...

    def rotate(self, now: datetime) -> Generation:
        """Make a new generation the active one, durably, and give it; the one before is retired."""
        ...

    def destroy(self, number: int) -> None:
        """Destroy a retired generation, durably: what it wraps is erased. Again: nothing happens.

        Raises NotFound for a number never given, StateConflict for the active generation. Whether anything living is
        still wrapped under it is for the caller to count first (S-36).
        """
        ...

    def secret(self, purpose: str) -> Secret:
        """The site's secret of this purpose; made, and made durable, when first asked for (S-33)."""
        ...

    def ping(self) -> None:
        """Return if the keys can be used right now."""
        ...
