"""What became of the files, and what is told on the way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import BilagaError


class What(StrEnum):
    """What a step is."""

    BEGUN = "begun"
    """A new upload, nothing sent."""
    RESUMED = "resumed"
    """The upload of an earlier run, at its offset."""
    SENDING = "sending"
    """So much is on its way."""
    WAITING = "waiting"
    """Something is in the way, told by ``detail``; tried again in ``seconds``."""
    SENT = "sent"
    """The service has it all, durably."""
    FAILED = "failed"
    """It goes no further, told by ``detail``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file got further, or not. ``length`` None: a stream whose end is not known yet."""

    index: int
    """The file's place among those that were given."""
    name: str
    what: What
    offset: int
    length: int | None
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One file: sent, or why not. ``sha256`` is that of what was read here, hexadecimal."""

    name: str
    size: int
    sha256: str = ""
    receipt_url: str = ""
    id: str | None = None
    """The attachment's id; None as long as the service has not told it."""
    state: str | None = None
    """As the receipt tells it: ``receiving``, ``available``, ``quarantined``, ``rejected``, …"""
    verified: bool = False
    """The receipt says the same SHA-256 as was read here."""
    resumed: bool = False
    """An earlier run had begun it."""
    error: BilagaError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all files, in the order they were given."""

    files: tuple[Sent, ...]

    @property
    def receipts(self) -> tuple[str, ...]:
        """The receipts' addresses: one, unless earlier runs had begun others. Each is a credential."""
        return tuple(dict.fromkeys(file.receipt_url for file in self.files if file.receipt_url))

    @property
    def errors(self) -> tuple[BilagaError, ...]:
        """Why files were not sent."""
        return tuple(file.error for file in self.files if file.error is not None)
