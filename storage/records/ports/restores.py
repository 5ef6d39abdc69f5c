"""The store that a restore asks to end what may have ended before (S-6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ended:
    """How many came to an end."""

    sessions: int
    grants: int
    links: int


class Restores(Protocol):
    """What cannot be known after a restore to be still good."""

    def end_all(self, *, at: datetime) -> Ended:
        """End every session, one-time sign-in, mailed code and grant, and every download link that counts."""
        ...
