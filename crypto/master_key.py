"""The port of the key manager: a master key that never leaves it, and keys under it that can be destroyed (S-33)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

KeyContext = Mapping[str, str]
"""What binds a wrapping to its use: authenticated by the manager, and in clear in its log. Ids only, never names."""


class MasterRefused(Exception):
    """The manager said no, and will say no again: its text says why, in words for the operator and without a secret."""


class MasterKey(Protocol):
    """A key manager. Safe to use from any thread; every call ends within seconds, whatever the manager does.

    ``key`` in its calls is a reference that ``make`` gave, or None for the master key itself. Every call raises
    KeysUnavailable where the manager cannot be reached or is too busy (asking again may help), MasterRefused where a
    key is gone, disabled or not ours to use (it will not).
    """

    @property
    def name(self) -> str:
        """The manager and its master key in words for the operator: no secret in them."""
        ...

    def make(self, label: KeyContext) -> str:
        """Make a new key, durably; its reference, printable and short. ``label`` is noted with it where that can be."""
        ...

    def wrap(self, key: str | None, plaintext: bytes, context: KeyContext) -> bytes:
        """At most 4096 bytes, wrapped and bound to the context."""
        ...

    def unwrap(self, key: str | None, wrapped: bytes, context: KeyContext) -> bytes:
        """What was wrapped. Raises WrongContext where it was changed, or wrapped by another key or for another use."""
        ...

    def destroy(self, key: str) -> None:
        """Destroy a key that ``make`` made: on return the manager uses it no more. Again, or unknown: nothing happens.
        Raises ValueError for what ``make`` can never have given: the master key is not ours to destroy.
        """
        ...

    def ping(self) -> None:
        """Return if the manager answers and the master key can be used right now."""
        ...
