"""What is known of the files that lie in ticket systems, and how far they are brought home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.ids import AttachmentId, TicketId


class SourceFileState(StrEnum):
    """How far a file is: each step is written down after it was done, and done again where nobody knows."""

    SEEN = "seen"
    KEPT = "kept"
    """We have it, with a receipt of our own."""
    NOTED = "noted"
    """A link to it stands on its ticket."""
    DELETED = "deleted"
    """Looked for at its source, and not there any more."""
    LEFT = "left"
    """It stays where it is; ``reason`` says why."""


@dataclass(frozen=True, slots=True)
class SourceFileRow:
    """A file on a ticket of another system, by that system's ids. ``reason``: a code, never a person's data.

    ``next_at``: not tried again before; ``attempts`` are those that failed since it was last got on with.
    """

    connector: str
    source_id: str
    source_ticket_id: str
    ticket_id: TicketId
    part: str | None
    attachment_id: AttachmentId | None
    state: SourceFileState
    reason: str | None
    attempts: int
    next_at: datetime
    created_at: datetime
    updated_at: datetime
