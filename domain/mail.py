"""What is remembered of a mail that came in: so that one that comes again brings nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.ids import AttachmentId, TicketId


class MailState(StrEnum):
    """How far a mail got: its files are kept, or the next hop has taken what is left of it as well."""

    KEPT = "kept"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class MailPart:
    """A part of a mail for a ticket, and the attachment that was made of it; part 0 is the mail itself.

    ``digest``: SHA-256 of the whole message as it came.
    """

    digest: bytes
    ticket_id: TicketId
    part: int
    attachment_id: AttachmentId | None
    state: MailState
    kept_at: datetime
    relayed_at: datetime | None
