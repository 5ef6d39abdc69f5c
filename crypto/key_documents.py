"""The port of the place where a managed ring's document rests: one, replaced as a whole, by compare and set."""

from __future__ import annotations

from typing import Protocol


class KeyDocuments(Protocol):
    """Safe to use from any thread and from several processes. Every call raises Unavailable (or a kind of it) where the
    place does not answer; whether a ``replace`` that raised was done is then not known.
    """

    def load(self) -> bytes | None:
        """The document as it is now; None: there never was one. ASCII."""
        ...

    def replace(self, old: bytes | None, new: bytes) -> bool:
        """Put ``new`` in place of exactly ``old`` (None: of nothing), durably; False where another has been there."""
        ...
